"""Drafts become issued documents: numbered, written with their lines and VAT, posted, journalled. In bulk."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.importing import in_chunks
from billing.invoicing import numbering, parties, seals
from billing.invoicing.drafting import InvoiceDraft
from billing.invoicing.tables import Invoice, InvoiceLine, InvoiceVat, Sale
from billing.payments import ledger
from billing.store import journal
from billing.store.bulk import execute_many
from config.settings import Settings

_INVOICE, _LINE = cast(Table, Invoice.__table__), cast(Table, InvoiceLine.__table__)
_VAT, _SALE = cast(Table, InvoiceVat.__table__), cast(Table, Sale.__table__)


@dataclass(frozen=True, slots=True)
class Issued:
    """An invoice that has its number."""

    id: int
    number: str
    draft: InvoiceDraft


async def issue(
    session: AsyncSession,
    drafts: Sequence[InvoiceDraft],
    settings: Settings,
    *,
    issued_on: date,
    actor: str,
    now: datetime,
) -> list[Issued]:
    """Issues invoices in the caller's transaction, which holds `journal.lock`."""
    if not drafts:
        return []
    numbers = await numbering.take(session, settings.invoicing, "invoice", issued_on.year, len(drafts))
    seller = parties.seller_of(settings.isp)
    buyers = await parties.buyers_of(session, {draft.contract_id for draft in drafts}, settings.isp.country)
    kept = await parties.keep(session, [seller, *buyers.values()])
    due_on = issued_on + timedelta(days=settings.invoicing.due_days)
    await execute_many(
        session,
        insert(_INVOICE),
        [
            {
                "number": number,
                "contract_id": draft.contract_id,
                "issued_on": issued_on,
                "supplied_on": issued_on,
                "due_on": due_on,
                "kind": "invoice",
                "series_id": numbers.series_id,
                "total": draft.total,
                "open": draft.total,
                "base": draft.base,
                "vat": draft.vat,
                "seller_id": kept[seller],
                "buyer_id": kept[buyers[draft.contract_id]],
                "created_at": now,
            }
            for number, draft in zip(numbers.texts, drafts, strict=True)
        ],
    )
    ids = await _ids(session, numbers.texts)
    issued = [Issued(ids[n], n, draft) for n, draft in zip(numbers.texts, drafts, strict=True)]
    await _write_lines(session, issued)
    await _mark_sales(session, issued)
    await ledger.post_many(session, [_fact(one, issued_on) for one in issued], now)
    sealed = await seals.seals(session, numbers.texts)
    await journal.append_many(session, [_entry(one, sealed[one.number], actor, now) for one in issued])
    return issued


async def _ids(session: AsyncSession, numbers: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for chunk in in_chunks(list(numbers)):
        rows = await session.execute(select(Invoice.number, Invoice.id).where(Invoice.number.in_(chunk)))
        found |= {number: invoice_id for number, invoice_id in rows}  # noqa: C416 - rows, not pairs
    return found


async def _write_lines(session: AsyncSession, issued: Sequence[Issued]) -> None:
    lines = [_line(one, position) for one in issued for position in range(len(one.draft.lines))]
    await execute_many(session, insert(_LINE), lines)
    groups = [
        {
            "invoice_id": one.id,
            "vat_category": category,
            "vat_basis_points": points,
            "base": group.base,
            "vat": group.vat,
        }
        for one in issued
        for (category, points), group in one.draft.groups.items()
    ]
    await execute_many(session, insert(_VAT), groups)


def _line(one: Issued, position: int) -> dict[str, Any]:
    line = one.draft.lines[position]
    item = line.item
    return {
        "invoice_id": one.id,
        "position": position + 1,
        "text": item.text,
        "product_id": item.product_id,
        "service_id": item.service_id,
        "from_on": item.from_on,
        "until_on": item.until_on,
        "quantity": item.quantity,
        "unit_price": item.unit_price,
        "total": item.total,
        "base": line.split.base,
        "vat": line.split.vat,
        "vat_category": line.rate[0],
        "vat_basis_points": line.rate[1],
        "serial_number": item.serial_number,
        "corrects_line_id": None,
        "released_at": None,
    }


async def _mark_sales(session: AsyncSession, issued: Sequence[Issued]) -> None:
    """Each sale learns the line that invoices it."""
    sold = [
        {"of_sale": line.item.sale_id, "of_invoice": one.id, "of_position": position + 1}
        for one in issued
        for position, line in enumerate(one.draft.lines)
        if line.item.sale_id is not None
    ]
    if not sold:
        return
    line_id = (
        select(_LINE.c.id)
        .where(_LINE.c.invoice_id == bindparam("of_invoice"), _LINE.c.position == bindparam("of_position"))
        .scalar_subquery()
    )
    marking = update(_SALE).where(_SALE.c.id == bindparam("of_sale")).values(line_id=line_id)
    await execute_many(session, marking, sold)


def _fact(one: Issued, issued_on: date) -> ledger.MoneyFact:
    draft = one.draft
    return ledger.invoice_opened(
        number=one.number,
        contract_id=draft.contract_id,
        issued_on=issued_on,
        total=draft.total,
        open=draft.total,
        vat=draft.vat,
    )


def _entry(one: Issued, seal: str, actor: str, now: datetime) -> journal.Entry:
    detail = {"invoice": one.number, "total": one.draft.total, "lines": len(one.draft.lines), "seal": seal}
    return journal.Entry(now, actor, "invoice.issued", one.draft.contract_id, detail)
