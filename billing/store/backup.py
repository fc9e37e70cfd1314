"""Copies of the database while everything runs: one whole file, for its owner only.

SQLite is copied page by page by its own online backup; of PostgreSQL, `pg_dump` makes an archive in its own format.
A copy has the name that was asked for only once the caller has looked at it: see `finish`.
"""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from secrets import token_hex

from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from config.errors import NotAllowed, StoreError

_DEBIAN = Path("/usr/lib/postgresql")
_MISSING = "apt-get install postgresql-client, of the server's version or newer."


def begin(target: Path) -> Path:
    """An empty file beside the target, for its owner only. Raises `NotAllowed` where a file stands already."""
    if target.exists():
        raise NotAllowed(f"{target} is there already.", "Name a new file.")
    unfinished = target.with_name(f"{target.name}.part")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600, exist_ok=False)
    return unfinished


def finish(unfinished: Path, target: Path) -> None:
    """The copy is good: it is put on the disk, and gets its name."""
    descriptor = os.open(unfinished, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    unfinished.rename(target)


def copy_sqlite(source: Path, target: Path) -> None:
    """Copies a database that may be in use; raises `StoreError`."""
    if not source.is_file():
        raise StoreError(f"There is no database {source}.", "See [database] url.")
    with _told(target), closing(sqlite3.connect(source)) as origin, closing(sqlite3.connect(target)) as copy:
        origin.backup(copy)
        (answer,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
        if answer != "ok":
            raise StoreError(f"The copy is not whole: {answer}.", "Look at the disk; do not throw older backups away.")


@contextmanager
def _told(target: Path) -> Iterator[None]:
    """What SQLite can't do, in words."""
    try:
        yield
    except sqlite3.Error as error:
        remedy = f"Is there room (df -h {target.parent}), and is the database whole? Do not throw older backups away."
        raise StoreError(f"{target.name.removesuffix('.part')} can't be made ({error}).", remedy) from error


def make_one_file(copy: Path) -> None:
    """Leaves no -wal beside a copy that was opened."""
    with _told(copy), closing(sqlite3.connect(copy)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


# ── PostgreSQL ──────────────────────────────────────────────────────────────────────────────────────────────────


async def dump_postgresql(url: str, target: Path) -> None:
    """An archive of one instant of the database; raises `StoreError` with what pg_dump said."""
    await _run("pg_dump", ["--format=custom", f"--file={target}"], make_url(url))


@asynccontextmanager
async def restored_postgresql(url: str, archive: Path) -> AsyncIterator[str]:
    """The URL of a database of its own, on the same server, into which the archive was restored; dropped afterwards.

    Raises `StoreError` when the server does not let us, or the archive is no good.
    """
    name = f"hradlo_backup_{token_hex(6)}"
    parsed = make_url(url)
    await _administer(parsed, f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        scratch = parsed.set(database=name)
        await _run("pg_restore", ["--exit-on-error", "--no-owner", "--no-privileges"], scratch, str(archive))
        yield scratch.render_as_string(hide_password=False)
    finally:
        await _administer(parsed, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


async def _administer(url: URL, statement: str) -> None:
    engine = create_async_engine(url.set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            await connection.execute(text(statement))
    except (DBAPIError, OSError) as error:
        reason = getattr(error, "orig", error)
        remedy = f"Opening the copy needs a database beside yours: ALTER ROLE {url.username or '…'} CREATEDB"
        raise StoreError(
            f"The copy can't be looked at ({reason}).", f"{remedy}; or: hradlo backup --unseen."
        ) from error
    finally:
        await engine.dispose()


async def _run(program: str, options: Sequence[str], url: URL, *files: str) -> None:
    """One of PostgreSQL's programs; the password is never on a command line."""
    argv = [str(_program(program)), *options, "--no-password", f"--dbname={url.database}"]
    host = url.host or url.query.get("host")
    argv += [f"--host={host}"] if host else []
    argv += [f"--port={url.port}"] if url.port else []
    argv += [f"--username={url.username}"] if url.username else []
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", "/"), "LC_ALL": "C.UTF-8"}
    environment |= {"PGPASSWORD": str(url.password)} if url.password else {}
    process = await asyncio.create_subprocess_exec(
        *argv, *files, env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    if process.returncode:
        words = said.decode(errors="replace").strip() or f"it ended with {process.returncode}"
        raise StoreError(f"{program} failed: {words}.", "Nothing was stored under that name.")


def _program(name: str) -> Path:
    """The newest that Debian has, or the one of PATH; raises `StoreError`."""
    found = sorted(_DEBIAN.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which(name)
    if found:
        return found[-1]
    if on_path:
        return Path(on_path)
    raise StoreError(f"{name} is missing.", _MISSING)
