"""The invariants of the books: an honest store keeps them all, and of each the first row that breaks it is named."""

import sqlite3
from collections.abc import Sequence
from datetime import date

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoicing.tables import Invoice, InvoiceLine, InvoiceVat, NumberSeries
from billing.money import Money
from billing.payments import ledger
from billing.payments.importing import import_statements
from billing.payments.operations import apply_credit_note, ignore, record, take_back
from billing.services.tables import Product, Service
from billing.store.engine import Store
from tests.billing.payments.world import (
    NOW,
    TODAY,
    add_credit_note,
    add_debtor,
    break_rows,
    line,
    problems,
    statement,
)

JANUARY, FEBRUARY = (date(2026, 1, 1), date(2026, 1, 31)), (date(2026, 2, 1), date(2026, 2, 28))


async def busy_world(store: Store) -> None:
    """Two contracts with every kind of money that there is."""
    one = await add_debtor(store, "1001", i26001="500", i26002="500")
    await add_debtor(store, "1002", i26003="100")
    payments = [line("1", "700", "1001"), line("2", "150", "1002"), line("3", "33", "4711"), line("4", "44", "4712")]
    note = await add_credit_note(store, one, "26002", "100")
    async with store.transaction() as session:
        await import_statements(session, [statement(*payments, line("5", "55", "4713"))], "test", NOW)
        await ignore(session, 4, why="mine", actor="admin:eva", now=NOW)
        await take_back(session, 5, on=TODAY, actor="admin:eva", now=NOW)
        await record(session, "1002", Money.parse("10"), on=TODAY, why="", actor="admin:eva", now=NOW)
        await apply_credit_note(session, note, NOW)
    await add_issued(store, one)


async def add_issued(store: Store, contract_id: int) -> None:
    """Two invoices that Hradlo issued for a service, each with a line, its VAT, and the ledger's fact."""
    async with store.transaction() as session:
        await session.execute(insert(Product).values(id=1, kind="internet", name="Fiber"))
        service = {"id": 1, "contract_id": contract_id, "product_id": 1, "starts_on": JANUARY[0]}
        await session.execute(insert(Service).values(**service))
        await session.execute(
            insert(NumberSeries).values(id=1, kind="invoice", year=2026, prefix="27", digits=3, next=3)
        )
        for place, (from_on, until_on) in enumerate((JANUARY, FEBRUARY), start=1):
            await _issue(session, place, contract_id, from_on, until_on)


async def _issue(session: AsyncSession, place: int, contract_id: int, from_on: date, until_on: date) -> None:
    amounts = {"total": Money.parse("121"), "base": Money.parse("100"), "vat": Money.parse("21")}
    days = {"issued_on": from_on, "due_on": from_on, "created_at": NOW}
    number = f"27{place:03}"
    invoice = {
        "id": 100 + place,
        "number": number,
        "contract_id": contract_id,
        "series_id": 1,
        "open": amounts["total"],
    }
    await session.execute(insert(Invoice).values(**invoice, **amounts, **days))
    rate = {"invoice_id": 100 + place, "vat_category": "standard", "vat_basis_points": 2100}
    period = {"service_id": 1, "from_on": from_on, "until_on": until_on, "text": "Fiber", "position": 1}
    await session.execute(insert(InvoiceLine).values(**rate, **period, **amounts, unit_price=amounts["total"]))
    await session.execute(insert(InvoiceVat).values(**rate, base=amounts["base"], vat=amounts["vat"]))
    fact = ledger.invoice_opened(
        number=number,
        contract_id=contract_id,
        issued_on=from_on,
        total=amounts["total"],
        open=amounts["total"],
        vat=amounts["vat"],
    )
    await ledger.post_many(session, [fact], NOW)


async def test_busy_but_honest_books_keep_every_invariant(each_store: Store) -> None:
    assert await problems(each_store) == []

    await busy_world(each_store)

    assert await problems(each_store) == []


