"""Invoices come in whole or not at all, once; the ledger agrees with them at any time."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from billing.customers.tables import Contract, Customer
from billing.importing import Report
from billing.invoicing.operations import import_invoices
from billing.invoicing.rules import read_invoices
from billing.invoicing.run import bill
from billing.invoicing.tables import Invoice
from billing.money import Money
from billing.payments import invariants, ledger
from billing.payments.tables import Allocation, BankStatement, LedgerTransaction, Payment
from billing.services.products import set_product
from billing.services.tables import Service, ServicePrice
from billing.store.engine import Store
from billing.store.tables import JournalEntry
from config.errors import InputRejected, NotAllowed
from config.settings import Settings

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
TODAY = date(2026, 3, 2)
HEADER = "number,contract_number,issued_on,due_on,total,open\n"
FIRST = "101,10,2026-01-01,2026-01-15,500,500"
SECOND = "102,10,2026-02-01,2026-02-15,500,200"


@pytest.fixture
async def town(each_store: Store) -> Store:
    """A store with contracts 10 and 11."""
    async with each_store.transaction() as session:
        customer = Customer(number="1", name="Jana")
        session.add(customer)
        await session.flush()
        session.add_all(
            [Contract(number="10", customer_id=customer.id), Contract(number="11", customer_id=customer.id)]
        )
    return each_store


async def bring(store: Store, *lines: str, now: datetime = NOW) -> Report:
    sheet = read_invoices((HEADER + "\n".join(lines)).encode(), "invoices.csv")
    async with store.transaction() as session:
        return await import_invoices(session, sheet, actor="admin:test", today=now.date(), now=now)


async def open_amounts(store: Store) -> dict[str, str]:
    async with store.reading() as session:
        return {row[0]: str(row[1]) for row in await session.execute(select(Invoice.number, Invoice.open))}


async def journal_actions(store: Store) -> Sequence[str]:
    async with store.reading() as session:
        return (await session.execute(select(JournalEntry.action).order_by(JournalEntry.id))).scalars().all()


async def ledger_problems(store: Store) -> list[str]:
    async with store.reading() as session:
        return [str(problem) for problem in await invariants.verify(session)]


async def facts_posted(store: Store) -> int:
    async with store.reading() as session:
        return (await session.execute(select(func.count()).select_from(LedgerTransaction))).scalar_one()


async def receive(store: Store, amount: int) -> None:
    """A payment of contract 10 that nothing was open for: its credit."""
    async with store.transaction() as session:
        contract_id = (await session.execute(select(Contract.id).where(Contract.number == "10"))).scalar_one()
        balances = {"old_balance": Money(0), "new_balance": Money(amount)}
        statement = BankStatement(account="1", closed_on=TODAY, source="s", imported_at=NOW, **balances)
        session.add(statement)
        await session.flush()
        payment = Payment(
            statement_id=statement.id, account="1", bank_ref="r", booked_on=TODAY, amount=Money(amount),
            contract_id=contract_id, state="matched", why="", unallocated=Money(amount),
        )  # fmt: skip
        session.add(payment)
        sides = (ledger.Side(ledger.BANK + "1", Money(amount)), ledger.Side(ledger.CREDIT, Money(-amount), contract_id))
        await ledger.post(session, key="payment:1:r", kind="payment", effective_on=TODAY, now=NOW, postings=sides)


async def test_invoices_are_added_and_posted(town: Store) -> None:
    report = await bring(town, FIRST, SECOND)

    assert report == Report(added=2)
    assert await open_amounts(town) == {"101": "500.00", "102": "200.00"}
    assert await facts_posted(town) == 2
    assert await ledger_problems(town) == []
    assert await journal_actions(town) == ["invoice.imported"] * 2


async def test_the_same_file_twice_changes_nothing(town: Store) -> None:
    await bring(town, FIRST, SECOND)

    assert await bring(town, FIRST, SECOND, now=NOW + timedelta(days=1)) == Report(unchanged=2)
    assert await facts_posted(town) == 2
    assert await journal_actions(town) == ["invoice.imported"] * 2


async def test_an_open_amount_that_another_program_lowered_is_taken_over(town: Store) -> None:
    await bring(town, FIRST)

    assert await bring(town, FIRST.replace("500,500", "500,100")) == Report(changed=1)
    assert await open_amounts(town) == {"101": "100.00"}
    assert await ledger_problems(town) == []


async def test_a_correction_there_and_back_and_there_again_is_posted_each_time(town: Store) -> None:
    await bring(town, FIRST)
    for day, amounts in enumerate(("400,100", "500,500", "400,100", "500,500"), start=1):
        await bring(town, FIRST.replace("500,500", amounts), now=NOW + timedelta(days=day))

    assert await open_amounts(town) == {"101": "500.00"}
    assert await facts_posted(town) == 5
    assert await ledger_problems(town) == []


async def test_a_later_due_date_is_taken_over_without_a_posting(town: Store) -> None:
    await bring(town, FIRST)

    assert await bring(town, FIRST.replace("01-15", "01-31")) == Report(changed=1)
    assert await facts_posted(town) == 1


async def test_a_new_invoice_is_paid_from_the_credit_of_its_contract(town: Store) -> None:
    await receive(town, 60_000)
    await bring(town, FIRST, SECOND, "111,11,2026-01-01,2026-01-15,5,5")

    assert await open_amounts(town) == {"101": "0.00", "102": "100.00", "111": "5.00"}
    assert await ledger_problems(town) == []


async def test_the_same_file_after_our_payment_changes_nothing(town: Store) -> None:
    """The other program need not know of payments that Hradlo matched."""
    await receive(town, 30_000)
    await bring(town, FIRST)

    assert await bring(town, FIRST) == Report(unchanged=1)
    assert await bring(town, FIRST.replace("500,500", "500,200")) == Report(unchanged=1)
    assert await open_amounts(town) == {"101": "200.00"}


async def test_another_open_amount_after_our_payment_is_refused_and_explained(town: Store) -> None:
    await receive(town, 30_000)
    await bring(town, FIRST)

    with pytest.raises(InputRejected, match=r"line 2, column open: is 100.00, but 200.00 is open: Hradlo matched"):
        await bring(town, FIRST.replace("500,500", "500,100"))
    async with town.reading() as session:
        assert (await session.execute(select(func.sum(Allocation.amount)))).scalar_one() == Money(30_000)


async def test_a_payment_that_the_bank_took_back_is_none_of_ours_any_more(town: Store) -> None:
    await receive(town, 30_000)
    await bring(town, FIRST)
    async with town.transaction() as session:
        await session.execute(update(Allocation).values(reversed_at=NOW))
        await session.execute(update(Invoice).values(open=Money(50_000)))

    assert await bring(town, FIRST.replace("500,500", "500,400")) == Report(changed=1)


async def test_another_total_after_our_payment_keeps_the_ledger_right(town: Store) -> None:
    await receive(town, 30_000)
    await bring(town, FIRST)
    await bring(town, FIRST.replace("500,500", "450,200"))

    assert await open_amounts(town) == {"101": "200.00"}
    assert await ledger_problems(town) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("101,12,2026-01-01,2026-01-15,500,500", "contract_number: there is no contract 12"),
        ("101,11,2026-01-01,2026-01-15,500,500", "contract_number: invoice 101 belongs to contract 10"),
    ],
)
async def test_what_contradicts_the_database_is_refused_whole(town: Store, line: str, words: str) -> None:
    await bring(town, FIRST)

    with pytest.raises(InputRejected, match=f"line 3, column {words}"):
        await bring(town, SECOND, line)
    assert await open_amounts(town) == {"101": "500.00"}


async def test_an_invoice_that_is_odd_is_taken_with_a_warning(town: Store) -> None:
    report = await bring(town, FIRST, "102,10,2026-02-15,2026-02-01,-5,-5")

    assert report.added == 2
    assert [str(warning) for warning in report.warnings] == ["line 3: invoice 102 is due before it was issued"]
    assert await ledger_problems(town) == []


async def issue_one(store: Store) -> str:
    """An invoice by Hradlo itself, for contract 10; its number."""
    async with store.transaction() as session:
        contract_id = await session.scalar(select(Contract.id).where(Contract.number == "10"))
        product_id = await set_product(session, "internet", "Fiber", valid_from_on=TODAY, actor="test", now=NOW)
        service = Service(contract_id=contract_id, product_id=product_id, starts_on=date(2026, 3, 1))
        session.add(service)
        await session.flush()
        session.add(ServicePrice(service_id=service.id, valid_from_on=service.starts_on, price=Money(500_00)))
    async for _ in bill(store, Settings(), until_on=TODAY, now=NOW, actor="test"):
        pass
    async with store.reading() as session:
        return str(await session.scalar(select(Invoice.number).where(Invoice.series_id.is_not(None))))


async def test_what_hradlo_issued_is_not_changed_by_a_file_and_its_numbers_are_its_own(town: Store) -> None:
    number = await issue_one(town)
    assert number == "2600000001"
    assert await bring(town, f"{number},10,2026-03-02,2026-03-16,500,500") == Report(unchanged=1)

    for line in (f"{number},10,2026-03-02,2026-03-16,600,600", "2600000002,10,2026-03-02,2026-03-16,500,500"):
        with pytest.raises(InputRejected, match="is of Hradlo's own invoices of 2026"):
            await bring(town, line)


async def test_a_series_does_not_begin_among_the_numbers_of_another_program(town: Store) -> None:
    await bring(town, "2600000017,10,2026-01-01,2026-01-15,500,500", SECOND)

    with pytest.raises(NotAllowed, match=r"Invoice 2600000017 of another program .* invoice_prefix = \"7{yy}\""):
        await issue_one(town)
    with pytest.raises(NotAllowed, match="Invoice 2600000017 of another program"):
        async for _ in bill(town, Settings(), until_on=TODAY, now=NOW, actor="test", dry_run=True):
            pass
