"""An engine's own connection to PostgreSQL: it hears the bell there, and holds the *duty*.

* The bell: whoever writes to the journal notifies in the same transaction (see `journal`), so every engine hears of
  every commit, wherever it was made. A notice carries nothing; what changed stands in the tables. When the
  connection was away, it rings by itself: something may have been missed.
* The duty: what is to be done once for the whole ISP (mail, bank, …) is done by the one engine that holds an
  advisory lock. The lock belongs to the connection: when that is lost, another engine takes over within seconds.

An SQLite database has one machine, and one engine: it is always on duty, and its bell is the unix datagram alone.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from billing.store.engine import POSTGRES_ARGUMENTS, postgres_url
from billing.store.journal import CHANNEL

BEAT_SECONDS = 2.0
"""How often it is asked whether the connection is still there, and whether the duty is to be had."""
BEAT_SECONDS_MAX = 5.0
"""No answer for so long: the connection is given up, and the duty with it."""
_TAKE = text("SELECT pg_try_advisory_lock(hashtext('hradlo.duty'))")

log = structlog.get_logger()


class Presence:
    """One for an engine. `run` lasts until it is cancelled."""

    def __init__(self, url: str, on_ring: Callable[[], None]) -> None:
        self._url = make_url(url)
        self._on_ring = on_ring
        self._duty = asyncio.Event()
        self._lost = asyncio.Event()
        if self._is_alone:
            self._duty.set()

    @property
    def _is_alone(self) -> bool:
        return self._url.get_backend_name() != "postgresql"

    @property
    def is_on_duty(self) -> bool:
        return self._duty.is_set()

    async def duty(self) -> None:
        """Waits until this engine is the one that does what is to be done once; ask again before each piece of work."""
        await self._duty.wait()

    async def run(self) -> None:
        """Stays connected; a connection that is lost is made anew."""
        while not self._is_alone:
            try:
                async with self._connected() as connection:
                    await self._stay(connection)
            except (DBAPIError, OSError) as error:
                log.error("the database's bell is not heard", error=str(getattr(error, "orig", error)))
            await asyncio.sleep(BEAT_SECONDS)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        self._lost.clear()
        engine = _engine_of_one(self._url)
        async with asyncio.timeout(BEAT_SECONDS_MAX):
            connection = await engine.connect()
        try:
            async with asyncio.timeout(BEAT_SECONDS_MAX):
                await self._listen(connection)
            self._on_ring()
            yield connection
        finally:
            if self.is_on_duty:
                log.info("off duty: another engine may do what is to be done once")
            self._duty.clear()
            await connection.invalidate()  # it may be dead: nobody waits for its farewell
            await connection.close()

    async def _listen(self, connection: AsyncConnection) -> None:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        try:
            await raw.add_listener(CHANNEL, lambda *_: self._on_ring())
        except Exception as error:  # asyncpg's own: past SQLAlchemy, nobody translates it
            raise ConnectionError(f"the server takes no listener: {error}") from error
        raw.add_termination_listener(lambda *_: self._lost.set())

    async def _stay(self, connection: AsyncConnection) -> None:
        """Returns when the connection is lost; raises what a beat raises."""
        while not self._lost.is_set():
            async with asyncio.timeout(BEAT_SECONDS_MAX):
                await self._beat(connection)
            try:
                async with asyncio.timeout(BEAT_SECONDS):
                    await self._lost.wait()
            except TimeoutError:
                continue

    async def _beat(self, connection: AsyncConnection) -> None:
        if self._duty.is_set():
            await connection.execute(text("SELECT 1"))
        elif await connection.scalar(_TAKE):
            log.info("on duty: this engine does what is to be done once")
            self._duty.set()


def _engine_of_one(url: Any) -> AsyncEngine:
    """Autocommit, as a session-level lock and a bell need no transaction."""
    return create_async_engine(
        postgres_url(url), poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=POSTGRES_ARGUMENTS
    )
