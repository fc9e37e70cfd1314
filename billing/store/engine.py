"""The database: SQLite in one file by default, PostgreSQL when one gateway is not enough.

    store = Store.open(settings.database.url)
    async with store.transaction() as session: ...      # commits at the end, rolls back on any exception
    async with store.reading() as session: ...          # one consistent picture, blocks nobody

SQLite has one writer. So there is one writing connection, for which the tasks of this process queue in
order, and a few reading ones that can't write (`query_only`). A write takes the lock of the file when it
begins (BEGIN IMMEDIATE): a transaction that reads, decides and writes is never refused half-way.

What the settings of a connection promise is asked back from SQLite at every connect: a promise that a money
database can't keep is an error. So is a failed write: an I/O error goes up to whoever asked, unswallowed.

On PostgreSQL, writing transactions are READ COMMITTED; the caller repeats one that met a deadlock.
"""

import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, unquote

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from config.errors import StoreAway, StoreError

_READERS = 4
_ROOM_BYTES_MIN = 64 * 1024
"""With less, SQLite can not even be read: it needs the shared memory beside the file."""
_POSTGRES_CONNECTIONS = 10
# Another process may be importing 100,000 rows in one transaction.
_PATIENCE_SECONDS = 60

POSTGRES_ARGUMENTS: dict[str, Any] = {
    "timeout": 5,  # to connect
    "command_timeout": 2 * _PATIENCE_SECONDS,
    "server_settings": {
        "application_name": "hradlo",
        # Of a gateway that lost its line the server must not keep the locks for hours.
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
    },
}
"""How long a silent server is waited for, and a silent gateway by the server; seconds."""

# connection exception, insufficient resources (connections, disk, memory), operator intervention: "PostgreSQL Error
# Codes" in its manual
_POSTGRES_AWAY = ("08", "53", "57P")
_SQLITE_AWAY = ("SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR")

# name, what is set, what SQLite must answer; the patience comes first, as changing the journal needs the lock
_PRAGMAS: tuple[tuple[str, str, object], ...] = (
    ("busy_timeout", str(_PATIENCE_SECONDS * 1000), _PATIENCE_SECONDS * 1000),
    ("journal_mode", "WAL", "wal"),
    ("synchronous", "FULL", 2),
    ("foreign_keys", "ON", 1),
    ("recursive_triggers", "ON", 1),  # so that REPLACE can't delete a row past its trigger
)


class _SqliteConnection(sqlite3.Connection):
    """One that is free of its locks when it is closed.

    A task that is cancelled in the middle of a statement leaves a cursor behind, and SQLite's close lives on, with the
    lock of its transaction, until the last cursor is gone: with the garbage, minutes later.
    """

    def close(self) -> None:
        if self.in_transaction:
            self.rollback()
        super().close()


class Store:
    """Gives out sessions; the only way to the database."""

    def __init__(self, writing: AsyncEngine, reading: AsyncEngine) -> None:
        self._writing = writing
        self._reading = reading
        self._write = async_sessionmaker(writing, expire_on_commit=False)
        self._read = async_sessionmaker(reading, expire_on_commit=False)

    @classmethod
    def open(cls, url: str) -> Self:
        """A store at ``sqlite:///PATH`` or ``postgresql://…``; nothing is touched before the first session."""
        writing = writing_engine(url)
        if writing.dialect.name == "sqlite":
            return cls(writing, _sqlite_engine(make_url(url), "rw", _READERS, (*_PRAGMAS, ("query_only", "ON", 1))))
        consistent = writing.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        return cls(writing, consistent)

    @property
    def has_one_writer(self) -> bool:
        """Whether writing transactions take turns (SQLite)."""
        return self._writing.dialect.name == "sqlite"

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session that may write: commits at the end, rolls back on any exception."""
        async with _answering(), self._write.begin() as session:
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session that sees one instant of the database and can't write."""
        async with _answering(), self._read() as session:
            yield session

    async def check(self) -> None:
        """Raises `StoreError` when the schema is missing or older, `DatabaseTooNew` when it is newer.

        A server that does not answer, and may soon, is `StoreAway`.
        """
        from billing.store.schema_version import require_current

        _require_file(self._writing.url)
        try:
            async with self._reading.connect() as connection:
                await connection.run_sync(require_current)
        except (DBAPIError, OSError) as error:
            raise unopened(self._writing.url, error) from error

    async def close(self) -> None:
        await self._reading.dispose()
        await self._writing.dispose()


