"""A billing run of a hundred thousand contracts with two services each, on SQLite (`billing_run_postgres`: there).

Beside it: the very rows that the run writes, put into an empty database by the bare `sqlite3` driver, with all of
its triggers and indexes. What lies between is reading what is due, deciding, VAT, and SQLAlchemy. The run is made by
a process of its own, whose largest memory is told, too.
"""

import asyncio
import json
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import insert

from benchmarks.isp import count_on
from benchmarks.measuring import peak_memory_mb
from benchmarks.table import Row
from billing.customers.tables import Contract, Customer
from billing.invoicing.run import bill
from billing.money import Money
from billing.services.tables import Product, ProductPrice, Service
from billing.store.engine import Store
from billing.store.schema_version import upgrade
from config.clock import monotonic_seconds
from config.settings import parse
from daemon.garbage import collect_rarely

CONTRACTS = 100_000
RATIO_MAX = 3.0
MEMORY_MAX_MB = 400
NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
TODAY = date(2026, 11, 2)
# In the order in which the run writes them: a sealed ledger transaction takes no posting.
WRITTEN = (
    "party",
    "number_series",
    "invoice",
    "invoice_line",
    "invoice_vat",
    "ledger_transaction",
    "posting",
    "journal",
)


def run(scale: float = 1.0) -> list[Row]:
    contracts = max(50, int(CONTRACTS * scale))
    with tempfile.TemporaryDirectory() as folder:
        whole, bare = Path(folder, "whole.db"), Path(folder, "bare.db")
        asyncio.run(fill(f"sqlite:///{whole}", contracts))
        seconds, memory = billed(f"sqlite:///{whole}", contracts)
        asyncio.run(fill(f"sqlite:///{bare}", contracts))
        bare_seconds = _write_the_same_rows(whole, bare)
    return rows_of(contracts, "SQLite", seconds, memory, "sqlite3", bare_seconds)


def billed(url: str, contracts: int) -> tuple[float, float]:
    """Seconds and largest memory in MB of a run in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.billing_run", url]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    if told["invoices"] != contracts:
        raise RuntimeError(f"{told['invoices']} of {contracts} invoices")
    return told["seconds"], told["memory_mb"]


def rows_of(
    contracts: int, database: str, seconds: float, memory: float, driver: str, bare_seconds: float
) -> list[Row]:
    """The run beside its bare rows."""
    return [
        Row(
            name=f"billing run, {contracts:,} invoices of 2 lines, {database}",
            value=seconds,
            unit="s",
            beside=f"the rows alone, by {driver}: {bare_seconds:.1f} s",
            ratio=seconds / bare_seconds,
            goal=f"≤ {RATIO_MAX:.0f} ×",
            is_met=seconds <= RATIO_MAX * bare_seconds,
        ),
        Row(
            name="… its largest memory",
            value=memory,
            unit="MB",
            goal=f"≤ {MEMORY_MAX_MB} MB",
            is_met=memory <= MEMORY_MAX_MB,
        ),
    ]


async def fill(url: str, contracts: int) -> None:
    """Makes the database: contracts with two services each that are due."""
    await upgrade(url)
    store = Store.open(url)
    ids = range(1, contracts + 1)
    async with store.transaction() as session:
        products = [{"id": 1, "kind": "internet", "name": "Optika"}, {"id": 2, "kind": "insurance", "name": "Cover"}]
        await session.execute(insert(Product), products)
        prices = [
            {"product_id": n, "valid_from_on": date(2026, 1, 1), "price": Money(p)} for n, p in ((1, 59900), (2, 9900))
        ]
        await session.execute(insert(ProductPrice), prices)
        await session.execute(insert(Customer), [{"id": i, "number": f"C{i}", "name": f"S {i}"} for i in ids])
        await session.execute(insert(Contract), [{"id": i, "number": str(i), "customer_id": i} for i in ids])
        rows = [{"contract_id": i, "product_id": n, "starts_on": date(2026, 11, 1)} for i in ids for n in (1, 2)]
        await session.execute(insert(Service), rows)
        await count_on(session, [model.__table__ for model in (Product, Customer, Contract)])
    await store.close()


async def _bill(url: str) -> tuple[float, int]:
    store, settings, invoices = Store.open(url), parse('[isp]\nname = "ISP"'), 0
    began = monotonic_seconds()
    async for batch, _ in bill(store, settings, until_on=TODAY, now=NOW, actor="bench"):
        invoices += batch.invoices
    seconds = monotonic_seconds() - began
    await store.close()
    return seconds, invoices


def _write_the_same_rows(whole: Path, bare: Path) -> float:
    """Seconds that the bare driver needs for what the run wrote; reading it is not counted."""
    with closing(sqlite3.connect(whole)) as source, closing(sqlite3.connect(bare, isolation_level=None)) as target:
        target.execute("PRAGMA synchronous=FULL")
        seconds = 0.0
        target.execute("BEGIN IMMEDIATE")
        for table in WRITTEN:
            rows = source.execute(f"SELECT * FROM {table}").fetchall()
            if table == "ledger_transaction":
                rows = [(*row[:-1], 0) for row in rows]  # they begin unsealed
            places = ",".join("?" * len(rows[0]))
            began = monotonic_seconds()
            target.executemany(f"INSERT INTO {table} VALUES ({places})", rows)
            seconds += monotonic_seconds() - began
        began = monotonic_seconds()
        target.execute("UPDATE ledger_transaction SET is_sealed = 1")
        target.execute("UPDATE service SET billed_until_on = '2026-11-30'")
        target.execute("COMMIT")
        return seconds + monotonic_seconds() - began


if __name__ == "__main__":
    collect_rarely()  # as the command does
    took, made = asyncio.run(_bill(sys.argv[1]))
    print(json.dumps({"seconds": took, "invoices": made, "memory_mb": peak_memory_mb()}))
