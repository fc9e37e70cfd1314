"""`hradlo backup`: a copy that was opened and looked at, or no copy.

What is asked of it is what a restore would need: a schema that this program reads, a journal whose chain is whole,
books that sum to zero. A database that waits for its upgrade is backed up as it is; only what is looked at is upgraded.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from sqlalchemy import func, select

from billing.payments import invariants
from billing.payments.tables import Payment
from billing.store import backup, journal
from billing.store.engine import Store
from billing.store.schema_version import upgrade
from config.errors import DatabaseTooOld, StoreError

SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Looked:
    """What stands in a copy."""

    journal_entries: int
    newest_payment_on: date | None

    def __str__(self) -> str:
        newest = f"the newest payment is of {self.newest_payment_on}" if self.newest_payment_on else "no payment yet"
        entries = f"{self.journal_entries} journal entries in an unbroken chain"
        return f"opened and checked: {entries}, books in balance, {newest}"


async def back_up(url: str, target: Path, *, is_unseen: bool = False) -> Looked | None:
    """Copies the database while everything runs, and looks at the copy before it gets its name.

    `is_unseen`: a PostgreSQL archive is not restored to look at it; then None. Raises `NotAllowed`, `StoreError`.
    """
    unfinished = backup.begin(target)
    try:
        looked = await _copy(url, unfinished, is_unseen)
        await asyncio.to_thread(backup.finish, unfinished, target)
    finally:
        _remove(unfinished)
    return looked


async def back_up_into(
    folder: Path, keep: int, url: str, now: datetime, *, is_unseen: bool = False
) -> tuple[Path, Looked | None]:
    """A copy that is named by its time; then all such copies but the `keep` newest are removed. Raises as `back_up`."""
    suffix = "db" if url.startswith(SQLITE) else "dump"
    target = folder / f"hradlo-{now:%Y%m%dT%H%M%SZ}.{suffix}"
    looked = await back_up(url, target, is_unseen=is_unseen)
    await asyncio.to_thread(_keep_newest, folder, keep, suffix)
    return target, looked


def _keep_newest(folder: Path, keep: int, suffix: str) -> None:
    copies = sorted(folder.glob(f"hradlo-{'[0-9]' * 8}T{'[0-9]' * 6}Z.{suffix}"))
    for old in copies[:-keep]:
        old.unlink()


async def _copy(url: str, unfinished: Path, is_unseen: bool) -> Looked | None:
    if url.startswith(SQLITE):
        await asyncio.to_thread(backup.copy_sqlite, Path(url.removeprefix(SQLITE)), unfinished)
        looked = await _look_at_file(unfinished)
        await asyncio.to_thread(backup.make_one_file, unfinished)
        return looked
    await backup.dump_postgresql(url, unfinished)
    if is_unseen:
        return None
    async with backup.restored_postgresql(url, unfinished) as scratch:
        await upgrade(scratch)
        return await look_at(scratch)


async def _look_at_file(copy: Path) -> Looked:
    """Leaves the copy's schema as it is: the Hradlo of before the upgrade must be able to read it."""
    try:
        return await look_at(f"{SQLITE}{copy}")
    except DatabaseTooOld:
        trial = backup.begin(copy.with_name(f"{copy.name}-trial"))
        try:
            await asyncio.to_thread(backup.copy_sqlite, copy, trial)
            await upgrade(f"{SQLITE}{trial}")
            return await look_at(f"{SQLITE}{trial}")
        finally:
            _remove(trial)


def _remove(database: Path) -> None:
    """With what SQLite may have put beside it."""
    for name in (database.name, f"{database.name}-wal", f"{database.name}-shm"):
        with suppress(FileNotFoundError):
            database.with_name(name).unlink()


async def look_at(url: str) -> Looked:
    """Opens a database and checks all that can be checked; raises `StoreError` that names what is wrong."""
    store = Store.open(url)
    try:
        await store.check()
        async with store.reading() as session:
            entries = await journal.verify(session)
            problems = await invariants.verify(session)
            newest = await session.scalar(select(func.max(Payment.booked_on)))
    finally:
        await store.close()
    if problems:
        words = "; ".join(str(problem) for problem in problems)
        raise StoreError(f"The database is not sound: {words}.", "See `hradlo audit verify`; keep older backups.")
    return Looked(entries, newest)
