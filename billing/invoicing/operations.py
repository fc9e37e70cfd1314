"""Invoices that another program issued come in here, and into the ledger."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract
from billing.importing import Report, Sheet, in_chunks
from billing.invoicing import numbering
from billing.invoicing.rules import InvoiceRow, file_open_is_news, oddity
from billing.invoicing.tables import Invoice
from billing.money import ZERO, Money
from billing.payments import ledger
from billing.payments.operations import use_credit
from billing.payments.tables import Allocation
from billing.store import journal
from billing.store.bulk import execute_many
from config.errors import Problem


@dataclass(frozen=True, slots=True)
class _Stored:
    """An invoice as it is in the database."""

    id: int
    contract_number: str
    issued_on: date
    due_on: date
    total: Money
    open: Money
    allocated: Money


async def import_invoices(
    session: AsyncSession, sheet: Sheet[InvoiceRow], *, actor: str, today: date, now: datetime
) -> Report:
    """Adds and changes invoices as the file says, posts them, and pays new ones from their contract's credit.

    What is odd (negative, due before issued) is taken and named in `warnings`. The open amount of an invoice
    that Hradlo matched payments with is Hradlo's: a file that knows another one is refused. Raises
    `InputRejected` with every problem of the file. Invoices that are not in it stay as they are.
    """
    await journal.lock(session)
    contracts = await _contract_ids(session, sheet)
    stored = await _stored(session, sheet)
    _refuse_impossible(sheet, contracts, stored)
    await _refuse_our_numbers(session, sheet, stored)
    sheet.require_good()
    new = [row for row in sheet.rows if row.number not in stored]
    changed = [row for row in sheet.rows if row.number in stored and _is_changed(row, stored[row.number])]
    await _add(session, new, contracts, now)
    await _change(session, changed, stored, contracts, today, now)
    await _note(session, new, changed, contracts, actor, now)
    await use_credit(session, {contracts[row.contract_number] for row in (*new, *changed)}, today, now)
    warnings = tuple(Problem(f"line {row.line}", text) for row in sheet.rows if (text := oddity(row)))
    return Report(len(new), len(changed), len(sheet.rows) - len(new) - len(changed), warnings)


async def _contract_ids(session: AsyncSession, sheet: Sheet[InvoiceRow]) -> dict[str, int]:
    found: dict[str, int] = {}
    for numbers in in_chunks(sorted({row.contract_number for row in sheet.rows})):
        rows = await session.execute(select(Contract.number, Contract.id).where(Contract.number.in_(numbers)))
        found |= {row[0]: row[1] for row in rows}
    return found


async def _stored(session: AsyncSession, sheet: Sheet[InvoiceRow]) -> dict[str, _Stored]:
    allocated = (
        select(Allocation.invoice_id, func.sum(Allocation.amount).label("amount"))
        .where(Allocation.reversed_at.is_(None))
        .group_by(Allocation.invoice_id)
        .subquery()
    )
    query = (
        select(
            Invoice.number,
            Invoice.id,
            Contract.number,
            Invoice.issued_on,
            Invoice.due_on,
            Invoice.total,
            Invoice.open,
            allocated.c.amount,
        )
        .join(Contract, Contract.id == Invoice.contract_id)
        .outerjoin(allocated, allocated.c.invoice_id == Invoice.id)
    )
    found: dict[str, _Stored] = {}
    for numbers in in_chunks([row.number for row in sheet.rows]):
        for row in await session.execute(query.where(Invoice.number.in_(numbers))):
            found[row[0]] = _Stored(row[1], row[2], row[3], row[4], row[5], row[6], row[7] or ZERO)
    return found


def _refuse_impossible(sheet: Sheet[InvoiceRow], contracts: Mapping[str, int], stored: Mapping[str, _Stored]) -> None:
    for row in sheet.rows:
        if row.contract_number not in contracts:
            message = f"there is no contract {row.contract_number}: import services first"
            sheet.refuse(row.line, "contract_number", message)
        before = stored.get(row.number)
        if before is None:
            continue
        if before.contract_number != row.contract_number:
            message = f"invoice {row.number} belongs to contract {before.contract_number}; an invoice never moves"
            sheet.refuse(row.line, "contract_number", message)
        if before.allocated and file_open_is_news(row.open, before.open, before.allocated):
            sheet.refuse(
                row.line,
                "open",
                f"is {row.open}, but {before.open} is open: Hradlo matched payments of {before.allocated} with "
                f"invoice {row.number}. Write {before.open}",
            )


async def _refuse_our_numbers(session: AsyncSession, sheet: Sheet[InvoiceRow], stored: Mapping[str, _Stored]) -> None:
    """What Hradlo issued never changes, and what it will issue must be free; an export may well repeat the former."""
    ours = await numbering.series_of(session, [row.number for row in sheet.rows])
    for row in sheet.rows:
        if row.number in ours and (row.number not in stored or _is_changed(row, stored[row.number])):
            sheet.refuse(row.line, "number", f"{row.number} is of Hradlo's own {ours[row.number]}")


def _is_changed(row: InvoiceRow, before: _Stored) -> bool:
    same_facts = (row.issued_on, row.due_on, row.total) == (before.issued_on, before.due_on, before.total)
    return not same_facts or _open_after(row, before) != before.open


def _open_after(row: InvoiceRow, before: _Stored) -> Money:
    return row.open if file_open_is_news(row.open, before.open, before.allocated) else before.open


async def _add(session: AsyncSession, rows: Sequence[InvoiceRow], contracts: Mapping[str, int], now: datetime) -> None:
    for chunk in in_chunks(rows):
        values = [
            {
                "number": row.number,
                "contract_id": contracts[row.contract_number],
                "issued_on": row.issued_on,
                "due_on": row.due_on,
                "total": row.total,
                "open": row.open,
                "created_at": now,
            }
            for row in chunk
        ]
        await execute_many(session, insert(Invoice), values)
        facts = [
            ledger.invoice_opened(
                number=row.number,
                contract_id=contracts[row.contract_number],
                issued_on=row.issued_on,
                total=row.total,
                open=row.open,
            )
            for row in chunk
        ]
        await ledger.post_many(session, facts, now)


async def _change(
    session: AsyncSession,
    rows: Sequence[InvoiceRow],
    stored: Mapping[str, _Stored],
    contracts: Mapping[str, int],
    today: date,
    now: datetime,
) -> None:
    if not rows:
        return
    table = Invoice.__table__
    columns = ("issued_on", "due_on", "total", "open")
    changing = (
        update(table)  # type: ignore[arg-type]
        .where(table.c.id == bindparam("of_id"))
        .values({name: bindparam(f"to_{name}") for name in columns})
    )
    values: list[dict[str, Any]] = [
        {
            "of_id": stored[row.number].id,
            "to_issued_on": row.issued_on,
            "to_due_on": row.due_on,
            "to_total": row.total,
            "to_open": _open_after(row, stored[row.number]),
        }
        for row in rows
    ]
    await execute_many(session, changing, values)
    facts = [_difference(row, stored[row.number], contracts[row.contract_number], today, now) for row in rows]
    await ledger.post_many(session, facts, now)


def _difference(row: InvoiceRow, before: _Stored, contract_id: int, today: date, now: datetime) -> ledger.MoneyFact:
    """What a correction of an invoice's amounts means for the ledger; nothing when only dates changed."""
    more_open = _open_after(row, before) - before.open
    more_total = row.total - before.total
    # The instant belongs to the key: a correction there, back and there again is three facts.
    change = f"{before.total} {before.open} {row.total} {row.open} {now.isoformat()}"
    return ledger.MoneyFact(
        key=f"invoice:{row.number}:corrected:{hashlib.sha256(change.encode()).hexdigest()[:16]}",
        kind="invoice",
        effective_on=today,
        sides=(
            ledger.Side(ledger.RECEIVABLE, more_open, contract_id),
            ledger.Side(ledger.OPENING, more_total - more_open, contract_id),
            ledger.Side(ledger.REVENUE, -more_total),
        ),
    )


async def _note(
    session: AsyncSession,
    new: Sequence[InvoiceRow],
    changed: Sequence[InvoiceRow],
    contracts: Mapping[str, int],
    actor: str,
    now: datetime,
) -> None:
    entries = [
        journal.Entry(
            now,
            actor,
            "invoice.imported",
            contracts[row.contract_number],
            {"invoice": row.number, "change": change, "due_on": row.due_on, "total": row.total, "file_open": row.open},
        )
        for change, rows in (("added", new), ("changed", changed))
        for row in rows
    ]
    await journal.append_many(session, entries)
