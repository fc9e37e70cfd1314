"""Rows of a store for the tests of dunning: contracts, invoices, notices."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract, Customer
from billing.dunning.facts import InvoiceFact
from billing.dunning.tables import Notice, Standing
from billing.invoicing.tables import Invoice
from tests.billing.dunning.examples import prague

MADE_AT = prague("2026-02-16 12:00")


async def add_contracts(session: AsyncSession, count: int, email: str = "jana@isp.example") -> None:
    """Contracts with the ids 1 to `count` and the numbers from 1001 on, each of a customer of its own."""
    ids = range(1, count + 1)
    await session.execute(
        insert(Customer), [{"id": i, "number": str(1000 + i), "name": f"Jana {i}", "email": email} for i in ids]
    )
    await session.execute(insert(Contract), [{"id": i, "number": str(1000 + i), "customer_id": i} for i in ids])


async def add_invoices(session: AsyncSession, contract_id: int, invoices: Sequence[InvoiceFact]) -> None:
    rows = [
        {
            "id": invoice.id,
            "number": invoice.number,
            "contract_id": contract_id,
            "issued_on": invoice.issued_on,
            "due_on": invoice.due_on,
            "total": invoice.total,
            "open": invoice.open,
            "created_at": MADE_AT,
        }
        for invoice in invoices
    ]
    await session.execute(insert(Invoice), rows)


async def add_notice(session: AsyncSession, contract_id: int, opened_at: datetime, *, is_closed: bool = False) -> int:
    closed_at = opened_at + timedelta(hours=1) if is_closed else None
    notice = Notice(contract_id=contract_id, opened_at=opened_at, closed_at=closed_at)
    session.add(notice)
    await session.flush()
    return notice.id


async def add_standing(session: AsyncSession, contract_id: int, stage: str, parked_why: str = "") -> None:
    session.add(Standing(contract_id=contract_id, stage=stage, why="", since_at=MADE_AT, parked_why=parked_why))
    await session.flush()
