"""What is done once for the whole ISP, beside the network: mail, the watched folder, the bank, telephones.

Of the engines of several gateways, the one on duty does it (`billing.store.presence`): each piece of work waits for
that first. When two overlap for a moment all the same, nothing is done twice: mails are leased, statements and
payments are known by what they are.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from sqlalchemy.exc import DBAPIError

from billing.invoicing.documents.rendering import Renderer
from billing.payments.folder import import_ready
from billing.store.engine import Store
from config.clock import Clock
from config.errors import HradloError
from config.settings import Settings
from daemon.bank_download import keep_downloading
from daemon.call_files import keep_reading_calls
from daemon.mailer import send_due
from daemon.report import DailyReport
from daemon.tidying import tidy
from daemon.voip import keep_voip

MAIL_EVERY_SECONDS = 5
MAIL_AFTER_TROUBLE_SECONDS = 60
TIDY_EVERY_SECONDS = 3600
TIDY_AFTER_SECONDS = 60
"""By then an engine that stood still for long has looked, and noted when."""
REPORT_EVERY_SECONDS = 60

log = structlog.get_logger()


class Jobs:
    """One for an engine. `run` lasts until it is cancelled."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        duty: Callable[[], Awaitable[None]],
        wake: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._duty = duty
        """Returns when this engine is on duty; asked before each piece of work."""
        self._wake = wake
        """Facts have changed."""

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_mailing(), name="mail")
            if self._settings.mail.admin:
                tasks.create_task(self._keep_reporting(), name="daily report")
            if self._settings.payments.watch_folder:
                tasks.create_task(self._keep_importing(), name="watched folder")
            if self._settings.fio.tokens:
                downloading = keep_downloading(self._settings, self._store, self._clock, self._duty, self._wake)
                tasks.create_task(downloading, name="Fio")
            tasks.create_task(keep_voip(self._settings, self._store, self._clock, self._duty), name="telephones")
            if self._settings.voip.calls_folder or self._settings.voip.calls_files:
                reading = keep_reading_calls(self._settings, self._store, self._clock, self._wake)
                tasks.create_task(reading, name="call records")
            tasks.create_task(self._keep_tidying(), name="tidying")

    async def _keep_reporting(self) -> None:
        report = DailyReport(self._settings, self._store, self._clock)
        while True:
            await self._duty()
            try:
                await report.write_if_due()
            except (DBAPIError, HradloError, OSError) as error:
                log.error("daily report not written", error=str(error))
            await asyncio.sleep(REPORT_EVERY_SECONDS)

    async def _keep_mailing(self) -> None:
        async with Renderer.of(self._settings) as renderer:
            while True:
                await self._duty()
                pause_seconds = await self._mail(renderer)
                await asyncio.sleep(pause_seconds)

    async def _mail(self, renderer: Renderer) -> float:
        """One round of mails; returns for how many seconds to leave them alone."""
        try:
            report = await send_due(self._store, self._settings, self._clock, renderer)
        except (DBAPIError, HradloError, OSError) as error:
            log.error("mail not sent", error=str(error))
            return MAIL_EVERY_SECONDS
        counts = {name: getattr(report, name) for name in ("sent", "put_off", "failed", "expired")}
        if any(counts.values()):
            log.info("mail", **counts)
        else:
            await renderer.close()  # its processes hold some memory, and nothing waits for them now
        if not report.trouble:
            return MAIL_EVERY_SECONDS
        # a server that refuses our login must not be asked every five seconds
        log.error("mails wait", error=report.trouble)
        return MAIL_AFTER_TROUBLE_SECONDS

    async def _keep_importing(self) -> None:
        folder = self._settings.payments.watch_folder
        assert folder is not None
        seen: dict[Path, tuple[int, int]] = {}
        while True:
            await self._duty()
            try:
                outcomes = await import_ready(self._store, folder, self._settings, self._clock.now(), seen)
            except (DBAPIError, OSError) as error:
                log.error("watched folder not read", folder=str(folder), error=str(error))
            else:
                for outcome in outcomes:
                    log.info("statement", file=outcome.name, outcome=str(outcome))
                if outcomes:
                    self._wake()
            await asyncio.sleep(self._settings.payments.watch_seconds)

    async def _keep_tidying(self) -> None:
        await asyncio.sleep(TIDY_AFTER_SECONDS)
        while True:
            await self._duty()
            try:
                await tidy(self._store, self._settings, self._clock)
            except (DBAPIError, HradloError, OSError) as error:
                log.error("not tidied", error=str(error))
            await asyncio.sleep(TIDY_EVERY_SECONDS)
