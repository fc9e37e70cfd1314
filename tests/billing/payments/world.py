"""A small world to pay in: contracts with invoices, and statements that add up."""

from datetime import UTC, date, datetime

from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract, Customer
from billing.invoicing.tables import Invoice
from billing.money import ZERO, Money
from billing.payments import invariants, ledger
from billing.payments.banks.statement import Statement, StatementLine
from billing.payments.tables import Allocation, LedgerTransaction, Payment, Posting
from billing.store.engine import Store
from billing.store.tables import JournalEntry

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TODAY = date(2026, 11, 20)
ACCOUNT = "2000123456/2010"


async def add_contract(session: AsyncSession, number: str) -> int:
    """A contract of a customer of its own."""
    customer = insert(Customer).values(number=f"c{number}", name="Jana").returning(Customer.id)
    customer_id = (await session.execute(customer)).scalar_one()
    contract = insert(Contract).values(number=number, customer_id=customer_id).returning(Contract.id)
    return (await session.execute(contract)).scalar_one()


async def add_invoice(
    session: AsyncSession, contract_id: int, number: str, unpaid: str, due_on: date = TODAY, total: str = ""
) -> None:
    """An invoice, in the books as the import of invoices puts it there."""
    amounts = {"total": Money.parse(total or unpaid), "open": Money.parse(unpaid)}
    await session.execute(
        insert(Invoice).values(
            number=number, contract_id=contract_id, issued_on=due_on, due_on=due_on, created_at=NOW, **amounts
        )
    )
    fact = ledger.invoice_opened(number=number, contract_id=contract_id, issued_on=due_on, **amounts)
    await ledger.post_many(session, [fact], NOW)


async def add_debtor(store: Store, number: str = "1001", **invoices: str) -> int:
    """A contract with open invoices, `i26001="500"`, each due a day after the one before."""
    async with store.transaction() as session:
        contract_id = await add_contract(session, number)
        for day, (name, amount) in enumerate(invoices.items(), start=1):
            await add_invoice(session, contract_id, name.removeprefix("i"), amount, date(2026, 10, day))
    return contract_id


async def add_credit_note(store: Store, contract_id: int, corrects: str, total: str, number: str = "2690001") -> int:
    """A credit note as the billing run writes it, before its money is moved."""
    async with store.transaction() as session:
        corrects_id = await session.scalar(select(Invoice.id).where(Invoice.number == corrects))
        amounts = {"total": -Money.parse(total), "base": -Money.parse(total), "open": ZERO}
        days = {"issued_on": TODAY, "due_on": TODAY, "created_at": NOW}
        written = insert(Invoice).values(
            number=number, contract_id=contract_id, kind="credit_note", corrects_id=corrects_id, **amounts, **days
        )
        return (await session.execute(written.returning(Invoice.id))).scalar_one()


def line(ref: str, amount: str, variable: str = "", specific: str = "", message: str = "") -> StatementLine:
    return StatementLine(
        f"fio-{ref}", TODAY, Money.parse(amount), variable_symbol=variable, specific_symbol=specific, message=message
    )


def statement(*lines: StatementLine, account: str = ACCOUNT, number: str = "1", currency: str = "CZK") -> Statement:
    moved = Money.total(each.amount for each in lines)
    return Statement(account, number, TODAY, TODAY, ZERO, moved, lines, currency=currency)


async def open_of(store: Store) -> dict[str, str]:
    """What is open of each invoice."""
    async with store.reading() as session:
        rows = await session.execute(select(Invoice.number, Invoice.open).order_by(Invoice.number))
        return {number: str(amount) for number, amount in rows}


async def credit_of(store: Store, contract_id: int) -> Money:
    async with store.reading() as session:
        return await session.scalar(select(func.sum(Payment.unallocated)).filter_by(contract_id=contract_id)) or ZERO


async def counts(store: Store) -> dict[str, int]:
    """How many rows there are of everything that an import writes."""
    tables = (Payment, Allocation, LedgerTransaction, Posting, JournalEntry)
    async with store.reading() as session:
        return {t.__tablename__: await session.scalar(select(func.count()).select_from(t)) or 0 for t in tables}


async def problems(store: Store) -> list[str]:
    """What the books are found wrong in; empty = everything agrees."""
    async with store.reading() as session:
        return [str(problem) for problem in await invariants.verify(session)]


async def break_rows(store: Store, *statements: str) -> None:
    """Changes rows as only somebody with a shell can: without the triggers and unique indexes that refuse it."""
    async with store.transaction() as session:
        names = await session.execute(
            text(
                "SELECT type, name FROM sqlite_master "
                "WHERE type = 'trigger' OR (type = 'index' AND name = 'uq_invoice_line_period')"
            )
        )
        for kind, name in names.all():
            await session.execute(text(f"DROP {kind} {name}"))
        for each in statements:
            await session.execute(text(each))
