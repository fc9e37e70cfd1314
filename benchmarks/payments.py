"""Matching a hundred thousand payments on SQLite: read open items, match, write, post, journal, commit.

Beside it: the very rows that this writes, put into an empty database by the bare `sqlite3` driver. What lies
between the two is the price of reading, the rules, the ledger's and the journal's promises, and SQLAlchemy.
"""

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import insert

from benchmarks.table import Row
from billing.customers.tables import Contract, Customer
from billing.invoicing.tables import Invoice
from billing.money import ZERO, Money
from billing.payments import ledger
from billing.payments.banks.statement import Statement, StatementLine
from billing.payments.importing import ImportReport, import_statements
from billing.store.engine import Store
from billing.store.schema_version import upgrade
from config.clock import monotonic_seconds

CONTRACTS = 20_000
PAYMENTS_EACH = INVOICES_EACH = 5
GOAL_SECONDS = 15.0

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TODAY = date(2026, 11, 20)
PRICE = Money(599_00)
WRITTEN = ("payment", "allocation", "ledger_transaction", "posting", "journal")


def run(scale: float = 1.0) -> list[Row]:
    contracts = max(10, int(CONTRACTS * scale))
    payments = contracts * PAYMENTS_EACH
    with tempfile.TemporaryDirectory() as folder:
        whole, bare = Path(folder, "whole.db"), Path(folder, "bare.db")
        first_seconds, again_seconds = asyncio.run(_import(whole, contracts))
        asyncio.run(upgrade(f"sqlite:///{bare}"))
        bare_seconds = _write_the_same_rows(whole, bare)
    ratio = first_seconds / bare_seconds
    name = f"import and match {payments:,} payments"
    return [
        Row(
            name=name,
            value=first_seconds,
            unit="s",
            beside=f"the rows alone, by sqlite3: {bare_seconds:.1f} s",
            ratio=ratio,
            goal=f"≤ {GOAL_SECONDS:.0f} s",
            is_met=first_seconds <= GOAL_SECONDS,
        ),
        Row(
            name="the same file again",
            value=again_seconds,
            unit="s",
            beside=f"the first time: {first_seconds:.1f} s",
            ratio=again_seconds / first_seconds,
            goal="faster",
            is_met=again_seconds < first_seconds,
        ),
    ]


async def _import(path: Path, contracts: int) -> tuple[float, float]:
    """Seconds of the first import, and of the same one again."""
    url = f"sqlite:///{path}"
    await upgrade(url)
    store = Store.open(url)
    await _add_invoices(store, contracts)
    statement = _statement(contracts)
    first, first_seconds = await _timed(store, statement)
    again, again_seconds = await _timed(store, statement)
    await store.close()
    payments = len(statement.lines)
    if (first.new, again.known) != (payments, payments):
        raise AssertionError(f"{first.new} payments were new and {again.known} known, not {payments}")
    return first_seconds, again_seconds


async def _timed(store: Store, statement: Statement) -> tuple[ImportReport, float]:
    began = monotonic_seconds()
    async with store.transaction() as session:
        report = await import_statements(session, [statement], "benchmark", NOW)
    return report, monotonic_seconds() - began


async def _add_invoices(store: Store, contracts: int) -> None:
    ids = range(1, contracts + 1)
    async with store.transaction() as session:
        await session.execute(insert(Customer), [{"id": i, "number": str(i), "name": "Jana"} for i in ids])
        await session.execute(insert(Contract), [{"id": i, "number": str(100_000 + i), "customer_id": i} for i in ids])
        invoices = [
            {
                "number": _invoice_number(i, n),
                "contract_id": i,
                "issued_on": TODAY,
                "due_on": TODAY,
                "total": PRICE,
                "open": PRICE,
                "created_at": NOW,
            }
            for i in ids
            for n in range(INVOICES_EACH)
        ]
        await session.execute(insert(Invoice), invoices)
        facts = [
            ledger.invoice_opened(number=_invoice_number(i, n), contract_id=i, issued_on=TODAY, total=PRICE, open=PRICE)
            for i in ids
            for n in range(INVOICES_EACH)
        ]
        await ledger.post_many(session, facts, NOW)


def _statement(contracts: int) -> Statement:
    """80 % name contract and invoice, 10 % the contract alone; the rest pays in part, too much, or is unknown."""
    lines = tuple(_line(number, contracts) for number in range(contracts * PAYMENTS_EACH))
    return Statement("2000123456/2010", "1", TODAY, TODAY, ZERO, Money.total(each.amount for each in lines), lines)


def _line(number: int, contracts: int) -> StatementLine:
    contract, invoice, kind = number % contracts + 1, number // contracts, number * 37 % 100
    amount = {90: Money(300_00), 91: Money(300_00), 92: Money(900_00), 93: Money(900_00)}.get(kind, PRICE)
    return StatementLine(
        f"fio-{10_000_000_000 + number}",
        TODAY,
        amount,
        variable_symbol=str(900_000 + contract) if kind >= 98 else str(100_000 + contract),
        specific_symbol=_invoice_number(contract, invoice) if kind < 80 else "",
        counter_account="1234567890/0800",
        message="internet",
    )


def _invoice_number(contract: int, n: int) -> str:
    return str(26_000_000 + contract * 10 + n)


def _write_the_same_rows(source: Path, target: Path) -> float:
    """Seconds in which the bare driver writes what the import wrote."""
    with closing(sqlite3.connect(source)) as reading:
        rows = {table: reading.execute(f"SELECT * FROM {table}").fetchall() for table in WRITTEN}
    # Postings can't be put into a sealed transaction; is_sealed is its last column.
    rows["ledger_transaction"] = [(*row[:-1], 0) for row in rows["ledger_transaction"]]
    with closing(sqlite3.connect(target, isolation_level=None)) as writing:
        writing.execute("PRAGMA synchronous = FULL")
        began = monotonic_seconds()
        writing.execute("BEGIN IMMEDIATE")
        for table, values in rows.items():
            marks = ", ".join("?" * len(values[0]))
            writing.executemany(f"INSERT INTO {table} VALUES ({marks})", values)
        writing.execute("COMMIT")
        return monotonic_seconds() - began
