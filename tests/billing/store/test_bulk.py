"""Many rows in one statement are what SQLAlchemy would have written, on both databases."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, cast

import pytest
from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Customer
from billing.money import Money
from billing.payments.tables import Payment
from billing.store.bulk import FEW_ROWS, execute_many
from billing.store.engine import Store
from billing.store.tables import JournalEntry

MANY = FEW_ROWS + 5
_PAYMENT, _CUSTOMER = cast(Table, Payment.__table__), cast(Table, Customer.__table__)
_JOURNAL = cast(Table, JournalEntry.__table__)


def payments(count: int, since_on: date = date(2026, 1, 31)) -> list[dict[str, Any]]:
    """Some with an empty column, some with none; what has a default is left out."""
    return [
        {
            "account": "1/0800",
            "bank_ref": f"r{number}",
            "booked_on": since_on + timedelta(days=number),
            "amount": Money(number * 100 + 1),
            "message": "žluťoučký" if number % 2 else "",
            "contract_id": None,
            "state": "waiting",
            "why": "",
            "unallocated": Money(0),
        }
        for number in range(count)
    ]


async def stored(session: AsyncSession, table: Table) -> Sequence[Any]:
    return (await session.execute(select(table).order_by(table.c.id))).all()


async def test_rows_are_the_same_as_one_at_a_time(each_store: Store) -> None:
    async with each_store.transaction() as session:
        for row in payments(MANY):
            await session.execute(insert(_PAYMENT), row)
        one_at_a_time = [row[1:] for row in await stored(session, _PAYMENT)]
        await session.rollback()
    async with each_store.transaction() as session:
        await execute_many(session, insert(_PAYMENT), payments(MANY))

        assert [row[1:] for row in await stored(session, _PAYMENT)] == one_at_a_time


async def test_instants_are_kept_in_utc(each_store: Store) -> None:
    at = datetime(2026, 7, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    rows = [
        {"id": n, "at": at + timedelta(minutes=n), "actor": "t", "action": "a", "detail": "{}", "hash": str(n)}
        for n in range(1, MANY + 1)
    ]
    async with each_store.transaction() as session:
        await execute_many(session, insert(_JOURNAL), rows)

        kept = [row.at for row in await stored(session, _JOURNAL)]
    assert kept[0] == datetime(2026, 6, 30, 23, 31, tzinfo=UTC)
    assert kept == [row["at"] for row in rows]


async def test_an_instant_without_a_zone_is_refused(each_store: Store) -> None:
    row = {"id": 1, "at": datetime(2026, 7, 1), "actor": "t", "action": "a", "detail": "{}", "hash": "1"}  # noqa: DTZ001
    async with each_store.transaction() as session:
        with pytest.raises(ValueError, match="has no time zone"):
            await execute_many(session, insert(_JOURNAL), [row] * MANY)


@pytest.mark.parametrize("count", [1, FEW_ROWS - 1, FEW_ROWS, MANY])
async def test_an_update_changes_the_named_rows_only(each_store: Store, count: int) -> None:
    renaming = update(_CUSTOMER).where(_CUSTOMER.c.number == bindparam("of_number")).values(name=bindparam("to_name"))
    async with each_store.transaction() as session:
        numbers = [str(n) for n in range(MANY + 1)]
        await session.execute(insert(_CUSTOMER), [{"number": number, "name": "Jana"} for number in numbers])
        await execute_many(session, renaming, [{"of_number": n, "to_name": f"Eva {n}"} for n in numbers[:count]])

        names = {row.number: row.name for row in await stored(session, _CUSTOMER)}
    assert names == {n: f"Eva {n}" for n in numbers[:count]} | dict.fromkeys(numbers[count:], "Jana")


async def test_a_constant_of_the_statement_is_the_same_in_every_row(each_store: Store) -> None:
    blanking = update(_CUSTOMER).where(_CUSTOMER.c.number == bindparam("of_number")).values(name="gone")
    numbers = [str(n) for n in range(MANY)]
    async with each_store.transaction() as session:
        await session.execute(insert(_CUSTOMER), [{"number": number, "name": "Jana"} for number in numbers])
        await execute_many(session, blanking, [{"of_number": number} for number in numbers])

        assert {row.name for row in await stored(session, _CUSTOMER)} == {"gone"}


async def test_a_row_that_the_database_refuses_leaves_none_behind_and_its_error_shows_no_value(
    each_store: Store,
) -> None:
    rows = [{"number": str(n % MANY), "name": "secret"} for n in range(MANY + 1)]
    with pytest.raises(IntegrityError) as refused:
        async with each_store.transaction() as session:
            await execute_many(session, insert(_CUSTOMER), rows)

    assert "secret" not in str(refused.value)
    async with each_store.reading() as session:
        assert await stored(session, _CUSTOMER) == []
