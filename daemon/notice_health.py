"""Whether the notice server answers: nobody is to be led to a page that nobody shows.

After three failures in a row the redirect is taken away from those who have a notice; the first answer brings it back.
Who is suspended stays so: banks, DNS and the portal are reached without that page.
"""

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog

from config.settings import Settings

CHECK_SECONDS = 10.0
PATIENCE_SECONDS = 5.0
FAILURES_MAX = 3

log = structlog.get_logger()


class NoticeHealth:
    """Asks the server like a subscriber, and tells of every change. `run` lasts until it is cancelled."""

    def __init__(self, settings: Settings, on_change: Callable[[bool], None]) -> None:
        parts = urlsplit(settings.notice.url)
        default_port = 443 if parts.scheme == "https" else 80
        addresses = settings.notice.addresses
        # Where redirected requests are sent to; a name may mean something else on this machine.
        self._host = str(addresses[0]) if addresses else parts.hostname or ""
        self._port = settings.notice.port if addresses else parts.port or default_port
        self._request = (
            f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode()
        )
        self._on_change = on_change
        self._failures = 0

    @property
    def is_good(self) -> bool:
        return self._failures < FAILURES_MAX

    async def run(self) -> None:
        while True:
            await self.check()
            await asyncio.sleep(CHECK_SECONDS)

    async def check(self) -> None:
        """One look; tells when it changes what is to be done."""
        was_good = self.is_good
        reason = await self._failure()
        self._failures = self._failures + 1 if reason else 0
        if self.is_good == was_good:
            return
        if self.is_good:
            log.info("the notice server answers again; notices are shown")
        else:
            log.error("the notice server does not answer; nobody is led to it", reason=reason)
        self._on_change(self.is_good)

    async def _failure(self) -> str:
        """Why it is not good; empty when it is."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                reader, writer = await asyncio.open_connection(self._host, self._port)
                try:
                    writer.write(self._request)
                    status = (await reader.readline()).split()
                finally:
                    writer.close()
        except TimeoutError:
            return f"no answer within {PATIENCE_SECONDS:.0f} s"
        except (OSError, ValueError) as error:
            return str(error) or type(error).__name__
        if len(status) < 2 or not status[0].startswith(b"HTTP/1.") or status[1].startswith(b"5"):
            return f"it answered {b' '.join(status)[:80]!r}"
        return ""
