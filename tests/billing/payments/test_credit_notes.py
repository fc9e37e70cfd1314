"""A credit note gives back: first off the invoice that it corrects, the rest is credit of the contract."""

from datetime import date

import pytest
from sqlalchemy import select, update

from billing.invoicing.tables import Invoice
from billing.money import Money
from billing.payments.operations import apply_credit_note, import_statements, use_credit
from billing.store.engine import Store
from billing.store.tables import JournalEntry
from config.errors import NotFound
from tests.billing.payments.world import (
    NOW,
    add_credit_note,
    add_debtor,
    add_invoice,
    counts,
    line,
    open_of,
    problems,
    statement,
)


async def apply(store: Store, credit_note_id: int) -> None:
    async with store.transaction() as session:
        await apply_credit_note(session, credit_note_id, NOW)


async def credit_of_note(store: Store, note_id: int) -> str:
    async with store.reading() as session:
        return str(await session.scalar(select(Invoice.credit).where(Invoice.id == note_id)))


async def test_a_credit_note_lowers_what_it_corrects(each_store: Store) -> None:
    contract_id = await add_debtor(each_store, i26001="500", i26002="500")
    note = await add_credit_note(each_store, contract_id, "26002", "200")

    await apply(each_store, note)

    assert await open_of(each_store) == {"26001": "500.00", "26002": "300.00", "2690001": "0.00"}
    assert await credit_of_note(each_store, note) == "0.00"
    assert await problems(each_store) == []


async def test_a_credit_note_of_a_paid_invoice_becomes_credit_that_the_next_invoice_uses(each_store: Store) -> None:
    contract_id = await add_debtor(each_store, i26001="500")
    async with each_store.transaction() as session:
        await import_statements(session, [statement(line("1", "550", "1001"))], "test", NOW)
    note = await add_credit_note(each_store, contract_id, "26001", "120")

    await apply(each_store, note)
    assert await credit_of_note(each_store, note) == "120.00"
    async with each_store.transaction() as session:
        await add_invoice(session, contract_id, "26002", "100")
        await add_invoice(session, contract_id, "26003", "100", date(2026, 12, 24))
        assert await use_credit(session, [contract_id], NOW.date(), NOW) == {contract_id}

    assert await open_of(each_store) == {"26001": "0.00", "26002": "0.00", "26003": "30.00", "2690001": "0.00"}
    assert await credit_of_note(each_store, note) == "0.00"
    assert await problems(each_store) == []


async def test_what_the_corrected_invoice_does_not_need_pays_the_other_open_ones_at_once(store: Store) -> None:
    contract_id = await add_debtor(store, i26001="100", i26002="300")
    note = await add_credit_note(store, contract_id, "26001", "250")

    await apply(store, note)

    assert await open_of(store) == {"26001": "0.00", "26002": "150.00", "2690001": "0.00"}
    assert await problems(store) == []


async def test_a_credit_note_applied_twice_counts_once(store: Store) -> None:
    contract_id = await add_debtor(store, i26001="500")
    note = await add_credit_note(store, contract_id, "26001", "200")
    await apply(store, note)
    before = await counts(store)

    await apply(store, note)

    assert await counts(store) == before
    assert (await open_of(store))["26001"] == "300.00"


async def test_the_books_take_back_revenue_and_vat(store: Store) -> None:
    contract_id = await add_debtor(store, i26001="500")
    note = await add_credit_note(store, contract_id, "26001", "121")
    async with store.transaction() as session:
        vat = {"base": -Money.parse("100"), "vat": -Money.parse("21")}
        await session.execute(update(Invoice).where(Invoice.id == note).values(**vat))

    await apply(store, note)

    assert await problems(store) == []
    async with store.reading() as session:
        entry = (await session.execute(select(JournalEntry).filter_by(action="credit_note.applied"))).scalar_one()
    assert entry.contract_id == contract_id


async def test_only_a_credit_note_can_be_applied(store: Store) -> None:
    await add_debtor(store, i26001="500")

    for id_ in (1, 99):
        with pytest.raises(NotFound, match=f"no credit note with id {id_}"):
            await apply(store, id_)
