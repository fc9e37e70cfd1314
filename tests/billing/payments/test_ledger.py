"""The ledger: every fact once, balanced, sealed; and `verify` finds what does not agree."""

from collections.abc import Sequence
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from billing.money import ZERO, Money
from billing.payments import ledger
from billing.payments.ledger import MoneyFact, Side
from billing.payments.tables import LedgerTransaction, Posting
from billing.store.engine import Store
from config.errors import NotAllowed
from tests.billing.payments.world import NOW, TODAY, counts

SIDES = (Side("bank:1", Money(500)), Side(ledger.SUSPENSE, Money(-500)))


async def post(
    store: Store, key: str = "k", kind: str = "test", on: date = TODAY, sides: Sequence[Side] = SIDES
) -> bool:
    async with store.transaction() as session:
        return await ledger.post(session, key=key, kind=kind, effective_on=on, now=NOW, postings=sides)


async def test_a_fact_is_posted_once_and_sealed(each_store: Store) -> None:
    assert await post(each_store)
    assert not await post(each_store)

    async with each_store.reading() as session:
        assert (await session.scalars(select(LedgerTransaction.is_sealed))).all() == [True]
        assert (await session.scalars(select(Posting.amount).order_by(Posting.amount))).all() == [
            Money(-500),
            Money(500),
        ]


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "other"},
        {"on": date(2026, 1, 1)},
        {"sides": (Side("bank:1", Money(400)), Side(ledger.SUSPENSE, Money(-400)))},
        {"sides": (Side("bank:2", Money(500)), Side(ledger.SUSPENSE, Money(-500)))},
        {"sides": (*SIDES, *SIDES)},
    ],
)
async def test_other_content_under_a_known_key_is_refused(store: Store, other: dict[str, object]) -> None:
    await post(store)

    with pytest.raises(NotAllowed, match="The ledger has k already"):
        await post(store, **other)  # type: ignore[arg-type]


async def test_other_content_under_one_key_of_one_batch_is_refused(store: Store) -> None:
    facts = [MoneyFact("k", kind, TODAY, SIDES) for kind in ("a", "b")]

    async with store.transaction() as session:
        with pytest.raises(NotAllowed):
            await ledger.post_many(session, facts, NOW)


async def test_many_facts_are_posted_and_the_known_ones_skipped(each_store: Store) -> None:
    await post(each_store, key="k2")
    facts = [MoneyFact(f"k{number}", "test", TODAY, SIDES) for number in range(2500)]

    async with each_store.transaction() as session:
        assert await ledger.post_many(session, facts, NOW) == 2499
        assert await ledger.post_many(session, facts, NOW) == 0
        assert await session.scalar(select(func.sum(Posting.amount))) == ZERO


def test_a_fact_that_does_not_balance_can_not_even_be_said() -> None:
    with pytest.raises(ValueError, match=r"sum to 0\.01"):
        MoneyFact("k", "test", TODAY, (Side("bank:1", Money(1)),))


async def test_sides_of_zero_are_left_out_and_a_fact_of_nothing_is_not_written(store: Store) -> None:
    assert await post(store, sides=(*SIDES, Side("revenue", ZERO)))
    assert not await post(store, key="nothing", sides=(Side("revenue", ZERO),))

    assert (await counts(store))["posting"] == 2


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE posting SET amount = amount + 1",
        "DELETE FROM posting",
        "UPDATE ledger_transaction SET is_sealed = false",
        "DELETE FROM ledger_transaction",
        "INSERT INTO posting (transaction_id, account, amount) SELECT id, 'bank:1', 5 FROM ledger_transaction",
    ],
)
async def test_the_database_itself_refuses_to_change_a_sealed_fact(each_store: Store, tampering: str) -> None:
    await post(each_store)

    with pytest.raises(DBAPIError):
        async with each_store.transaction() as session:
            await session.execute(text(tampering))


@given(st.integers(-100_000, 100_000), st.integers(-100_000, 100_000))
def test_an_invoice_always_enters_the_books_balanced(total: int, unpaid: int) -> None:
    fact = ledger.invoice_opened(number="1", contract_id=1, issued_on=TODAY, total=Money(total), open=Money(unpaid))

    assert Money.total(side.amount for side in fact.sides) == ZERO
    assert fact.sides[0] == Side(ledger.RECEIVABLE, Money(unpaid), 1)