def writing_engine(url: str, *, is_upgrading: bool = False) -> AsyncEngine:
    """An engine whose transactions write.

    Only an upgrade makes a SQLite file that is missing, and only it has foreign keys off: SQLite changes a table
    by making it anew, and dropping the old one must not count as deleting what others refer to.
    """
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if is_upgrading:
            return _sqlite_engine(parsed, "rwc", 1, (*_PRAGMAS, ("foreign_keys", "OFF", 0)))
        return _sqlite_engine(parsed, "rw", 1, _PRAGMAS)
    if backend == "postgresql":
        return create_async_engine(
            postgres_url(parsed),
            connect_args={} if is_upgrading else POSTGRES_ARGUMENTS,
            isolation_level="READ COMMITTED",
            pool_size=_POSTGRES_CONNECTIONS,
            max_overflow=0,
            pool_pre_ping=True,
            hide_parameters=True,
        )
    raise StoreError(f"{backend} is not a database that Hradlo knows.", "Use sqlite:///PATH or postgresql://….")


def postgres_url(url: URL) -> URL:
    return url.set(drivername="postgresql+asyncpg")


def is_away(error: Exception) -> bool:
    """The database is not there, starting, or shutting down; a wrong name, or a table that is missing, is not that."""
    if isinstance(error, OSError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = str(getattr(error.orig, "sqlstate", None) or "")
    name = str(getattr(error.orig, "sqlite_errorname", None) or "")
    return error.connection_invalidated or state.startswith(_POSTGRES_AWAY) or name.startswith(_SQLITE_AWAY)


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    """Connections that are all stuck are a database that does not answer, as far as those who wait can see."""
    try:
        yield
    except PoolTimeout as error:
        raise TimeoutError("every connection to the database is busy") from error


def _sqlite_engine(url: URL, mode: str, connections: int, pragmas: tuple[tuple[str, str, object], ...]) -> AsyncEngine:
    if not url.database or url.database == ":memory:":
        raise StoreError("A database in memory forgets.", "Name a file: sqlite:///PATH.")
    engine = create_async_engine(
        # mode: a mistyped path must not become a new, empty database
        URL.create("sqlite+aiosqlite", database=f"file:{quote(url.database)}", query={"mode": mode, "uri": "true"}),
        # None: the driver must not begin transactions by itself
        connect_args={"isolation_level": None, "factory": _SqliteConnection},
        pool_size=connections,
        max_overflow=0,
        pool_timeout=2 * _PATIENCE_SECONDS,
        hide_parameters=True,  # an error ends in a log, where hashes, names and messages have no business
    )
    begin = "BEGIN" if ("query_only", "ON", 1) in pragmas else "BEGIN IMMEDIATE"
    event.listen(engine.sync_engine, "connect", lambda connection, _record: _set_pragmas(connection, pragmas))
    event.listen(engine.sync_engine, "begin", lambda connection: _begin(connection, begin))
    return engine


def unopened(url: URL, error: DBAPIError | OSError) -> StoreError:
    """Why a database can't be opened, in words, and what to do."""
    reason = getattr(error, "orig", error)
    if url.get_backend_name() == "postgresql" and is_away(error):
        remedy = "Is PostgreSQL running, and the line to it up? See [database] url."
        return StoreAway(f"The database does not answer ({reason}).", remedy)
    return StoreError(f"The database can't be opened ({reason}).", _remedy(url))


def _remedy(url: URL) -> str:
    """What to do about a database that can't be opened, most likely first."""
    if url.get_backend_name() == "sqlite":
        folder = Path(unquote(str(url.database).removeprefix("file:"))).parent
        with suppress(OSError):
            if shutil.disk_usage(folder).free < _ROOM_BYTES_MIN:
                return f"The disk is full: make room (df -h {folder}). Nothing that was stored is lost."
        if words := _read_only(folder):
            return words
    return "Create it with `hradlo init`, or see [database] url."


def _read_only(folder: Path) -> str:
    """What to do where a file system was remounted after an error; empty where it can be written."""
    with suppress(OSError):
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            return f"Its disk is read-only: see why (dmesg, df -h {folder}), and mount it for writing again."
    return ""


def _require_file(url: URL) -> None:
    """Says better than SQLite why a file can't be opened; a failed opening leaves a thread of the driver behind."""
    if url.get_backend_name() != "sqlite":
        return
    path = Path(unquote(str(url.database).removeprefix("file:")))
    if not path.is_file():
        remedy = (
            "Was it moved, or is its disk not mounted? Lost: restore a backup (docs/runbook.md). New: `hradlo init`."
        )
        raise StoreError(f"There is no database {path}.", remedy)
    if not os.access(path, os.R_OK | os.W_OK):
        remedy = _read_only(path.parent) or "Run this as root."
        raise StoreError(f"This user may not read and write {path}.", remedy)


def _begin(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement)


def _set_pragmas(connection: Any, pragmas: tuple[tuple[str, str, object], ...]) -> None:
    cursor = connection.cursor()
    try:
        for name, value, expected in pragmas:
            cursor.execute(f"PRAGMA {name} = {value}")
            cursor.execute(f"PRAGMA {name}")
            answer = cursor.fetchone()[0]
            if answer != expected:
                raise StoreError(
                    f"SQLite keeps {name} = {answer} and does not take {value}.",
                    "The database must stand on a local disk, with an SQLite not older than 3.35.",
                )
    finally:
        cursor.close()
