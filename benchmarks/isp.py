"""A whole ISP in a database, as the engine would have left it: every contract in a stage, nothing to be done.

The rows are written in bulk, because 100,000 customers by way of CSV files would take longer than what is measured.
That they fit together is not believed but seen: whoever fills a database asserts that a round finds no news.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from ipaddress import IPv4Address
from typing import Any

from sqlalchemy import Table, insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract, Customer
from billing.dunning.facts import Stage
from billing.dunning.tables import AcknowledgedInvoice, Acknowledgement, Line, Notice, Reminder, Standing
from billing.invoicing.tables import Invoice
from billing.money import Money
from billing.payments import ledger
from billing.services.tables import Product, Service, ServiceAddress
from billing.store import journal
from billing.store.engine import Store
from billing.store.schema_version import upgrade
from config.setting_types import MAIN_SITE

PRICE = Money(599_00)
WHY = {Stage.NOTICE: "ripe", Stage.ACKNOWLEDGED: "acknowledged", Stage.SUSPENDED: "grace_over"}
DAYS_OVERDUE = {Stage.CLEAR: -7, Stage.NOTICE: 15, Stage.SUSPENDED: 60}
"""A notice is a day old: its mail is not due yet."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One contract with one address and one invoice."""

    id: int
    stage: Stage
    address: str
    site: str = MAIN_SITE

    @property
    def contract_number(self) -> str:
        return str(100_000 + self.id)

    @property
    def invoice_number(self) -> str:
        return str(26_000_000 + self.id)

    def due_on(self, today: date) -> date:
        return today - timedelta(days=DAYS_OVERDUE[self.stage])


def subscribers(stages: Sequence[Stage], first_address: IPv4Address) -> list[Subscriber]:
    """One for each stage, with addresses one after the other."""
    return [Subscriber(i, stage, str(first_address + i)) for i, stage in enumerate(stages, start=1)]


async def fill(url: str, everybody: Sequence[Subscriber], now: datetime) -> None:
    """Makes the database, with everything that is true about these subscribers."""
    await upgrade(url)
    store = Store.open(url)
    rows: dict[Any, list[dict[str, Any]]] = {}
    for table, row in _rows(everybody, now):
        rows.setdefault(table, []).append(row)
    async with store.transaction() as session:
        for table, of_table in rows.items():
            await session.execute(insert(table), of_table)
        await _write_books(session, everybody, now)
        await count_on(session, list(rows))
    await store.close()


async def count_on(session: AsyncSession, tables: Sequence[Table]) -> None:
    """PostgreSQL does not see that ids were given by hand: it would give them again."""
    if session.get_bind().dialect.name != "postgresql":
        return
    for name in [table.name for table in tables if "id" in table.c]:
        newest = f"(SELECT max(id) FROM {name})"
        await session.execute(text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), {newest})"))


def _rows(everybody: Sequence[Subscriber], now: datetime) -> Iterator[tuple[Table, dict[str, Any]]]:
    yield _table(Product), {"id": 1, "kind": "internet", "name": "Fiber"}
    for one in everybody:
        due_on, issued_on = one.due_on(now.date()), one.due_on(now.date()) - timedelta(days=14)
        mine = {"contract_id": one.id}
        yield (
            _table(Customer),
            {"id": one.id, "number": f"C{one.id}", "name": "Jana Nováková", "email": "j@isp.example"},
        )
        yield _table(Contract), {"id": one.id, "number": one.contract_number, "customer_id": one.id}
        yield _table(Service), {"id": one.id, **mine, "product_id": 1, "starts_on": date(2024, 1, 1)}
        yield _table(ServiceAddress), {"service_id": one.id, "site": one.site, "network": one.address}
        invoice = {"id": one.id, "number": one.invoice_number, "issued_on": issued_on, "due_on": due_on}
        yield _table(Invoice), {**invoice, **mine, "total": PRICE, "open": PRICE, "created_at": now}
        if one.stage is not Stage.CLEAR:
            yield from _history(one, due_on, now)


def _history(one: Subscriber, due_on: date, now: datetime) -> Iterator[tuple[Table, dict[str, Any]]]:
    """What the engine wrote on the way to this stage."""
    mine, since_at = {"contract_id": one.id}, now - timedelta(days=1)
    for days in (3, 10):
        written_at = now - timedelta(days=(now.date() - due_on).days - days)
        yield _table(Reminder), {**mine, "anchor_invoice_id": one.id, "after_days": days, "at": written_at}
    opened_at = now - timedelta(days=(now.date() - due_on).days - 14)
    yield _table(Notice), {"id": one.id, **mine, "opened_at": opened_at}
    yield (
        _table(Standing),
        {**mine, "stage": one.stage.value, "why": WHY[one.stage], "since_at": since_at, "parked_why": ""},
    )
    yield _table(Line), {**mine, "site": one.site, "state": one.stage.line, "since_at": since_at}
    if one.stage is Stage.SUSPENDED:
        read = {"at": opened_at + timedelta(days=1), "source_address": one.address, "language": "cs", "text": ""}
        yield _table(Acknowledgement), {"id": one.id, "notice_id": one.id, **read, "token_sha256": str(one.id)}
        yield _table(AcknowledgedInvoice), {"acknowledgement_id": one.id, "invoice_id": one.id, "open": PRICE}


async def _write_books(session: AsyncSession, everybody: Sequence[Subscriber], now: datetime) -> None:
    """Ledger and journal, by their own functions."""
    facts = [
        ledger.invoice_opened(
            number=one.invoice_number, contract_id=one.id, issued_on=now.date(), total=PRICE, open=PRICE
        )
        for one in everybody
    ]
    await ledger.post_many(session, facts, now)
    entries = [
        journal.Entry(now, "benchmark", "invoice.imported", one.id, {"number": one.invoice_number}) for one in everybody
    ]
    await journal.append_many(session, entries)


def _table(model: Any) -> Table:
    found: Table = model.__table__
    return found


def count(everybody: Sequence[Subscriber]) -> Counter[Stage]:
    return Counter(one.stage for one in everybody)
