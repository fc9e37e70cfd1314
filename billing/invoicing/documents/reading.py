"""Documents that Hradlo issued, read from the database as values."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from billing.customers.tables import Contract
from billing.importing import in_chunks
from billing.invoicing.documents.document import Document, Line, VatGroup
from billing.invoicing.parties import Snapshot
from billing.invoicing.tables import Invoice, InvoiceLine, InvoiceVat, Party
from billing.money import ZERO, Money
from billing.payments.tables import Allocation
from config.errors import NotFound


async def document_numbered(session: AsyncSession, number: str) -> Document:
    """One document as people ask for it.

    Raises `NotFound` where Hradlo issued none: what another program issued is there, not here.
    """
    issued = select(Invoice.id).where(Invoice.number == number, Invoice.series_id.is_not(None))
    invoice_id = await session.scalar(issued)
    if invoice_id is None:
        raise NotFound(f"Hradlo issued no document {number}.", "An invoice of another program is to be had there.")
    (document,) = await documents(session, [invoice_id])
    return document


async def documents(session: AsyncSession, invoice_ids: Sequence[int]) -> list[Document]:
    """Documents in the order of the ids; of ids of other programs' invoices nothing."""
    seller, buyer, corrected = aliased(Party), aliased(Party), aliased(Invoice)
    query = (
        select(Invoice, Contract.number, seller.content, buyer.content, corrected.number)
        .join(Contract, Contract.id == Invoice.contract_id)
        .join(seller, seller.id == Invoice.seller_id)
        .join(buyer, buyer.id == Invoice.buyer_id)
        .outerjoin(corrected, corrected.id == Invoice.corrects_id)
    )
    found: dict[int, Document] = {}
    for ids in in_chunks(list(invoice_ids)):
        lines, groups = await _lines(session, ids), await _vat_groups(session, ids)
        settled = await _settled(session, ids)
        for invoice, number, sold_by, bought_by, corrects in await session.execute(query.where(Invoice.id.in_(ids))):
            parties = Snapshot.read(sold_by), Snapshot.read(bought_by)
            found[invoice.id] = _document(
                invoice, number, parties, tuple(lines[invoice.id]), tuple(groups[invoice.id]), corrects or ""
            )
            found[invoice.id] = replace(found[invoice.id], settled=settled.get(invoice.id, ZERO))
    return [found[invoice_id] for invoice_id in invoice_ids if invoice_id in found]


def _document(
    invoice: Invoice,
    contract_number: str,
    parties: tuple[Snapshot, Snapshot],
    lines: tuple[Line, ...],
    vat_groups: tuple[VatGroup, ...],
    corrects_number: str,
) -> Document:
    seller, buyer = parties
    return Document(
        kind="credit_note" if invoice.kind == "credit_note" else "invoice",
        number=invoice.number,
        contract_number=contract_number,
        issued_on=invoice.issued_on,
        supplied_on=invoice.supplied_on or invoice.issued_on,
        due_on=invoice.due_on,
        seller=seller.party,
        buyer=buyer.party,
        lines=lines,
        vat_groups=vat_groups,
        base=invoice.base,
        vat=invoice.vat,
        total=invoice.total,
        currency=seller.currency,
        language=buyer.language,
        iban=seller.iban,
        bic=seller.bic,
        corrects_number=corrects_number,
        why=invoice.why,
    )


async def _lines(session: AsyncSession, invoice_ids: Sequence[int]) -> dict[int, list[Line]]:
    found: dict[int, list[Line]] = defaultdict(list)
    query = select(InvoiceLine).where(InvoiceLine.invoice_id.in_(invoice_ids))
    for row in await session.scalars(query.order_by(InvoiceLine.invoice_id, InvoiceLine.position)):
        found[row.invoice_id].append(
            Line(
                text=row.text,
                quantity=row.quantity,
                unit_price=row.unit_price,
                total=row.total,
                base=row.base,
                vat=row.vat,
                vat_category=row.vat_category,
                vat_basis_points=row.vat_basis_points,
                from_on=row.from_on,
                until_on=row.until_on,
                serial_number=row.serial_number,
            )
        )
    return found


async def _settled(session: AsyncSession, invoice_ids: Sequence[int]) -> dict[int, Money]:
    """What credit paid in the transaction that issued each: the same for ever, as shares stay even when taken back."""
    shares = (
        select(Allocation.invoice_id, func.sum(Allocation.amount))
        .join(Invoice, Invoice.id == Allocation.invoice_id)
        .where(Allocation.invoice_id.in_(invoice_ids), Allocation.at == Invoice.created_at)
        .group_by(Allocation.invoice_id)
    )
    return {invoice_id: amount for invoice_id, amount in await session.execute(shares)}  # noqa: C416 - rows, not pairs


async def _vat_groups(session: AsyncSession, invoice_ids: Sequence[int]) -> dict[int, list[VatGroup]]:
    found: dict[int, list[VatGroup]] = defaultdict(list)
    query = select(InvoiceVat).where(InvoiceVat.invoice_id.in_(invoice_ids))
    for row in await session.scalars(query.order_by(InvoiceVat.vat_basis_points.desc(), InvoiceVat.vat_category)):
        found[row.invoice_id].append(VatGroup(row.vat_category, row.vat_basis_points, row.base, row.vat))
    return found
