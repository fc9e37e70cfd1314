"""What the exchange's handlers work with, and the limits of their patience.

What is asked of the database runs in a task of its own: a caller waits for it no longer than the deadline, whatever
holds the database up. The task goes on and ends by itself, and its hold is the answer when the exchange asks again.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web

from billing.store.engine import Store
from billing.voip.questions import Questions
from config.clock import Clock
from config.errors import HradloError
from config.settings import Settings

DEADLINE_SECONDS = 1.5
"""An exchange's worker stands still meanwhile, and somebody hears nothing."""
CLOSING_SECONDS = 5.0
WAITING_MAX = 500
"""Above so many questions that wait for the database, more would only wait for nothing."""

T = TypeVar("T")


class Unavailable(HradloError):
    """The database did not answer in time."""


@dataclass
class Desk:
    """The tools of every handler, put together once from the settings."""

    settings: Settings
    store: Store
    clock: Clock
    ring: Callable[[], None]
    token: bytes = field(init=False, repr=False)
    addresses: frozenset[str] = field(init=False)
    questions: Questions = field(init=False)
    deadline_seconds: float = DEADLINE_SECONDS
    _working: set[asyncio.Future[Any]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.token = self.settings.secret("voip_token").encode()
        self.questions = Questions(self.store, self.settings, self.clock)
        self.addresses = frozenset(str(address) for address in self.settings.voip.exchange_addresses)

    def knows(self, token: str) -> bool:
        """Whether that is the exchange's token; takes as long whichever it is."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.token)

    async def in_time(self, work: Awaitable[T]) -> T:
        """The work's result; raises `Unavailable` at the deadline, and lets the work's own errors pass."""
        if len(self._working) >= WAITING_MAX:
            if asyncio.iscoroutine(work):
                work.close()
            raise Unavailable(f"{WAITING_MAX} questions wait for the database already.")
        working = asyncio.ensure_future(work)
        self._working.add(working)
        working.add_done_callback(self._forget)
        done, _ = await asyncio.wait({working}, timeout=self.deadline_seconds)
        if not done:
            raise Unavailable(f"The database did not answer in {self.deadline_seconds:g} s.")
        return working.result()

    def _forget(self, working: asyncio.Future[Any]) -> None:
        self._working.discard(working)
        with suppress(asyncio.CancelledError):
            working.exception()  # whoever waited was told, or has gone

    async def close(self) -> None:
        """Waits a little for what still works."""
        if self._working:
            await asyncio.wait(self._working, timeout=CLOSING_SECONDS)


DESK = web.AppKey("desk", Desk)