BROKEN: list[tuple[str, list[str]]] = [
    # 1: what is posted sums to zero, and is sealed
    (
        "UPDATE posting SET amount = amount - 1 WHERE account = 'suspense' AND amount = -3300",
        [
            "ledger payment:2000123456/2010:fio-3: sums to -0.01 instead of zero",
            "ledger: all postings sum to -0.01 instead of zero",
            "ledger: suspense is -33.01 where -33.00 is accounted for",
        ],
    ),
    (
        "UPDATE ledger_transaction SET is_sealed = 0 WHERE key = 'invoice:26003:opened'",
        ["ledger invoice:26003:opened: is not sealed"],
    ),
    (
        "UPDATE ledger_transaction SET effective_on = '2020-01-01' WHERE key = 'invoice:27001:opened'",
        ["invoice 27001: was issued on 2026-01-01, but the ledger has it on 2020-01-01"],
    ),
    (
        "INSERT INTO party (sha256, content) VALUES ('0', '{}')",
        ["party 1: does not match its hash: somebody changed a seller or buyer of documents"],
    ),
    # 2: an account is one of the ledger's, and a contract's where it must be
    (
        "UPDATE posting SET account = 'pocket' WHERE id = 1",
        [
            "posting 1: is on pocket, which is no account of its kind",
            "contract 1001: receivable is -58.00 where 442.00 is accounted for",
        ],
    ),
    # 3: receivable and credit of each contract
    (
        "UPDATE invoice SET open = 0 WHERE number = '26002'",
        [
            "contract 1001: receivable is 442.00 where 242.00 is accounted for",
            "invoice 26002: total less open is 500.00 where 300.00 is accounted for",
        ],
    ),
    (
        "UPDATE payment SET contract_id = 1 WHERE bank_ref = 'cash-20261120-1'",
        ["contract 1001: credit is 0.00 where -10.00 is accounted for"],
    ),
    # 4: total less open of an invoice, and of a credit note
    (
        "UPDATE allocation SET reversed_at = '2026-01-01 00:00:00.000000' WHERE payment_id = 2",
        [
            "invoice 26003: total less open is 100.00 where 0.00 is accounted for",
            "payment 2: amount less unallocated is 100.00 where 0.00 is accounted for",
        ],
    ),
    (
        "DELETE FROM allocation WHERE credit_note_id IS NOT NULL",
        [
            "invoice 26002: total less open is 300.00 where 200.00 is accounted for",
            "credit note 2690001: total less credit is 100.00 where 0.00 is accounted for",
        ],
    ),
    # 5: amount less unallocated of a payment; a return of each that came back; each in the ledger
    (
        "UPDATE payment SET unallocated = 0 WHERE bank_ref = 'fio-2'",
        [
            "contract 1002: credit is -60.00 where -10.00 is accounted for",
            "payment 2: amount less unallocated is 150.00 where 100.00 is accounted for",
        ],
    ),
    ("DELETE FROM payment_return", ["payment 5: returned amount is 55.00 where 0.00 is accounted for"]),
    (
        "UPDATE payment SET bank_ref = 'fio-9' WHERE bank_ref = 'fio-3'",
        ["payment 3: is not in the ledger"],
    ),
    (
        "UPDATE payment SET amount = amount + 1, unallocated = unallocated + 1 WHERE state = 'ignored'",
        [
            "ledger: other is -44.00 where -44.01 is accounted for",
            "account 2000123456/2010: bank is 927.00 where 927.01 is accounted for",
        ],
    ),
    (
        "UPDATE allocation SET invoice_id = (SELECT id FROM invoice WHERE number = '26001') WHERE payment_id = 2",
        [
            "invoice 26001: total less open is 500.00 where 600.00 is accounted for",
            "allocation 3: pays invoice 26001 with money of another contract",
        ],
    ),
    # 7: the numbers of a series are 1 to n
    (
        "UPDATE number_series SET next = 5",
        ["series invoice 2026: number 27003 is missing"],
    ),
    (
        "UPDATE number_series SET next = 2",
        ["series invoice 2026: number 27002 was never given out"],
    ),
    # 8: totals, VAT groups and lines
    (
        "UPDATE invoice SET base = base - 1, vat = vat + 1 WHERE number = '27001'",
        [
            "invoice 27001: base is 99.99 where 100.00 is accounted for",
            "invoice 27001: VAT is 21.01 where 21.00 is accounted for",
        ],
    ),
    (
        "UPDATE invoice_vat SET vat = vat + 1 WHERE invoice_id = 102",
        [
            "invoice 27002: VAT is 21.00 where 21.01 is accounted for",
            "invoice 27002, VAT standard 2100: VAT of lines is 21.00 where 21.01 is accounted for",
        ],
    ),
    (
        "UPDATE invoice_line SET total = total + 1 WHERE invoice_id = 102",
        [
            "invoice 27002: total is 121.00 where 121.01 is accounted for",
            "invoice line 2: total is 121.01 where 121.00 is accounted for",
        ],
    ),
    # 9: no day of a service is invoiced twice
    (
        "UPDATE invoice_line SET from_on = '2026-01-31' WHERE invoice_id = 102",
        ["invoice 27002: service 1 is invoiced from 2026-01-31, but another invoice has it until 2026-01-31"],
    ),
    (
        "UPDATE invoice_line SET from_on = '2026-01-01' WHERE invoice_id = 102",
        ["invoice 27002: service 1 is invoiced from 2026-01-01, but another invoice has it until 2026-01-31"],
    ),
]


@pytest.mark.parametrize(("statement_", "found"), BROKEN, ids=[each[1][-1][:60] for each in BROKEN])
async def test_of_each_broken_invariant_the_first_row_is_named(
    store: Store, statement_: str, found: Sequence[str]
) -> None:
    await busy_world(store)
    await break_rows(store, statement_)

    assert await problems(store) == list(found)


async def test_a_released_line_may_be_invoiced_again(store: Store) -> None:
    await busy_world(store)
    await break_rows(
        store,
        "UPDATE invoice_line SET released_at = '2026-03-01 00:00:00.000000' WHERE invoice_id = 101",
        "UPDATE invoice_line SET from_on = '2026-01-01' WHERE invoice_id = 102",
    )

    assert await problems(store) == []


async def test_a_posting_whose_fact_is_gone_is_named(store: Store, database_url: str) -> None:
    await busy_world(store)
    await break_rows(store)
    with sqlite3.connect(database_url.removeprefix("sqlite:///")) as database:  # where foreign keys are not looked at
        database.execute("DELETE FROM ledger_transaction WHERE id = 1")

    assert "posting 1: belongs to no fact" in await problems(store)


async def test_what_verify_sums_is_what_the_ledger_holds(store: Store) -> None:
    await busy_world(store)

    async with store.reading() as session:
        rows = await session.execute(text("SELECT account, SUM(amount) FROM posting GROUP BY account ORDER BY account"))
        balances = {account: str(Money(amount)) for account, amount in rows}
        open_sum = Money.total(await session.scalars(select(Invoice.open)))
    assert open_sum == Money.parse("442")
    assert balances == {
        "bank:2000123456/2010": "927.00",
        "bank:cash": "10.00",
        "credit": "-60.00",
        "other": "-44.00",
        "receivable": "442.00",
        "revenue": "-1200.00",
        "suspense": "-33.00",
        "vat": "-42.00",
    }
