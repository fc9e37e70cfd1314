"""A store keeps its promises: all or nothing, writers in order, readers undisturbed, errors unswallowed."""

import asyncio
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from billing.money import Money
from billing.payments.tables import BankStatement
from billing.store import engine
from billing.store.engine import Store, is_away
from config.errors import StoreError

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)


def statement(source: str = "") -> BankStatement:
    return BankStatement(
        account="1",
        closed_on=date(2026, 3, 1),
        old_balance=Money(0),
        new_balance=Money(0),
        source=source,
        imported_at=NOW,
    )


async def count(store: Store) -> int:
    async with store.reading() as session:
        return (await session.execute(select(func.count()).select_from(BankStatement))).scalar_one()


async def test_what_a_transaction_wrote_is_there_after_it(each_store: Store) -> None:
    async with each_store.transaction() as session:
        session.add(statement())

    assert await count(each_store) == 1


async def test_an_exception_takes_everything_back(each_store: Store) -> None:
    async def fail_half_way() -> None:
        async with each_store.transaction() as session:
            session.add(statement())
            await session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_half_way()

    assert await count(each_store) == 0


async def test_a_transaction_that_is_cancelled_in_a_statement_lets_the_next_one_write(store: Store) -> None:
    gate, is_within = threading.Event(), threading.Event()
    cursors = []  # as a traceback keeps them, until the garbage is collected

    def wait() -> None:
        is_within.set()
        gate.wait(60)

    async def write() -> None:
        async with store.transaction() as session:
            raw: Any = (await (await session.connection()).get_raw_connection()).driver_connection
            await raw.create_function("wait", 0, wait)
            cursors.append(await raw.execute("SELECT 1 UNION ALL SELECT 2"))
            await session.execute(text("SELECT wait()"))

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(write())
        assert await asyncio.to_thread(is_within.wait, 60)
        task.cancel()
        await asyncio.sleep(0)
        gate.set()

    async with asyncio.timeout(10), store.transaction() as session:
        session.add(statement())
    assert await count(store) == 1


async def test_a_reading_session_cannot_write(each_store: Store) -> None:
    async with each_store.reading() as session:
        session.add(statement())
        with pytest.raises(DBAPIError):
            await session.flush()


async def test_a_reading_session_sees_one_instant(each_store: Store) -> None:
    async with each_store.reading() as session:
        before = (await session.execute(select(func.count()).select_from(BankStatement))).scalar_one()
        async with each_store.transaction() as writer:
            writer.add(statement())
        after = (await session.execute(select(func.count()).select_from(BankStatement))).scalar_one()

    assert before == after == 0


async def test_instants_come_back_aware_and_in_utc(each_store: Store) -> None:
    async with each_store.transaction() as session:
        session.add(statement())
    async with each_store.reading() as session:
        found = (await session.execute(select(BankStatement))).scalar_one()

    assert found.imported_at == NOW
    assert found.imported_at.utcoffset() == NOW.utcoffset()


async def test_eight_processes_worth_of_writers_read_decide_and_write_without_losing_any(database_url: str) -> None:
    """Each has its own connections, as separate processes have."""
    stores = [Store.open(database_url) for _ in range(8)]

    async def count_up(store: Store) -> None:
        for _ in range(25):
            async with store.transaction() as session:
                seen = (await session.execute(select(func.count()).select_from(BankStatement))).scalar_one()
                session.add(statement(source=str(seen)))

    async with asyncio.TaskGroup() as group:
        for store in stores:
            group.create_task(count_up(store))
    async with stores[0].reading() as session:
        sources = (await session.execute(select(BankStatement.source))).scalars().all()
    for store in stores:
        await store.close()

    assert sorted(map(int, sources)) == list(range(200))


@pytest.mark.parametrize(
    ("pragma", "expected"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 60_000)]
)
async def test_sqlite_keeps_what_a_money_database_needs(store: Store, pragma: str, expected: object) -> None:
    async with store.transaction() as writing, store.reading() as reading:
        answers = [(await session.execute(text(f"PRAGMA {pragma}"))).scalar() for session in (writing, reading)]

    assert answers == [expected, expected]


async def test_an_sqlite_that_does_not_take_a_promise_is_refused(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_PRAGMAS", (("synchronous", "OFF", 2),))
    store = Store.open(database_url)

    with pytest.raises(StoreError, match="synchronous"):
        await count(store)
    await store.close()


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """No file of this process may grow beyond what the write-ahead log has: the kernel refuses the write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_write_that_the_disk_refuses_is_an_error_and_leaves_nothing(store: Store, database_url: str) -> None:
    async with store.transaction() as session:
        session.add(statement())
    log = Path(database_url.removeprefix("sqlite:///") + "-wal")

    with full_disk(log), pytest.raises(DBAPIError):
        async with store.transaction() as session:
            session.add(statement(source="x" * 100_000))

    assert await count(store) == 1


async def test_an_error_of_the_database_tells_nothing_of_what_was_to_be_written(each_store: Store) -> None:
    with pytest.raises(DBAPIError) as caught:
        async with each_store.transaction() as session:
            await session.execute(text("INSERT INTO nowhere VALUES (:value)"), {"value": "a-password-hash"})

    assert "nowhere" in str(caught.value)
    assert "a-password-hash" not in str(caught.value)


async def test_a_file_that_is_gone_is_a_database_that_is_away_and_a_table_that_is_gone_is_not(
    store: Store, tmp_path: Path
) -> None:
    with pytest.raises(DBAPIError) as gone:
        async with Store.open(f"sqlite:///{tmp_path}/none.db").reading() as session:
            await session.execute(text("SELECT 1"))
    with pytest.raises(DBAPIError) as wrong:
        async with store.reading() as session:
            await session.execute(text("SELECT 1 FROM nowhere"))

    assert is_away(gone.value)
    assert not is_away(wrong.value)


@pytest.mark.parametrize(
    ("state", "is_gone"), [("53300", True), ("53100", True), ("57P03", True), ("08006", True), ("42P01", False)]
)
def test_a_server_without_room_for_us_is_away_too(state: str, is_gone: bool) -> None:
    refused = Exception("said the server")
    refused.sqlstate = state  # type: ignore[attr-defined]

    assert is_away(DBAPIError("SELECT 1", None, refused)) is is_gone


def test_a_database_that_hradlo_does_not_know_is_refused() -> None:
    with pytest.raises(StoreError, match="mysql"):
        Store.open("mysql://localhost/hradlo")


def test_a_database_in_memory_is_refused() -> None:
    with pytest.raises(StoreError, match="Name a file"):
        Store.open("sqlite://")
