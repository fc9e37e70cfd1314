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
from billing.payments.importing import import_statements
from billing.payments.ledger import MoneyFact, Side
from billing.payments.tables import LedgerTransaction, Posting
from billing.store.engine import Store
from config.errors import NotAllowed
from tests.billing.payments.world import NOW, TODAY, add_debtor, counts, line, problems, statement

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


# ── verify ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def paid_world(store: Store) -> None:
    """Two contracts, a paid, a part-paid and an open invoice, credit, and a payment that waits."""
    await add_debtor(store, "1001", i26001="500", i26002="500")
    await add_debtor(store, "1002", i26003="100")
    payments = [line("1", "700", "1001"), line("2", "150", "1002"), line("3", "33", "4711")]
    async with store.transaction() as session:
        await import_statements(session, [statement(*payments)], "test", NOW)


async def test_an_honest_ledger_agrees(each_store: Store) -> None:
    assert await problems(each_store) == []

    await paid_world(each_store)

    assert await problems(each_store) == []


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        (
            "UPDATE invoice SET open = 0 WHERE number = '26002'",
            [
                "contract 1001: receivable is 300.00 where 0.00 is accounted for",
                "invoice 26002: total less open is 500.00 where 200.00 is accounted for",
            ],
        ),
        (
            "UPDATE payment SET unallocated = 0 WHERE bank_ref = 'fio-2'",
            [
                "contract 1002: credit is -50.00 where 0.00 is accounted for",
                "payment 2: amount less unallocated is 150.00 where 100.00 is accounted for",
            ],
        ),
        (
            "UPDATE payment SET state = 'matched', contract_id = 1 WHERE state = 'waiting'",
            [
                "contract 1001: credit is 0.00 where -33.00 is accounted for",
                "ledger: suspense is -33.00 where 0.00 is accounted for",
            ],
        ),
        (
            "UPDATE payment SET amount = amount + 1, unallocated = unallocated + 1 WHERE state = 'waiting'",
            [
                "ledger: suspense is -33.00 where -33.01 is accounted for",
                "account 2000123456/2010: bank is 883.00 where 883.01 is accounted for",
            ],
        ),
        (
            "DELETE FROM allocation WHERE payment_id = 2",
            [
                "invoice 26003: total less open is 100.00 where 0.00 is accounted for",
                "payment 2: amount less unallocated is 100.00 where 0.00 is accounted for",
            ],
        ),
        (
            "INSERT INTO ledger_transaction VALUES (99, 'x', 'x', '2026-01-01', '2026-01-01 00:00:00.000000', 0)",
            ["ledger x: is not sealed"],
        ),
    ],
)
async def test_verify_names_the_first_row_that_breaks_each_rule(store: Store, tampering: str, found: list[str]) -> None:
    await paid_world(store)
    async with store.transaction() as session:
        await session.execute(text(tampering))

    assert await problems(store) == found


async def test_verify_names_a_transaction_that_was_unbalanced_behind_the_triggers(store: Store) -> None:
    await paid_world(store)
    async with store.transaction() as session:
        for trigger in (await session.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))).all():
            await session.execute(text(f"DROP TRIGGER {trigger}"))
        await session.execute(text("UPDATE posting SET amount = amount - 1 WHERE account = 'revenue' AND id < 4"))

    assert await problems(store) == [
        "ledger invoice:26001:opened: sums to -0.01 instead of zero",
        "ledger: all postings sum to -0.01 instead of zero",
        "ledger: revenue with VAT is -1100.01 where -1100.00 is accounted for",
    ]


@given(st.integers(-100_000, 100_000), st.integers(-100_000, 100_000))
def test_an_invoice_always_enters_the_books_balanced(total: int, unpaid: int) -> None:
    fact = ledger.invoice_opened(number="1", contract_id=1, issued_on=TODAY, total=Money(total), open=Money(unpaid))

    assert Money.total(side.amount for side in fact.sides) == ZERO
    assert fact.sides[0] == Side(ledger.RECEIVABLE, Money(unpaid), 1)
