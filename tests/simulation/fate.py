"""When the simulated process dies: `kill -9` before or after any statement to the database or command to a router.

SQLite runs in the one thread of the simulation, so that a seed always meets the same order of things. What dies is
closed as the kernel would do it: an open transaction is gone, what was committed stays.
"""

import asyncio
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from weakref import WeakSet

import aiosqlite


class Killed(BaseException):
    """The process is dead. No `except Exception` hears of it."""


class Fate:
    """Counts the steps of the process, and ends it at the one that was chosen."""

    def __init__(self) -> None:
        self.steps = 0
        self.deaths = 0
        self.is_dead = False
        self._deadly_step: int | None = None

    def doom(self, after_steps: int) -> None:
        self._deadly_step = self.steps + after_steps

    def spare(self) -> None:
        self._deadly_step = None

    def step(self) -> None:
        """Something is about to be done, or was just done; raises `Killed` when that is not to be lived through."""
        if self.is_dead:
            raise Killed
        self.steps += 1
        if self.steps == self._deadly_step:
            self.is_dead, self.deaths = True, self.deaths + 1
            raise Killed

    def bury(self) -> None:
        """The next process may live."""
        self.is_dead, self._deadly_step = False, None


class Databases:
    """The connections that are open; the kernel closes those of a dead process."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate
        self._open: list[aiosqlite.Connection] = []
        self._cursors: WeakSet[sqlite3.Cursor] = WeakSet()

    def close_all(self) -> None:
        for connection in self._open:
            self._close(connection)
        self._open.clear()

    @contextmanager
    def in_one_thread(self) -> Iterator[None]:
        """aiosqlite without its threads, until the block ends."""

        def awaited(connection: aiosqlite.Connection) -> Generator[Any, None, aiosqlite.Connection]:
            return self._connect(connection).__await__()

        async def execute(connection: aiosqlite.Connection, work: Any, *arguments: Any, **named: Any) -> Any:
            return await self._execute(connection, work, *arguments, **named)

        def stop(connection: aiosqlite.Connection) -> None:
            self._close(connection)

        with patch.multiple(aiosqlite.Connection, __await__=awaited, _execute=execute, stop=stop):
            yield

    async def _connect(self, connection: aiosqlite.Connection) -> aiosqlite.Connection:
        self._fate.step()
        connection._connection = connection._connector()
        self._open.append(connection)
        return connection

    async def _execute(self, connection: aiosqlite.Connection, work: Any, *arguments: Any, **named: Any) -> Any:
        if connection._connection is None:
            raise ValueError("Connection closed")
        await asyncio.sleep(0)
        raw = connection._connection
        if work == raw.close:
            return self._close(connection)
        if work == raw.rollback:  # of the living, and of the dead: a kernel would do it for them
            return raw.rollback()
        self._fate.step()
        done = work(*arguments, **named)
        if isinstance(done, sqlite3.Cursor):
            self._cursors.add(done)
        self._fate.step()
        return done

    def _close(self, connection: aiosqlite.Connection) -> None:
        """With its cursors: one that somebody still holds would keep the lock, as no dead process does."""
        raw: sqlite3.Connection | None = connection._connection
        connection._running, connection._connection = False, None
        if raw is None:
            return
        for cursor in list(self._cursors):
            if cursor.connection is raw:
                cursor.close()
        raw.rollback()
        raw.close()
