"""Credit notes: an issued invoice is never edited; what was wrong with it is given back by a document of its own.

A credit note gives back whole lines of one invoice, each mirrored exactly (base, VAT and total with the sign
turned), so the sum of both is zero to the haléř. What it gives lowers the invoice; what that no longer needs is
credit of the contract (`payments.apply_credit_note`). A line is given back once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoicing import numbering, parties, seals
from billing.invoicing.tables import Invoice, InvoiceLine, InvoiceVat
from billing.invoicing.vat import Rate, Split
from billing.money import Money
from billing.payments.operations import apply_credit_note
from billing.services.tables import Service
from billing.store import journal
from config.days import day_of
from config.errors import NotAllowed, NotFound
from config.settings import Settings


@dataclass(frozen=True, slots=True)
class CreditNote:
    """What was given back."""

    id: int
    number: str
    total: Money
    """Negative."""


async def credit(
    session: AsyncSession,
    invoice_number: str,
    settings: Settings,
    *,
    positions: Sequence[int] = (),
    bills_again: bool = False,
    why: str,
    actor: str,
    now: datetime,
) -> CreditNote:
    """Gives back lines of an invoice (all that are left, or those at `positions`).

    `bills_again` releases their periods, so that the next billing run invoices them anew; only the last invoiced
    period of a service can be. Raises `NotFound`, or `NotAllowed` when there is nothing (left) to give back.
    """
    await journal.lock(session)
    invoice, lines = await _to_correct(session, invoice_number, positions)
    issued_on = day_of(now, settings.zone)
    numbers = await numbering.take(session, settings.invoicing, "credit_note", issued_on.year, 1)
    note_id = await _write(session, invoice, lines, numbers, settings, issued_on, why, now)
    if bills_again:
        await _release(session, lines, now)
    total = -Money.total(line.total for line in lines)
    await journal.append(
        session,
        at=now,
        actor=actor,
        action="credit_note.issued",
        contract_id=invoice.contract_id,
        detail={
            "credit_note": numbers.texts[0],
            "invoice": invoice.number,
            "total": total,
            "bills_again": bills_again,
            "seal": (await seals.seals(session, numbers.texts))[numbers.texts[0]],
        },
        why=why,
    )
    await apply_credit_note(session, note_id, now)
    return CreditNote(note_id, numbers.texts[0], total)


async def _to_correct(
    session: AsyncSession, number: str, positions: Sequence[int]
) -> tuple[Invoice, Sequence[InvoiceLine]]:
    invoice = await session.scalar(select(Invoice).where(Invoice.number == number.lstrip("0")))
    if invoice is None:
        raise NotFound(f"There is no invoice {number}.", "`hradlo show CONTRACT` lists a contract's invoices.")
    if invoice.series_id is None or invoice.kind != "invoice":
        raise NotAllowed(f"{number} is no invoice that Hradlo issued.", "Correct it in the program that issued it.")
    corrected = select(InvoiceLine.corrects_line_id).where(InvoiceLine.corrects_line_id.is_not(None))
    query = select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id, InvoiceLine.id.not_in(corrected))
    left = (await session.scalars(query.order_by(InvoiceLine.position))).all()
    chosen = [line for line in left if not positions or line.position in positions]
    missing = sorted(set(positions) - {line.position for line in chosen})
    if missing or not any(line.total for line in chosen):
        what = (
            f"lines {', '.join(map(str, missing))} of invoice {number}" if missing else f"anything of invoice {number}"
        )
        raise NotAllowed(f"There is no giving back {what}: no such line, given back already, or free.")
    return invoice, chosen


async def _write(
    session: AsyncSession,
    invoice: Invoice,
    lines: Sequence[InvoiceLine],
    numbers: numbering.Numbers,
    settings: Settings,
    issued_on: date,
    why: str,
    now: datetime,
) -> int:
    groups = _groups(lines)
    seller = parties.seller_of(settings.isp)
    kept = await parties.keep(session, [seller])
    note = Invoice(
        number=numbers.texts[0],
        contract_id=invoice.contract_id,
        issued_on=issued_on,
        supplied_on=issued_on,
        due_on=issued_on,
        kind="credit_note",
        series_id=numbers.series_id,
        total=-Money.total(line.total for line in lines),
        open=Money(),
        base=Money.total(group.base for group in groups.values()),
        vat=Money.total(group.vat for group in groups.values()),
        corrects_id=invoice.id,
        seller_id=kept[seller],
        buyer_id=invoice.buyer_id,
        why=why,
        created_at=now,
    )
    session.add(note)
    await session.flush()
    session.add_all(_mirrored(note.id, position, line) for position, line in enumerate(lines, 1))
    rows = [
        {"invoice_id": note.id, "vat_category": c, "vat_basis_points": points, "base": group.base, "vat": group.vat}
        for (c, points), group in groups.items()
    ]
    await session.execute(insert(InvoiceVat), rows)
    await session.flush()
    return note.id


def _groups(lines: Sequence[InvoiceLine]) -> dict[Rate, Split]:
    """The mirrored lines' sums by rate."""
    groups: dict[Rate, Split] = {}
    for line in lines:
        rate = line.vat_category, line.vat_basis_points
        before = groups.get(rate, Split(Money(), Money()))
        groups[rate] = Split(before.base - line.base, before.vat - line.vat)
    return groups


def _mirrored(note_id: int, position: int, line: InvoiceLine) -> InvoiceLine:
    return InvoiceLine(
        invoice_id=note_id,
        position=position,
        text=line.text,
        product_id=line.product_id,
        from_on=line.from_on,
        until_on=line.until_on,
        quantity=line.quantity,
        unit_price=-line.unit_price,
        total=-line.total,
        base=-line.base,
        vat=-line.vat,
        vat_category=line.vat_category,
        vat_basis_points=line.vat_basis_points,
        serial_number=line.serial_number,
        corrects_line_id=line.id,
    )


async def _release(session: AsyncSession, lines: Sequence[InvoiceLine], now: datetime) -> None:
    """Lets periods be invoiced anew: each service goes back to the day before the period."""
    for line in sorted(lines, key=lambda each: each.until_on or date.min, reverse=True):
        if line.service_id is None or line.from_on is None:
            continue
        service = await session.get_one(Service, line.service_id, populate_existing=True)
        if service.billed_until_on != line.until_on:
            raise NotAllowed(
                f"{line.text} is invoiced until {service.billed_until_on}: the period {line.from_on} to "
                f"{line.until_on} can't be invoiced again alone.",
                "Give later periods back first, or leave out --bill-again.",
            )
        before = await _billed_before(session, line)
        await session.execute(update(Service).where(Service.id == service.id).values(billed_until_on=before))
        await session.execute(update(InvoiceLine).where(InvoiceLine.id == line.id).values(released_at=now))


async def _billed_before(session: AsyncSession, line: InvoiceLine) -> date | None:
    """Until when the service was invoiced before this period; None: it was its first."""
    service = await session.get_one(Service, line.service_id)
    assert line.from_on is not None
    return None if line.from_on <= service.starts_on else date.fromordinal(line.from_on.toordinal() - 1)
