"""Talking to one router from the event loop: one worker thread, one connection, one thing after another.

The narrow port of the driver: `run(commands)` and `stream_print(path, …)`. Every call has a deadline on the wall's
clock, which holds whatever the router does (a library's timeout is one between two bytes): when it passes, the
connection is cut. An unreachable router is refused at once while its pause lasts (`breaker`), so that it never
delays what is said to others.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol, TypeVar

from config.clock import monotonic_seconds
from config.errors import DriverError
from enforcement.routeros.breaker import Breaker
from enforcement.routeros.commands import Command, Result, Row, Trap
from enforcement.routeros.connection import Access, Connection, Lost

OPEN_SECONDS = 30.0
"""Patience with a new connection: TCP, TLS and login."""
RUN_SECONDS = 60.0
"""Patience with some hundred commands."""
PRINT_SECONDS = 120.0
"""Patience with a list; small routers need 20 s for 30,000 rows."""
_END_SECONDS = 5.0
"""How long a cut connection's thread may need to notice."""

Answer = TypeVar("Answer")


class RouterUnreachable(DriverError):
    """Nobody knows what the router does now; it goes on enforcing what it has."""


class Refused(DriverError):
    """The router understood, and refused."""

    def __init__(self, router: str, command: Command | str, trap: Trap, rows: Sequence[Row] = ()) -> None:
        remedy = ""
        if trap.is_unauthorized:
            remedy = "Give its user's group the policies read, write and api (docs/mikrotik.md)."
        super().__init__(f"Router {router} refused `{command}`: {trap.message}.", remedy)
        self.trap = trap
        self.rows = rows
        """What came before."""


class Reconnected(RouterUnreachable):
    """The connection on which names of rows were learned is gone: they may be void, and what was under way unknown."""


class Transport(Protocol):
    """What the driver needs of a router."""

    name: str
    session: int
    """Which connection this is. What is named by `.id` is good for one of them: a reboot ends it, and all names."""

    async def run(self, commands: Sequence[Command], *, on: int | None = None) -> list[Result]:
        """Carries out commands, in any order; traps are in the results.

        `on` is the session that the commands' names are of: when that is gone, or goes meanwhile, this raises
        `Reconnected`, and nothing is sent on another one. Without it: `RouterUnreachable`.
        """
        ...

    async def stream_print(self, path: str, properties: Sequence[str], *queries: tuple[str, str]) -> list[Row]:
        """The rows of a menu that have these values. Raises `RouterUnreachable` or `Refused`."""
        ...

    async def close(self) -> None:
        """Lets go of the router."""
        ...


async def print_if_there(transport: Transport, path: str, properties: Sequence[str]) -> list[Row]:
    """The rows of a menu that a router may not have: its package or its hardware is missing. Raises as the port."""
    try:
        return await transport.stream_print(path, properties)
    except Refused as error:
        if error.trap.is_no_such_command:
            return []
        raise


class RouterTransport:
    """One router, by routeros-api in a thread of its own."""

    def __init__(self, name: str, access: Access, breaker: Breaker | None = None) -> None:
        self.name = name
        self.session = 0
        self._access = access
        self._breaker = breaker or Breaker()
        self._worker = ThreadPoolExecutor(1, f"router {name}")
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()

    async def run(self, commands: Sequence[Command], *, on: int | None = None) -> list[Result]:
        if not commands:
            return []
        async with self._turn:
            if on is None:
                return await self._in_worker(lambda connection: connection.run(commands), RUN_SECONDS)
            if self._connection is not None and on == self.session:
                with suppress(Lost):
                    return await self._on_connection(self._connection, lambda one: one.run(commands), RUN_SECONDS)
        raise Reconnected(f"The connection to router {self.name} was lost.", "It is read anew.")

    async def stream_print(self, path: str, properties: Sequence[str], *queries: tuple[str, str]) -> list[Row]:
        async with self._turn:
            result = await self._read(lambda connection: connection.read(path, properties, queries))
        if result.trap:
            raise Refused(self.name, Command(path, "print"), result.trap, result.rows)
        return list(result.rows)

    async def close(self) -> None:
        """Cuts the connection; whoever waits for an answer learns that it is gone."""
        if self._connection is not None:
            self._connection.cut()
        async with self._turn:
            if self._connection is not None:
                self._connection.close()
        self._worker.shutdown(wait=False)

    async def _read(self, work: Callable[[Connection], Result]) -> Result:
        """What reads may be asked twice: a connection that was idle for long is often found broken."""
        if self._connection is not None:
            with suppress(Lost):
                return await self._on_connection(self._connection, work, PRINT_SECONDS)
        return await self._in_worker(work, PRINT_SECONDS)

    async def _in_worker(self, work: Callable[[Connection], Answer], deadline_seconds: float) -> Answer:
        self._require_pause_over()
        try:
            connection = await self._connected()
            answer = await self._on_connection(connection, work, deadline_seconds)
        except Lost as error:
            lost = error
        else:
            self._breaker.succeeded()
            return answer
        self._breaker.failed(lost.reason, monotonic_seconds(), is_login=lost.is_login)
        raise self._unreachable(lost.reason)

    async def _connected(self) -> Connection:
        if self._connection is None:
            connection = Connection(self._access)
            await self._on_connection(connection, Connection.open, OPEN_SECONDS)
            self._connection = connection
            self.session += 1
        return self._connection

    async def _on_connection(
        self, connection: Connection, work: Callable[[Connection], Answer], deadline_seconds: float
    ) -> Answer:
        """The work's answer from the thread; after any error, a deadline or a cancellation the connection is gone."""
        task = asyncio.wrap_future(self._worker.submit(work, connection))
        task.add_done_callback(_retrieved)
        try:
            await asyncio.wait({task}, timeout=deadline_seconds)
            if not task.done():
                connection.cut()
                await asyncio.wait({task}, timeout=_END_SECONDS)
                raise Lost(f"it did not finish within {deadline_seconds:.0f} s")
            return task.result()
        except BaseException:
            self._connection = None  # what it says from now on would answer a question that nobody asks any more
            connection.cut()
            raise

    def _require_pause_over(self) -> None:
        pause = self._breaker.pause_seconds(monotonic_seconds())
        if pause:
            raise self._unreachable(f"{self._breaker.reason}; tried again in {pause:.0f} s")

    def _unreachable(self, reason: str) -> RouterUnreachable:
        remedy = f"See `hradlo doctor`. Lines stay as they are on it ({self._access.host} port {self._access.port})."
        return RouterUnreachable(f"Router {self.name} is not reached: {reason}.", remedy)


def _retrieved(task: "asyncio.Future[Answer]") -> None:
    """Nobody waits for it any more, and nobody is to be told that nobody did."""
    if not task.cancelled():
        task.exception()
