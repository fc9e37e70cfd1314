"""From counters to hours, days and months: whatever routers do to their counters, bytes are counted once."""

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine as SyncEngine
from sqlalchemy import event as engine_event
from sqlalchemy import select

from billing.customers.tables import Contract, Customer
from billing.services.tables import Product, Service, ServiceAddress, Usage
from billing.services.usage import Reading, collect, forget, starts, transferred, usage
from billing.store.engine import Store
from config.settings import Usage as Retention

PRAGUE = ZoneInfo("Europe/Prague")
NOW = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
DAY = date(2026, 11, 24)


async def add_line(store: Store) -> None:
    """One service with two addresses."""
    async with store.transaction() as session:
        customer, product = Customer(number="1", name="Jana"), Product(kind="internet", name="Net")
        session.add_all([customer, product])
        await session.flush()
        contract = Contract(number="10", customer_id=customer.id)
        session.add(contract)
        await session.flush()
        service = Service(contract_id=contract.id, product_id=product.id, starts_on=date(2026, 1, 1))
        session.add(service)
        await session.flush()
        session.add_all(ServiceAddress(service_id=service.id, network=each) for each in ("10.0.0.1", "2001:db8::/56"))


@pytest.fixture
async def line(each_store: Store) -> Store:
    await add_line(each_store)
    return each_store


async def read(store: Store, down: int, up: int, *, generation: str = "a", at: datetime = NOW) -> int:
    async with store.transaction() as session:
        return await collect(session, "main", [Reading("10.0.0.1", down, up)], generation, zone=PRAGUE, now=at)


async def days(store: Store, span: str = "day") -> list[tuple[int, int]]:
    async with store.reading() as session:
        service_id = await session.scalar(select(Service.id))
        rows = await usage(session, service_id or 0, span, DAY - timedelta(days=9), DAY, zone=PRAGUE)
        return [(row.down_bytes, row.up_bytes) for row in rows]


async def test_the_first_reading_counts_nothing(line: Store) -> None:
    await read(line, 5000, 100)

    assert await days(line) == []


async def test_what_a_counter_grew_by_is_counted_in_its_hour_day_and_month(line: Store) -> None:
    await read(line, 5000, 100)
    await read(line, 7000, 150, at=NOW + timedelta(minutes=5))

    assert await days(line, "hour") == await days(line, "day") == await days(line, "month") == [(2000, 50)]


async def test_the_same_reading_twice_counts_once(line: Store) -> None:
    for value in (0, 900, 900, 900):
        await read(line, value, 0)

    assert await days(line) == [(900, 0)]


async def test_after_a_reboot_the_whole_new_value_counts(line: Store) -> None:
    await read(line, 5000, 0)
    await read(line, 6000, 0, generation="b")

    assert await days(line) == [(6000, 0)]


async def test_a_counter_that_shrank_was_reset(line: Store) -> None:
    await read(line, 5000, 0)
    await read(line, 300, 0)

    assert await days(line) == [(300, 0)]


async def test_a_day_begins_at_midnight_on_the_isps_clock(line: Store) -> None:
    before_midnight = datetime(2026, 11, 23, 22, 55, tzinfo=UTC)
    await read(line, 0, 0, at=before_midnight)
    await read(line, 10, 0, at=before_midnight)
    await read(line, 30, 0, at=before_midnight + timedelta(minutes=10))

    assert await days(line) == [(10, 0), (20, 0)]


async def test_all_addresses_of_a_service_are_summed(line: Store) -> None:
    for value in (0, 100):
        async with line.transaction() as session:
            readings = [Reading("10.0.0.1", value, 0), Reading("2001:db8::/56", value * 2, 0)]
            await collect(session, "main", readings, "a", zone=PRAGUE, now=NOW)

    assert await days(line) == [(300, 0)]


async def test_an_address_of_nobody_is_left_out(line: Store) -> None:
    for value in (0, 100):
        async with line.transaction() as session:
            await collect(session, "main", [Reading("192.0.2.1", value, 0)], "a", zone=PRAGUE, now=NOW)

    assert await days(line) == []


async def test_old_hours_are_forgotten_and_their_days_are_kept(line: Store) -> None:
    await read(line, 0, 0)
    await read(line, 100, 0)
    await forget(line, Retention(keep_hours_days=1), NOW + timedelta(days=3))  # type: ignore[call-arg]

    async with line.reading() as session:
        assert sorted(await session.scalars(select(Usage.span))) == ["day", "month"]


async def test_what_is_old_is_found_without_reading_the_millions_that_are_kept(store: Store, database_url: str) -> None:
    await add_line(store)
    deletions: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        deletions.extend([statement] if statement.startswith("DELETE") else [])

    engine_event.listen(SyncEngine, "before_cursor_execute", note)
    try:
        await forget(store, Retention(), NOW)
    finally:
        engine_event.remove(SyncEngine, "before_cursor_execute", note)

    with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as database:
        plans = [
            database.execute(f"EXPLAIN QUERY PLAN {each}", (1,) * each.count("?")).fetchall() for each in deletions
        ]
    assert len(plans) == 3
    assert all(
        "SEARCH usage USING PRIMARY KEY" in str(plan) or "SEARCH usage USING INDEX" in str(plan) for plan in plans
    )


def test_the_hour_that_a_clock_change_repeats_is_two_hours() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 2:30 in summer time, and an hour later 2:30 again

    assert starts(first, PRAGUE)["hour"] != starts(first + timedelta(hours=1), PRAGUE)["hour"]
    assert starts(first, PRAGUE)["day"] == starts(first + timedelta(hours=1), PRAGUE)["day"]


@given(
    st.lists(st.tuples(st.integers(0, 10**12), st.sampled_from(["read", "reboot", "reset", "nothing"])), max_size=60)
)
def test_no_byte_that_a_reading_saw_is_lost_or_counted_twice(steps: list[tuple[int, str]]) -> None:
    """Against a model: a router that counts, reboots and is read at any moment. What grew between the last reading
    and a reboot can't be known; everything else is counted exactly.
    """
    counter, generation, unseen, expected, counted = 0, 0, 0, 0, 0
    last: tuple[Reading, int] | None = (Reading("n", 0, 0), 0)
    for grown, event in steps:
        counter, unseen = counter + grown, unseen + grown
        if event == "reboot":
            counter, generation, unseen = 0, generation + 1, 0
        if event in ("read", "reboot"):
            reading = Reading("n", counter, 0)
            assert last is not None
            counted += transferred(last[0], last[1] == generation, reading)[0]
            expected, unseen, last = expected + unseen, 0, (reading, generation)

    assert counted == expected
