"""The journal: chained, append-only, in the order of commits, on both databases."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract, Customer
from billing.money import Money
from billing.store import journal
from billing.store.engine import Store
from billing.store.tables import JournalEntry
from config.errors import JournalBroken

NOW = datetime(2026, 3, 2, 10, 30, 15, 123456, tzinfo=UTC)


async def write(store: Store, count: int) -> None:
    async with store.transaction() as session:
        entries = [
            journal.Entry(NOW + timedelta(seconds=n), "engine", "stage.changed", None, {"n": n}) for n in range(count)
        ]
        await journal.append_many(session, entries)


async def contracts(session: AsyncSession, count: int) -> list[int]:
    customer = Customer(number="1", name="Jana")
    session.add(customer)
    await session.flush()
    rows = [Contract(number=str(n), customer_id=customer.id) for n in range(1, count + 1)]
    session.add_all(rows)
    await session.flush()
    return [row.id for row in rows]


async def tamper(store: Store, statement: str) -> None:
    """What somebody with a database shell does, who knows of the triggers."""
    async with store.transaction() as session:
        if session.get_bind().dialect.name == "sqlite":
            for event in ("update", "delete"):
                await session.execute(text(f"DROP TRIGGER journal_keeps_{event}"))
        else:
            await session.execute(text("ALTER TABLE journal DISABLE TRIGGER ALL"))
        await session.execute(text(statement))


async def verify(store: Store, known: journal.Mark | None = None) -> int:
    async with store.reading() as session:
        return await journal.verify(session, known)


async def test_an_empty_journal_verifies(each_store: Store) -> None:
    assert await verify(each_store) == 0


async def test_entries_are_numbered_from_one_and_verify(each_store: Store) -> None:
    async with each_store.transaction() as session:
        first = await journal.append(session, at=NOW, actor="admin:jana", action="contract.held", why="call of 2. 3.")
        second = await journal.append(
            session, at=NOW, actor="bank", action="payment.matched", detail={"amount": Money(5)}
        )

    assert (first, second) == (1, 2)
    assert await verify(each_store) == 2


async def test_an_entry_comes_back_as_it_was_written(each_store: Store) -> None:
    async with each_store.transaction() as session:
        detail = {"amount": Money(-1250), "until_on": NOW.date(), "name": "Žluťoučký \x00 kůň", "at": NOW}
        await journal.append(session, at=NOW, actor="web", action="notice.acknowledged", detail=detail, why="přečteno")
    async with each_store.reading() as session:
        entry = (await session.execute(select(JournalEntry))).scalar_one()

    assert (entry.at, entry.actor, entry.why) == (NOW, "web", "přečteno")
    assert entry.detail == (
        '{"amount":"-12.50","at":"2026-03-02T10:30:15.123456+00:00",'
        '"name":"\\u017dlu\\u0165ou\\u010dk\\u00fd \\u0000 k\\u016f\\u0148","until_on":"2026-03-02"}'
    )


async def test_a_journal_longer_than_a_chunk_verifies(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_CHUNK_ROWS", 10)
    await write(store, 40)

    assert await verify(store) == 40


@pytest.mark.parametrize(
    "change",
    [
        "at = '2026-03-02 09:00:00.000000+00:00'",
        "actor = 'web'",
        "action = 'line.changed'",
        "detail = '{}'",
        "why = 'because'",
        "hash = 'f' || substr(hash, 2, 62) || '-'",
    ],
)
async def test_a_changed_column_is_found_and_its_row_named(each_store: Store, change: str) -> None:
    await write(each_store, 5)
    await tamper(each_store, f"UPDATE journal SET {change} WHERE id = 3")

    with pytest.raises(JournalBroken, match=r"Journal row 3 .* does not match"):
        await verify(each_store)


async def test_a_removed_row_is_found(each_store: Store) -> None:
    await write(each_store, 5)
    await tamper(each_store, "DELETE FROM journal WHERE id = 3")

    with pytest.raises(JournalBroken, match="row 3 is missing"):
        await verify(each_store)


async def test_rows_that_changed_places_are_found(each_store: Store) -> None:
    await write(each_store, 5)
    await tamper(each_store, "UPDATE journal SET id = CASE id WHEN 2 THEN -3 ELSE -2 END WHERE id IN (2, 3)")
    async with each_store.transaction() as session:
        await session.execute(text("UPDATE journal SET id = -id WHERE id < 0"))

    with pytest.raises(JournalBroken, match="Journal row 2 "):
        await verify(each_store)


async def test_rows_cut_from_the_end_are_found_by_a_mark_noted_elsewhere(each_store: Store) -> None:
    await write(each_store, 5)
    async with each_store.reading() as session:
        noted = await journal.mark(session)
    await tamper(each_store, "DELETE FROM journal WHERE id >= 4")

    assert await verify(each_store) == 3
    with pytest.raises(JournalBroken, match="rows 4 to 5 were cut off"):
        await verify(each_store, noted)


async def test_a_chain_made_anew_is_found_by_a_mark_noted_elsewhere(each_store: Store) -> None:
    await write(each_store, 5)
    async with each_store.reading() as session:
        noted = await journal.mark(session)
    await tamper(each_store, "DELETE FROM journal")
    await write(each_store, 4)
    async with each_store.transaction() as session:
        await journal.append(session, at=NOW, actor="engine", action="nothing.happened")

    assert await verify(each_store) == 5
    with pytest.raises(JournalBroken, match="row 5 is not the one that was noted"):
        await verify(each_store, noted)


@pytest.mark.parametrize(
    "statement", ["UPDATE journal SET why = 'x'", "DELETE FROM journal", "UPDATE journal SET id = 9"]
)
async def test_the_database_refuses_to_change_the_journal(each_store: Store, statement: str) -> None:
    await write(each_store, 1)

    with pytest.raises(DBAPIError, match="journal rows are never changed or deleted"):
        async with each_store.transaction() as session:
            await session.execute(text(statement))


async def test_replacing_a_row_is_a_deletion_and_refused(store: Store) -> None:
    await write(store, 1)

    with pytest.raises(DBAPIError, match="never changed"):
        async with store.transaction() as session:
            await session.execute(
                text("REPLACE INTO journal SELECT id, at, 'web', action, contract_id, detail, why, hash FROM journal")
            )


async def test_changed_since_names_the_contracts_and_the_new_head(each_store: Store) -> None:
    async with each_store.transaction() as session:
        first, second, third = await contracts(session, 3)
        for contract_id in (first, second, None):
            await journal.append(session, at=NOW, actor="a", action="b", contract_id=contract_id)
        after = await journal.head(session)
        for contract_id in (second, third, third, None):
            await journal.append(session, at=NOW, actor="a", action="b", contract_id=contract_id)
    async with each_store.reading() as session:
        changed = await journal.changed_since(session, after)
        nothing = await journal.changed_since(session, 7)

    assert changed == (7, {second, third})
    assert nothing == (7, set())


async def test_eight_writers_make_one_whole_chain(each_store: Store) -> None:
    async def append(writer: int) -> None:
        for n in range(25):
            async with each_store.transaction() as session:
                await journal.append(session, at=NOW, actor=f"writer {writer}", action="b", detail={"n": n})

    async with asyncio.TaskGroup() as group:
        for writer in range(8):
            group.create_task(append(writer))

    assert await verify(each_store) == 200


async def test_whoever_follows_the_feed_misses_nothing_that_commits_late(each_store: Store) -> None:
    """A writer that got its id early and commits late must not be passed by one with a later id."""
    seen: list[int] = []

    async def append() -> None:
        for _ in range(20):
            async with each_store.transaction() as session:
                await journal.append(session, at=NOW, actor="a", action="b")
                await asyncio.sleep(0)

    async def follow() -> None:
        after = 0
        while after < 160:
            async with each_store.reading() as session:
                rows = select(JournalEntry.id).where(JournalEntry.id > after).order_by(JournalEntry.id)
                new = (await session.execute(rows)).scalars().all()
            seen.extend(new)
            after = new[-1] if new else after
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(follow())
        for _ in range(8):
            group.create_task(append())

    assert seen == list(range(1, 161))
