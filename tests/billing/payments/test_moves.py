"""What a person says about payments, and takes back again."""

from datetime import date

import pytest
from sqlalchemy import select

from billing.money import ZERO, Money
from billing.payments.importing import import_statements
from billing.payments.operations import assign, ignore, record, take_back, unassign, unmatched
from billing.payments.tables import LedgerTransaction, Payment
from billing.store.engine import Store
from billing.store.tables import JournalEntry
from config.errors import NotAllowed, NotFound
from tests.billing.payments.world import (
    NOW,
    TODAY,
    add_credit_note,
    add_debtor,
    counts,
    credit_of,
    line,
    open_of,
    problems,
    statement,
)

EVA = "admin:eva"


async def waiting_payment(store: Store, amount: str = "600", variable: str = "4711") -> int:
    async with store.transaction() as session:
        await import_statements(session, [statement(line("1", amount, variable))], "test", NOW)
    async with store.reading() as session:
        return (await session.scalars(select(Payment.id))).one()


async def actions(store: Store) -> list[tuple[str, int | None]]:
    async with store.reading() as session:
        rows = await session.execute(select(JournalEntry.action, JournalEntry.contract_id).order_by(JournalEntry.id))
        return [tuple(row) for row in rows]


async def test_an_assignment_taken_back_leaves_everything_as_it_was_before(each_store: Store) -> None:
    contract_id = await add_debtor(each_store, i26001="500")
    payment_id = await waiting_payment(each_store)
    async with each_store.transaction() as session:
        await assign(session, payment_id, invoice_number="26001", actor=EVA, now=NOW)

    async with each_store.transaction() as session:
        await unassign(session, payment_id, why="not hers", actor=EVA, today=TODAY, now=NOW)

    assert await open_of(each_store) == {"26001": "500.00"}
    assert await credit_of(each_store, contract_id) == ZERO
    assert await problems(each_store) == []
    async with each_store.reading() as session:
        (waiting,) = await unmatched(session)
    assert waiting.why.startswith("admin:eva took back what was said before (assigned to invoice 26001")
    assert (await actions(each_store))[-1] == ("payment.unassigned", contract_id)


async def test_a_payment_can_go_to_another_contract_and_back_again(each_store: Store) -> None:
    await add_debtor(each_store, "1001", i26001="500")
    await add_debtor(each_store, "1002", i26002="500")
    payment_id = await waiting_payment(each_store, "500", "1001")

    for number in ("1002", "1001", "1002"):
        async with each_store.transaction() as session:
            await unassign(session, payment_id, why="", actor=EVA, today=TODAY, now=NOW)
            await assign(session, payment_id, contract_number=number, actor=EVA, now=NOW)
        assert await problems(each_store) == []

    assert await open_of(each_store) == {"26001": "500.00", "26002": "0.00"}


async def test_other_credit_pays_what_an_unassigned_payment_leaves_open(store: Store) -> None:
    contract_id = await add_debtor(store, i26001="500")
    payment_id = await waiting_payment(store, "500", "1001")
    async with store.transaction() as session:
        await import_statements(session, [statement(line("2", "200", "1001"), number="2")], "test", NOW)

        await unassign(session, payment_id, why="", actor=EVA, today=TODAY, now=NOW)

    assert await open_of(store) == {"26001": "300.00"}
    assert await credit_of(store, contract_id) == ZERO
    assert await problems(store) == []


async def test_what_is_nobodys_is_set_aside_and_can_come_back(each_store: Store) -> None:
    await add_debtor(each_store, i26001="500")
    payment_id = await waiting_payment(each_store)
    async with each_store.transaction() as session:
        await ignore(session, payment_id, why="my own transfer", actor=EVA, now=NOW)
    assert await problems(each_store) == []
    async with each_store.reading() as session:
        assert await unmatched(session) == []

    async with each_store.transaction() as session:
        await unassign(session, payment_id, why="no, Jana's", actor=EVA, today=TODAY, now=NOW)
        await assign(session, payment_id, invoice_number="26001", actor=EVA, now=NOW)

    assert await open_of(each_store) == {"26001": "0.00"}
    assert await problems(each_store) == []
    assert [action for action, _ in await actions(each_store)] == [
        "payment.waiting",
        "payment.ignored",
        "payment.unassigned",
        "payment.assigned",
    ]


async def test_only_what_waits_can_be_assigned_or_set_aside(store: Store) -> None:
    await add_debtor(store, i26001="500")
    payment_id = await waiting_payment(store, "500", "1001")
    before = await counts(store)

    async with store.transaction() as session:
        with pytest.raises(NotAllowed, match="is matched, only what waits"):
            await ignore(session, payment_id, why="", actor=EVA, now=NOW)
        with pytest.raises(NotAllowed, match="is matched, it does not wait"):
            await assign(session, payment_id, contract_number="1001", actor=EVA, now=NOW)
        await take_back(session, payment_id, on=TODAY, actor=EVA, now=NOW)
        with pytest.raises(NotAllowed, match="is returned, there is nothing to take back"):
            await unassign(session, payment_id, why="", actor=EVA, today=TODAY, now=NOW)

    assert (await counts(store))["payment"] == before["payment"]


async def test_a_credit_note_is_no_invoice_to_assign_to(store: Store) -> None:
    contract_id = await add_debtor(store, i26001="500")
    await add_credit_note(store, contract_id, "26001", "1")
    payment_id = await waiting_payment(store)

    async with store.transaction() as session:
        with pytest.raises(NotFound, match="no invoice 2690001"):
            await assign(session, payment_id, invoice_number="2690001", actor=EVA, now=NOW)


async def test_cash_pays_the_oldest_invoice_and_leaves_credit(each_store: Store) -> None:
    contract_id = await add_debtor(each_store, i26001="500", i26002="500")

    async with each_store.transaction() as session:
        found = await record(session, "1001", Money.parse("1100"), on=TODAY, why="receipt 7", actor=EVA, now=NOW)

    assert found.why.startswith("paid in cash, written down by admin:eva: receipt 7; ")
    assert set((await open_of(each_store)).values()) == {"0.00"}
    assert await credit_of(each_store, contract_id) == Money.parse("100")
    assert await problems(each_store) == []
    assert await actions(each_store) == [("payment.recorded", contract_id)]


async def test_two_payments_in_cash_of_one_day_are_two(store: Store) -> None:
    await add_debtor(store, i26001="500")

    for _ in range(2):
        async with store.transaction() as session:
            await record(session, "1001", Money.parse("200"), on=TODAY, why="", actor=EVA, now=NOW)

    assert await open_of(store) == {"26001": "100.00"}
    async with store.reading() as session:
        assert (await session.scalars(select(Payment.bank_ref))).all() == ["cash-20261120-1", "cash-20261120-2"]
        days = (await session.scalars(select(LedgerTransaction.effective_on).filter_by(kind="payment"))).all()
    assert days == [TODAY, TODAY]
    assert await problems(store) == []


@pytest.mark.parametrize("amount", ["0", "-5"])
async def test_nothing_is_no_payment(store: Store, amount: str) -> None:
    await add_debtor(store)

    async with store.transaction() as session:
        with pytest.raises(NotAllowed, match="is no amount that can be paid"):
            await record(session, "1001", Money.parse(amount), on=date(2026, 1, 1), why="", actor=EVA, now=NOW)
