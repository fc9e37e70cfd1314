"""The seal of an issued document: one hash of all that it says, in the journal's entry of its issue.

Triggers refuse to change what is issued, but whoever has the database's file can drop them. The entry they can't
change unseen: the journal is a chain. So `hradlo audit verify` reckons each seal anew from the rows, and looks for
documents that no entry tells of: entries may have been cut off at the journal's end, where a chain shows no gap.

A seal covers what a document says, which is what the triggers protect: all of its row but `open` and `credit`, its
lines but `released_at`, its VAT, and the hashes of its parties (`payments.invariants` holds them against the parties).
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased
from sqlalchemy.types import NULLTYPE

from billing.importing import in_chunks
from billing.invoicing.tables import Invoice, InvoiceLine, InvoiceVat, Party
from billing.store.tables import JournalEntry
from config.errors import Problem

Column = InstrumentedAttribute[Any]

NUMBER_OF = {"invoice.issued": "invoice", "credit_note.issued": "credit_note"}
"""Where in the detail of an entry the document's number stands, by its action."""
_DOCUMENTS_AT_ONCE = 1000
# Named one by one: a column that is added some day must not break the seals that are there.
_OF_DOCUMENT = (
    Invoice.contract_id,
    Invoice.kind,
    Invoice.issued_on,
    Invoice.supplied_on,
    Invoice.due_on,
    Invoice.total,
    Invoice.base,
    Invoice.vat,
    Invoice.corrects_id,
    Invoice.why,
)
_OF_LINE = (
    InvoiceLine.position,
    InvoiceLine.text,
    InvoiceLine.product_id,
    InvoiceLine.service_id,
    InvoiceLine.from_on,
    InvoiceLine.until_on,
    InvoiceLine.quantity,
    InvoiceLine.unit_price,
    InvoiceLine.total,
    InvoiceLine.base,
    InvoiceLine.vat,
    InvoiceLine.vat_category,
    InvoiceLine.vat_basis_points,
    InvoiceLine.serial_number,
    InvoiceLine.corrects_line_id,
)
_OF_VAT = (InvoiceVat.vat_category, InvoiceVat.vat_basis_points, InvoiceVat.base, InvoiceVat.vat)
_ISSUED = Invoice.series_id.is_not(None)


@dataclass(frozen=True, slots=True)
class _Told:
    """An entry of the journal: it tells that a document was issued."""

    entry_id: int
    kind: str
    number: str
    seal: str
    """Empty in an entry of a Hradlo that had no seals yet."""


async def seals(session: AsyncSession, numbers: Sequence[str]) -> dict[str, str]:
    """The seals of issued documents by number, reckoned from their rows."""
    found: dict[str, str] = {}
    for chunk in in_chunks(numbers):
        is_asked = Invoice.number.in_(chunk)
        lines = await _by_invoice(session, InvoiceLine.invoice_id, _OF_LINE, is_asked)
        groups = await _by_invoice(session, InvoiceVat.invoice_id, _OF_VAT, is_asked)
        for invoice_id, number, *content in await session.execute(_documents(is_asked)):
            said = [number, *content, lines[invoice_id], groups[invoice_id]]
            found[number] = hashlib.sha256(_ENCODER.encode(said).encode()).hexdigest()
    return found


def _documents(is_asked: ColumnElement[bool]) -> Any:
    seller, buyer = aliased(Party), aliased(Party)
    return (
        select(Invoice.id, Invoice.number, *_as_stored(_OF_DOCUMENT), seller.sha256, buyer.sha256)
        .outerjoin(seller, seller.id == Invoice.seller_id)
        .outerjoin(buyer, buyer.id == Invoice.buyer_id)
        .where(_ISSUED, is_asked)
    )


async def _by_invoice(
    session: AsyncSession, of: Column, columns: Sequence[Column], is_asked: ColumnElement[bool]
) -> dict[int, list[list[Any]]]:
    """What the rows of each document say, in their one order; `of` is the column with its id."""
    query = select(of, *_as_stored(columns)).join(Invoice, Invoice.id == of).where(is_asked)
    found: dict[int, list[list[Any]]] = defaultdict(list)
    for invoice_id, *content in await session.execute(query):
        found[invoice_id].append(content)
    for rows in found.values():
        rows.sort()  # by a line's position, a group's category: databases have orders of their own
    return found


def _as_stored(columns: Sequence[Column]) -> list[ColumnElement[Any]]:
    """Columns without what SQLAlchemy makes of their values, which takes longer than all the rest of a seal."""
    return [type_coerce(column, NULLTYPE) for column in columns]


def _plain(value: object) -> str:
    """A day, as SQLite stores it: so a seal holds when the database moves to PostgreSQL."""
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{value!r} can't stand in a document")


_ENCODER = json.JSONEncoder(separators=(",", ":"), default=_plain)


async def verify(session: AsyncSession) -> list[Problem]:
    """The first document that is not as it was issued, the first that is gone, and the first that no entry tells of."""
    found: dict[str, Problem] = {}
    known = 0
    async for entries in _told(session):
        now = await seals(session, [each.number for each in entries])
        known += len(now)
        for told in entries:
            what = f"{told.kind} {told.number}"
            if told.number not in now:
                found.setdefault("gone", Problem(what, f"is gone; journal row {told.entry_id} tells of its issue"))
            elif told.seal and told.seal != now[told.number]:
                words = f"was changed after its issue: it does not match its seal in journal row {told.entry_id}"
                found.setdefault("changed", Problem(what, words))
    if known != await session.scalar(select(func.count()).select_from(Invoice).where(_ISSUED)):
        found |= await _untold(session)
    return list(found.values())


async def _untold(session: AsyncSession) -> dict[str, Problem]:
    numbers = {told.number async for entries in _told(session) for told in entries}
    query = select(Invoice.number, Invoice.kind).where(_ISSUED).order_by(Invoice.id)
    async for number, kind in await session.stream(query.execution_options(yield_per=_DOCUMENTS_AT_ONCE)):
        if number not in numbers:
            words = "no journal row tells of its issue: rows were cut off, or somebody made it outside Hradlo"
            return {"untold": Problem(f"{kind.replace('_', ' ')} {number}", words)}
    return {}


async def _told(session: AsyncSession) -> AsyncIterator[list[_Told]]:
    """What the journal tells of documents, in its order, some at a time."""
    last_id = 0
    query = select(JournalEntry.id, JournalEntry.action, JournalEntry.detail).order_by(JournalEntry.id)
    query = query.where(JournalEntry.action.in_(NUMBER_OF)).limit(_DOCUMENTS_AT_ONCE)
    while rows := (await session.execute(query.where(JournalEntry.id > last_id))).all():
        yield [_read(entry_id, action, json.loads(detail)) for entry_id, action, detail in rows]
        last_id = rows[-1].id


def _read(entry_id: int, action: str, detail: dict[str, Any]) -> _Told:
    kind = NUMBER_OF[action]
    return _Told(entry_id, kind.replace("_", " "), detail[kind], detail.get("seal", ""))
