"""Fio's API as a client: gives the bytes of statements, at most one in 30 seconds, and never shows its token.

    /periods/TOKEN/FROM/TO/transactions.json        movements of days, with the balances around them
    /by-id/TOKEN/YEAR/NUMBER/transactions.json      an official statement
    /last/TOKEN/transactions.json                   movements since the bank's own bookmark, which it moves on
    /set-last-id/TOKEN/ID/                          puts the bookmark behind a movement

**The token stands in the address**, so no address may ever reach a log, an error or another server: what aiohttp
raises is not passed on, redirects are not followed. **30 seconds** must lie between two requests with one token,
else the answer is 409; a client waits by itself before it asks, and once more if somebody else used the token.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date

import aiohttp
from yarl import URL

from billing.payments.banks.detect import SIZE_BYTES_MAX
from config.bank_settings import FIO_TOKEN
from config.clock import monotonic_seconds
from config.errors import BankUnreachable, NotAllowed

PAUSE_SECONDS = 30
MARGIN_SECONDS = 1
"""The bank's clock and ours differ in where a second begins."""
TRIES_MAX = 3
TIMEOUT_SECONDS = 120
_MEANINGS = {
    404: ("does not know this address", "Check [fio] url."),
    413: ("has too many movements for one answer", "Import a statement file for the older days."),
    422: (
        "gives out movements older than 90 days only after an authorisation",
        "Authorise it in the internet banking (it holds for ten minutes), or import a statement file.",
    ),
    500: (
        "does not accept the token",
        "It works five minutes after it was authorised, for its account, until it expires; see the internet banking.",
    ),
}


class FioApi:
    """One token, that is one account."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        token: str,
        *,
        seconds: Callable[[], float] = monotonic_seconds,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if not FIO_TOKEN.fullmatch(token):
            raise NotAllowed(
                "What stands in the secret is no token of Fio: those have 16 to 128 letters and digits.",
                "Copy it from the internet banking, Settings, API.",
            )
        self._http = http
        self._url = url
        self._token = token
        self._seconds = seconds
        self._wait = wait
        self._one_at_a_time = asyncio.Lock()
        self._not_before_seconds = seconds()

    async def period(self, first: date, last: date) -> bytes:
        """The movements of these days, both included, as JSON."""
        return await self._get("periods", f"{first}/{last}/transactions.json")

    async def statement(self, year: int, number: int) -> bytes:
        """An official statement as JSON."""
        return await self._get("by-id", f"{year}/{number}/transactions.json")

    async def last(self) -> bytes:
        """The movements since the bank's bookmark as JSON; the bank moves the bookmark, whatever becomes of them."""
        return await self._get("last", "transactions.json")

    async def set_last_id(self, movement_id: str) -> None:
        """Puts the bookmark behind this movement, so that `last` gives what came after it."""
        await self._get("set-last-id", f"{int(movement_id)}/")

    async def _get(self, what: str, rest: str) -> bytes:
        address = URL(f"{self._url}/{what}/{self._token}/{rest}")
        async with self._one_at_a_time:
            for _ in range(TRIES_MAX):
                await self._wait_for_the_bank()
                status, body = await self._ask(address)
                if status == 200:
                    return body
                if status != 409:
                    raise _refusal(status)
        raise BankUnreachable(
            f"Fio says that its token was used less than {PAUSE_SECONDS} s ago, again and again.",
            "Give every program a token of its own.",
        )

    async def _wait_for_the_bank(self) -> None:
        pause_seconds = self._not_before_seconds - self._seconds()
        if pause_seconds > 0:
            await self._wait(pause_seconds)

    async def _ask(self, address: URL) -> tuple[int, bytes]:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        try:
            async with self._http.get(address, allow_redirects=False, timeout=timeout) as response:
                return response.status, await _body(response) if response.status == 200 else b""
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # Its text may hold the address, so only its kind is told, and `from None` hides the rest.
            raise BankUnreachable(f"Fio can't be reached ({type(error).__name__}).") from None
        finally:
            self._not_before_seconds = self._seconds() + PAUSE_SECONDS + MARGIN_SECONDS


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > SIZE_BYTES_MAX:
            raise BankUnreachable(
                f"Fio's answer is longer than {SIZE_BYTES_MAX} bytes.", "Import files of shorter periods."
            )
    return bytes(body)


def _refusal(status: int) -> BankUnreachable:
    meaning, remedy = _MEANINGS.get(status, (f"answers with the status {status}", "It is tried again later."))
    return BankUnreachable(f"Fio {meaning}.", remedy)
