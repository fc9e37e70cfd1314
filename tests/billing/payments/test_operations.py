"""Statements become payments exactly once; credit and waiting payments find their invoice."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import select

from billing.money import ZERO, Money
from billing.payments.banks.statement import Statement
from billing.payments.operations import ImportReport, assign, import_statements, unmatched, use_credit
from billing.payments.tables import BankStatement, Payment
from billing.store import journal
from billing.store.engine import Store
from billing.store.tables import JournalEntry
from config.errors import NotAllowed, NotFound, StatementRejected
from tests.billing.payments.world import (
    NOW,
    add_contract,
    add_debtor,
    add_invoice,
    counts,
    credit_of,
    line,
    open_of,
    problems,
    statement,
)

IMPORTERS = 8


async def take(
    store: Store, *statements: Statement, accounts: tuple[str, ...] = (), currency: str = ""
) -> ImportReport:
    async with store.transaction() as session:
        return await import_statements(session, statements, "test.gpc", NOW, accounts=accounts, currency=currency)


# ── import ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_statement_pays_invoices_keeps_credit_and_lets_the_unknown_wait(each_store: Store) -> None:
    one = await add_debtor(each_store, "1001", i26001="500", i26002="500")
    two = await add_debtor(each_store, "1002", i26003="100")

    report = await take(
        each_store,
        statement(
            line("1", "500", "0000001001", "26002"),
            line("2", "150", "1002"),
            line("3", "33", "4711"),
            line("4", "-20", "1001"),
        ),
    )

    assert report == ImportReport(
        new=3,
        matched=2,
        waiting=1,
        received=Money.parse("683"),
        credited=Money.parse("50"),
        debits_ignored=1,
        payers=frozenset({one, two}),
        contracts=frozenset({one, two}),
    )
    assert await open_of(each_store) == {"26001": "500.00", "26002": "0.00", "26003": "0.00"}
    assert await credit_of(each_store, two) == Money.parse("50")
    assert await problems(each_store) == []


async def test_two_payments_of_one_statement_see_each_other(each_store: Store) -> None:
    contract_id = await add_debtor(each_store, i26001="500")

    await take(each_store, statement(line("1", "400", "1001", "26001"), line("2", "400", "1001", "26001")))

    assert await open_of(each_store) == {"26001": "0.00"}
    assert await credit_of(each_store, contract_id) == Money.parse("300")
    assert await problems(each_store) == []


async def test_the_same_file_twice_adds_nothing(each_store: Store) -> None:
    await add_debtor(each_store, i26001="500")
    file = statement(line("1", "200", "1001"), line("2", "33", "4711"))
    first = await take(each_store, file)
    before = await counts(each_store)

    second = await take(each_store, file)

    assert (first.new, first.known) == (2, 0)
    assert second == ImportReport(known=2)
    assert await counts(each_store) == before
    async with each_store.reading() as session:
        assert len((await session.scalars(select(BankStatement.id))).all()) == 1


async def test_a_longer_statement_adds_only_what_is_new(store: Store) -> None:
    await add_debtor(store, i26001="500")
    await take(store, statement(line("1", "200", "1001")))

    report = await take(store, statement(line("1", "200", "1001"), line("2", "100", "1001")))

    assert (report.new, report.known) == (1, 1)
    assert await open_of(store) == {"26001": "200.00"}


async def test_a_movement_that_stands_in_two_statements_of_a_file_counts_once(store: Store) -> None:
    await add_debtor(store, i26001="500")

    report = await take(store, statement(line("1", "200", "1001")), statement(line("1", "200", "1001"), number="2"))

    assert (report.new, report.known) == (1, 1)
    assert await open_of(store) == {"26001": "300.00"}


@pytest.mark.parametrize("other", [line("1", "201", "1001"), line("1", "200", "1002")])
async def test_a_known_movement_with_other_content_refuses_the_file_whole(store: Store, other: object) -> None:
    await add_debtor(store, i26001="500")
    await take(store, statement(line("1", "200", "1001")))
    before = await counts(store)

    with pytest.raises(StatementRejected, match=r"'fio-1' .* was imported before with 200\.00"):
        await take(store, statement(line("2", "50", "1001"), other))  # type: ignore[arg-type]

    assert await counts(store) == before


async def test_the_same_reference_on_another_account_is_another_payment(store: Store) -> None:
    await add_debtor(store, i26001="500")
    await take(store, statement(line("1", "200", "1001")))

    report = await take(store, statement(line("1", "200", "1001"), account="19-1/0100"))

    assert report.new == 1
    assert await open_of(store) == {"26001": "100.00"}


async def test_a_statement_of_a_foreign_account_is_refused(store: Store) -> None:
    with pytest.raises(StatementRejected, match="not one of yours"):
        await take(store, statement(line("1", "200", "1001")), accounts=("1/0100",))

    assert (await counts(store))["payment"] == 0


async def test_a_statement_of_ones_own_account_is_taken_however_the_account_is_written(store: Store) -> None:
    report = await take(store, statement(line("1", "200", "1001")), accounts=("1/0100", "000000-2000123456"))

    assert report.new == 1


async def test_a_statement_in_another_currency_is_refused(store: Store) -> None:
    with pytest.raises(StatementRejected, match="is in EUR, but the books are in CZK"):
        await take(store, statement(line("1", "200", "1001"), currency="EUR"), currency="CZK")


async def test_the_same_movement_by_another_format_waits_instead_of_counting_twice(store: Store) -> None:
    await add_debtor(store, i26001="500")
    await take(store, statement(line("1", "200", "1001")))
    as_gpc = replace(line("1", "200", "1001"), bank_ref="gpc-20261120-1-20000-2-1001-1")
    another = replace(as_gpc, bank_ref="gpc-20261120-2-20000-2-1001-1")

    report = await take(store, statement(as_gpc, another, account="2000123456"))

    assert (report.matched, report.waiting) == (1, 1)
    assert await open_of(store) == {"26001": "100.00"}
    assert await problems(store) == []


async def test_an_absurd_invoice_is_never_paid(store: Store) -> None:
    contract_id = await add_debtor(store, i26001="-100", i26002="50")

    await take(store, statement(line("1", "200", "1001", "26001")))

    assert await open_of(store) == {"26001": "-100.00", "26002": "0.00"}
    assert await credit_of(store, contract_id) == Money.parse("150")
    assert await problems(store) == []


async def test_every_payment_is_journalled_for_its_contract_with_the_reason(store: Store) -> None:
    contract_id = await add_debtor(store, i26001="500")
    async with store.reading() as session:
        head = await journal.head(session)

    await take(store, statement(line("1", "200", "1001", "26001"), line("2", "33")))

    async with store.reading() as session:
        assert (await journal.changed_since(session, head))[1] == {contract_id}
        rows = (await session.execute(select(JournalEntry.action, JournalEntry.contract_id, JournalEntry.why))).all()
    assert [tuple(row) for row in rows] == [
        ("payment.matched", contract_id, "variable symbol 1001; invoice 26001 is paid first"),
        ("payment.waiting", None, "no variable symbol"),
    ]


async def test_a_statement_without_movements_is_remembered_once(store: Store) -> None:
    await take(store, statement())
    await take(store, statement())

    async with store.reading() as session:
        assert (await session.scalars(select(BankStatement.source))).all() == ["test.gpc"]


async def test_eight_importers_of_one_file_at_once_import_it_once(each_store: Store) -> None:
    for number in range(1001, 1021):
        await add_debtor(each_store, str(number), **{f"i{number}0": "100", f"i{number}1": "100"})
    lines = [line(str(n), "70", str(1001 + n % 22)) for n in range(200)]

    reports = await asyncio.gather(*(take(each_store, statement(*lines)) for _ in range(IMPORTERS)))

    assert sum(report.new for report in reports) == len(lines)
    assert sum(report.known for report in reports) == (IMPORTERS - 1) * len(lines)
    assert (await counts(each_store))["payment"] == len(lines)
    assert set((await open_of(each_store)).values()) == {"0.00"}
    assert await problems(each_store) == []


async def test_eight_different_files_at_once_never_pay_one_invoice_twice(each_store: Store) -> None:
    contract_id = await add_debtor(each_store, i26001="500")
    files = [statement(line(str(n), "100", "1001", "26001"), number=str(n)) for n in range(IMPORTERS)]

    await asyncio.gather(*(take(each_store, file) for file in files))

    assert await open_of(each_store) == {"26001": "0.00"}
    assert await credit_of(each_store, contract_id) == Money.parse("300")
    assert await problems(each_store) == []


# ── credit ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_credit_pays_the_next_invoices_the_oldest_first(each_store: Store) -> None:
    contract_id = await add_debtor(each_store)
    await take(each_store, statement(line("1", "300", "1001"), line("2", "100", "1001")))
    async with each_store.transaction() as session:
        await add_invoice(session, contract_id, "26001", "350")
        await add_invoice(session, contract_id, "26002", "350")

        assert await use_credit(session, [contract_id], NOW.date(), NOW) == {contract_id}

    assert await open_of(each_store) == {"26001": "0.00", "26002": "300.00"}
    assert await credit_of(each_store, contract_id) == ZERO
    assert await problems(each_store) == []


async def test_credit_can_be_used_bit_by_bit(store: Store) -> None:
    contract_id = await add_debtor(store)
    await take(store, statement(line("1", "300", "1001")))

    for number in ("26001", "26002", "26003"):
        async with store.transaction() as session:
            await add_invoice(session, contract_id, number, "100")
            await use_credit(session, [contract_id], NOW.date(), NOW)

    assert set((await open_of(store)).values()) == {"0.00"}
    assert await problems(store) == []


async def test_without_credit_nothing_is_written(store: Store) -> None:
    contract_id = await add_debtor(store, i26001="500")
    before = await counts(store)

    async with store.transaction() as session:
        assert await use_credit(session, [contract_id], NOW.date(), NOW) == set()

    assert await counts(store) == before


# ── a person assigns ────────────────────────────────────────────────────────────────────────────────────────────────


async def waiting_payment(store: Store, amount: str = "600") -> int:
    await take(store, statement(line("1", amount, "4711", message="za internet")))
    async with store.reading() as session:
        (payment,) = await unmatched(session)
    assert (payment.message, payment.why) == ("za internet", "variable symbol 4711 is no contract")
    return payment.id


async def test_a_waiting_payment_is_assigned_to_an_invoice_first(each_store: Store) -> None:
    contract_id = await add_debtor(each_store, i26001="500", i26002="500")
    payment_id = await waiting_payment(each_store)

    async with each_store.transaction() as session:
        found = await assign(session, payment_id, invoice_number="26002", actor="admin:eva", now=NOW)

    assert found.why == "assigned to invoice 26002 by admin:eva; invoice 26002 is paid first"
    assert await open_of(each_store) == {"26001": "400.00", "26002": "0.00"}
    assert await problems(each_store) == []
    async with each_store.reading() as session:
        assert await unmatched(session) == []
        entry = (await session.execute(select(JournalEntry).filter_by(action="payment.assigned"))).scalar_one()
    assert (entry.actor, entry.contract_id) == ("admin:eva", contract_id)


async def test_a_waiting_payment_is_assigned_to_a_contract_and_the_rest_is_credit(store: Store) -> None:
    contract_id = await add_debtor(store, i26001="500")
    payment_id = await waiting_payment(store)

    async with store.transaction() as session:
        await assign(session, payment_id, contract_number="1001", actor="admin:eva", now=NOW)

    assert await open_of(store) == {"26001": "0.00"}
    assert await credit_of(store, contract_id) == Money.parse("100")
    assert await problems(store) == []


async def test_a_payment_is_assigned_once(store: Store) -> None:
    await add_debtor(store, i26001="500")
    payment_id = await waiting_payment(store)
    async with store.transaction() as session:
        await assign(session, payment_id, invoice_number="26001", actor="admin:eva", now=NOW)
    before = await counts(store)

    with pytest.raises(NotAllowed, match="is matched"):
        async with store.transaction() as session:
            await assign(session, payment_id, invoice_number="26001", actor="admin:eva", now=NOW)

    assert await counts(store) == before


async def test_what_is_not_there_can_not_be_assigned(store: Store) -> None:
    async with store.transaction() as session:
        await add_contract(session, "1001")
    payment_id = await waiting_payment(store)

    async with store.transaction() as session:
        with pytest.raises(NotFound, match="no payment 99"):
            await assign(session, 99, contract_number="1001", actor="admin:eva", now=NOW)
        with pytest.raises(NotFound, match="no invoice 26001"):
            await assign(session, payment_id, invoice_number="26001", actor="admin:eva", now=NOW)
        with pytest.raises(NotFound, match="no contract 1002"):
            await assign(session, payment_id, contract_number="1002", actor="admin:eva", now=NOW)


async def test_a_repeated_import_leaves_an_assigned_payment_alone(store: Store) -> None:
    await add_debtor(store, i26001="500")
    payment_id = await waiting_payment(store)
    async with store.transaction() as session:
        await assign(session, payment_id, invoice_number="26001", actor="admin:eva", now=NOW)

    report = await take(store, statement(line("1", "600", "4711", message="za internet")))

    assert report == ImportReport(known=1)
    async with store.reading() as session:
        assert (await session.scalars(select(Payment.state))).all() == ["matched"]
