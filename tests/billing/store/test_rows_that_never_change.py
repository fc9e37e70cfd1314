"""What the database itself refuses, whoever asks: the ledger once sealed, and acknowledgements."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract, Customer
from billing.dunning.tables import AcknowledgedInvoice, Acknowledgement, Notice
from billing.invoicing.tables import Invoice
from billing.money import Money
from billing.payments.tables import LedgerTransaction, Posting
from billing.store.engine import Store

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
TODAY = date(2026, 3, 2)


async def transaction(session: AsyncSession, *amounts: int) -> int:
    fact = LedgerTransaction(key="a", kind="invoice", effective_on=TODAY, created_at=NOW)
    session.add(fact)
    await session.flush()
    session.add_all(Posting(transaction_id=fact.id, account="receivable", amount=Money(n)) for n in amounts)
    await session.flush()
    return fact.id


async def run(store: Store, statement: str) -> None:
    async with store.transaction() as session:
        await session.execute(text(statement))


SEAL = "UPDATE ledger_transaction SET is_sealed = TRUE"


@pytest.fixture
async def sealed_store(each_store: Store) -> Store:
    async with each_store.transaction() as session:
        await transaction(session, 100, -60, -40)
        await session.execute(text(SEAL))
    return each_store


@pytest.mark.parametrize("amounts", [(), (100,), (100, -99), (100, -60, -41)])
async def test_a_transaction_that_does_not_sum_to_zero_can_not_be_sealed(
    each_store: Store, amounts: tuple[int]
) -> None:
    async with each_store.transaction() as session:
        await transaction(session, *amounts)

    with pytest.raises(DBAPIError, match="must sum to zero"):
        await run(each_store, SEAL)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "INSERT INTO posting (transaction_id, account, amount) SELECT id, 'x', 1 FROM ledger_transaction",
            "takes no posting",
        ),
        ("UPDATE posting SET amount = 1", "posting rows are never changed"),
        ("DELETE FROM posting", "posting rows are never changed"),
        ("UPDATE ledger_transaction SET is_sealed = FALSE", "only ever sealed"),
        ("UPDATE ledger_transaction SET kind = 'x'", "only ever sealed"),
        (SEAL, "only ever sealed"),
        ("DELETE FROM ledger_transaction", "never"),
    ],
)
async def test_a_sealed_transaction_is_left_alone(sealed_store: Store, statement: str, message: str) -> None:
    with pytest.raises(DBAPIError, match=message):
        await run(sealed_store, statement)


@pytest.mark.parametrize("column", ["key = 'b'", "kind = 'b'", "effective_on = '2026-01-01'"])
async def test_sealing_changes_nothing_else(each_store: Store, column: str) -> None:
    async with each_store.transaction() as session:
        await transaction(session, 100, -100)

    with pytest.raises(DBAPIError, match="only ever sealed"):
        await run(each_store, f"{SEAL}, {column}")


async def test_a_transaction_can_not_begin_sealed(each_store: Store) -> None:
    with pytest.raises(DBAPIError, match="begins unsealed"):
        async with each_store.transaction() as session:
            session.add(LedgerTransaction(key="a", kind="x", effective_on=TODAY, created_at=NOW, is_sealed=True))


@pytest.fixture
async def acknowledged_store(each_store: Store) -> Store:
    async with each_store.transaction() as session:
        customer = Customer(number="1", name="Jana")
        session.add(customer)
        await session.flush()
        contract = Contract(number="1", customer_id=customer.id)
        session.add(contract)
        await session.flush()
        notice = Notice(contract_id=contract.id, opened_at=NOW)
        dates = {"issued_on": TODAY, "due_on": TODAY, "created_at": NOW}
        invoice = Invoice(number="1", contract_id=contract.id, total=Money(5), open=Money(5), **dates)
        session.add_all([notice, invoice])
        await session.flush()
        read = Acknowledgement(
            notice_id=notice.id, at=NOW, source_address="10.0.0.1", language="cs", text="Dlužíte", token_sha256="0"
        )
        session.add(read)
        await session.flush()
        session.add(AcknowledgedInvoice(acknowledgement_id=read.id, invoice_id=invoice.id, open=Money(5)))
    return each_store


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE acknowledgement SET text = ''",
        "DELETE FROM acknowledgement",
        "UPDATE acknowledged_invoice SET open = 9",
        "DELETE FROM acknowledged_invoice",
    ],
)
async def test_an_acknowledgement_stays_as_it_was_given(acknowledged_store: Store, statement: str) -> None:
    with pytest.raises(DBAPIError, match="never changed or deleted"):
        await run(acknowledged_store, statement)


@pytest.mark.postgres
@pytest.mark.parametrize("table", ["journal", "posting", "ledger_transaction", "acknowledgement"])
async def test_postgresql_refuses_to_empty_a_table(postgres_url: str, table: str) -> None:
    store = Store.open(postgres_url)

    with pytest.raises(DBAPIError, match="is never emptied"):
        await run(store, f"TRUNCATE {table} CASCADE")
    await store.close()
