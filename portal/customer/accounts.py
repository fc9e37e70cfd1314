"""What the portal shows of a customer's invoices and payments, read in a few queries, however many rows there are.

Every query starts from the customer's id: what belongs to somebody else can't be asked for.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from billing.customers.tables import Contract
from billing.invoicing.tables import Invoice, InvoiceLine
from billing.money import ZERO, Money
from billing.payments.tables import Allocation, Payment
from config.errors import NotFound

INVOICES_PER_PAGE = 60
"""Five years of months."""


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment's share of an invoice."""

    on: date
    amount: Money
    account: str
    is_credit_note: bool


@dataclass(frozen=True, slots=True)
class InvoiceView:
    """One invoice or credit note."""

    id: int
    number: str
    kind: str
    contract_number: str
    issued_on: date
    due_on: date
    total: Money
    open: Money
    text: str
    """Its lines, shortly."""
    has_document: bool
    """Issued by Hradlo, so there is a PDF."""
    paid: tuple[Paid, ...] = ()

    def is_overdue(self, today: date) -> bool:
        return self.open > ZERO and self.due_on < today


@dataclass(frozen=True, slots=True)
class PaymentView:
    """One payment that arrived."""

    booked_on: date
    amount: Money
    contract_number: str
    account: str
    unallocated: Money


async def years(session: AsyncSession, customer_id: int) -> list[int]:
    """The years in which there are invoices, the newest first."""
    year = func.extract("year", Invoice.issued_on)
    query = select(year).join(Contract, Contract.id == Invoice.contract_id).where(Contract.customer_id == customer_id)
    return sorted({int(found) for found in await session.scalars(query.distinct())}, reverse=True)


async def invoices(
    session: AsyncSession, customer_id: int, *, year: int | None = None, search: str = "", skip: int = 0
) -> tuple[list[InvoiceView], int]:
    """A page of invoices and credit notes, the newest first, each with what paid it; and how many there are."""
    query = _invoices_of(customer_id).order_by(Invoice.issued_on.desc(), Invoice.id.desc())
    if year is not None:
        query = query.where(Invoice.issued_on.between(date(year, 1, 1), date(year, 12, 31)))
    if wanted := search.strip():
        said = select(InvoiceLine.invoice_id).where(
            InvoiceLine.text.icontains(wanted, autoescape=True)
            | InvoiceLine.serial_number.icontains(wanted, autoescape=True)
        )
        query = query.where(Invoice.number.contains(wanted, autoescape=True) | Invoice.id.in_(said))
    count = await session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    rows = (await session.execute(query.offset(skip).limit(INVOICES_PER_PAGE))).all()
    ids = [row.id for row, _ in rows]
    paid, texts = await _paid(session, ids), await _texts(session, ids)
    return [_invoice(row, number, texts.get(row.id, ""), paid[row.id]) for row, number in rows], count


async def invoice(session: AsyncSession, customer_id: int, number: str) -> InvoiceView:
    """One of the customer's invoices; raises `NotFound` for anybody else's."""
    row = (await session.execute(_invoices_of(customer_id).where(Invoice.number == number))).first()
    if row is None:
        raise NotFound(f"There is no invoice {number}.", "")
    ids = [row[0].id]
    paid, texts = await _paid(session, ids), await _texts(session, ids)
    return _invoice(row[0], row[1], texts.get(row[0].id, ""), paid[row[0].id])


def _invoices_of(customer_id: int) -> Select[Invoice, str]:
    return (
        select(Invoice, Contract.number)
        .join(Contract, Contract.id == Invoice.contract_id)
        .where(Contract.customer_id == customer_id)
    )


def _invoice(row: Invoice, contract_number: str, text: str, paid: Sequence[Paid]) -> InvoiceView:
    return InvoiceView(
        id=row.id,
        number=row.number,
        kind=row.kind,
        contract_number=contract_number,
        issued_on=row.issued_on,
        due_on=row.due_on,
        total=row.total,
        open=row.open,
        text=text,
        has_document=row.series_id is not None,
        paid=tuple(paid),
    )


async def _paid(session: AsyncSession, invoice_ids: Sequence[int]) -> dict[int, list[Paid]]:
    note = aliased(Invoice)
    rows = await session.execute(
        select(Allocation, func.coalesce(Payment.booked_on, note.issued_on), Payment.counter_account)
        .outerjoin(Payment, Payment.id == Allocation.payment_id)
        .outerjoin(note, note.id == Allocation.credit_note_id)
        .where(Allocation.invoice_id.in_(invoice_ids), Allocation.reversed_at.is_(None))
        .order_by(Allocation.id)
    )
    found: dict[int, list[Paid]] = defaultdict(list)
    for share, on, account in rows:
        found[share.invoice_id].append(Paid(on, share.amount, account or "", share.payment_id is None))
    return found


async def _texts(session: AsyncSession, invoice_ids: Sequence[int]) -> dict[int, str]:
    rows = await session.execute(
        select(InvoiceLine.invoice_id, InvoiceLine.text, InvoiceLine.serial_number)
        .where(InvoiceLine.invoice_id.in_(invoice_ids))
        .order_by(InvoiceLine.invoice_id, InvoiceLine.position)
    )
    found: dict[int, list[str]] = defaultdict(list)
    for invoice_id, text, serial_number in rows:
        found[invoice_id].append(f"{text} ({serial_number})" if serial_number else text)
    return {invoice_id: ", ".join(texts) for invoice_id, texts in found.items()}


async def payments(
    session: AsyncSession, customer_id: int, limit: int, *, year: int | None = None
) -> list[PaymentView]:
    """The newest payments, of one year or of all."""
    query = (
        select(Payment.booked_on, Payment.amount, Contract.number, Payment.counter_account, Payment.unallocated)
        .join(Contract, Contract.id == Payment.contract_id)
        .where(Contract.customer_id == customer_id, Payment.state == "matched")
        .order_by(Payment.booked_on.desc(), Payment.id.desc())
        .limit(limit)
    )
    if year is not None:
        query = query.where(Payment.booked_on.between(date(year, 1, 1), date(year, 12, 31)))
    return [PaymentView(*row) for row in await session.execute(query)]
