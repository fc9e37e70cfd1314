"""One issued document by its number, as people ask for it."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoicing import operations
from billing.invoicing.documents.document import Document
from billing.invoicing.tables import Invoice
from config.errors import NotFound


async def document_numbered(session: AsyncSession, number: str) -> Document:
    """Raises `NotFound` where Hradlo issued none: what another program issued is there, not here."""
    issued = select(Invoice.id).where(Invoice.number == number, Invoice.series_id.is_not(None))
    invoice_id = await session.scalar(issued)
    if invoice_id is None:
        raise NotFound(f"Hradlo issued no document {number}.", "An invoice of another program is to be had there.")
    (document,) = await operations.documents(session, [invoice_id])
    return document
