"""Acknowledgements as evidence: one as a value that can be handed out, and all of them held against the journal.

An acknowledgement stands in two places: the row with the words that were shown, and the entry of the journal with
the hash of these words, chained to everything that was written before and after. So neither can be changed alone.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract, Customer
from billing.dunning.operations import contract_id_of
from billing.dunning.tables import AcknowledgedInvoice, Acknowledgement, Notice, Showing
from billing.invoicing.tables import Invoice
from billing.store import journal
from billing.store.tables import JournalEntry
from config.errors import JournalBroken, NotFound, Problem

ACTION = "notice.acknowledged"


@dataclass(frozen=True, slots=True)
class Shown:
    """The page was shown to an address."""

    at: datetime
    source_address: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """An invoice that the page named, and what was open of it then."""

    number: str
    due_on: str
    open: str


@dataclass(frozen=True, slots=True)
class Link:
    """The entry of the journal: ``hash = SHA-256(previous_hash + content)``, and how far the chain goes on."""

    id: int
    at: datetime
    previous_hash: str
    content: str
    hash: str
    head_id: int
    head_hash: str


@dataclass(frozen=True, slots=True)
class Proof:
    """Who acknowledged what, when, from where, and how it can be checked."""

    contract: str
    customer: str
    notice: int
    opened_at: datetime
    shown: tuple[Shown, ...]
    acknowledged_at: datetime
    source_address: str
    user_agent: str
    language: str
    invoices: tuple[Claimed, ...]
    text: str
    text_sha256: str
    journal: Link

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def proof(session: AsyncSession, contract_number: str, notice_id: int | None = None) -> Proof:
    """The proof of a contract's latest acknowledgement, or of that of one notice.

    Raises `NotFound`, and `JournalBroken` when the journal or the acknowledgement was tampered with.
    """
    contract_id = await contract_id_of(session, contract_number)
    found = await _acknowledgement(session, contract_id, notice_id)
    problem = await _problem(session, found, contract_id)
    if problem:
        raise JournalBroken(f"{problem}.", "It proves nothing any more; compare it with a backup.")
    await journal.verify(session)
    notice = await session.get_one(Notice, found.notice_id)
    contract = await session.get_one(Contract, contract_id)
    customer = await session.get_one(Customer, contract.customer_id)
    showings = select(Showing).where(Showing.notice_id == notice.id).order_by(Showing.at, Showing.id)
    return Proof(
        contract=contract.number,
        customer=customer.name,
        notice=notice.id,
        opened_at=notice.opened_at,
        shown=tuple(Shown(row.at, row.source_address, row.user_agent) for row in await session.scalars(showings)),
        acknowledged_at=found.at,
        source_address=found.source_address,
        user_agent=found.user_agent,
        language=found.language,
        invoices=tuple(await _claimed(session, found.id)),
        text=found.text,
        text_sha256=_sha256(found.text),
        journal=await _link(session, await _entry(session, contract_id, notice.id)),
    )


async def verify(session: AsyncSession) -> list[Problem]:
    """Acknowledgements that are not as the journal says, and those that the journal knows and nobody finds."""
    query = select(Acknowledgement, Notice.contract_id).join(Notice, Notice.id == Acknowledgement.notice_id)
    problems, seen = [], set()
    for row, contract_id in (await session.execute(query.order_by(Acknowledgement.id))).all():
        seen.add(row.notice_id)
        words = await _problem(session, row, contract_id)
        problems += [Problem(f"notice {row.notice_id}", words)] if words else []
    written = select(JournalEntry.id, JournalEntry.detail).where(JournalEntry.action == ACTION)
    for entry_id, detail in await session.execute(written):
        if json.loads(detail).get("notice") not in seen:
            problems.append(Problem(f"journal row {entry_id}", "the acknowledgement that it tells of is not there"))
    return problems


async def _acknowledgement(session: AsyncSession, contract_id: int, notice_id: int | None) -> Acknowledgement:
    query = select(Acknowledgement).join(Notice, Notice.id == Acknowledgement.notice_id)
    query = query.where(Notice.contract_id == contract_id).order_by(Acknowledgement.id.desc()).limit(1)
    if notice_id is not None:
        query = query.where(Notice.id == notice_id)
    found = (await session.scalars(query)).first()
    if found is None:
        raise NotFound("Nobody has acknowledged that notice.", "`hradlo show CONTRACT` tells what happened.")
    return found


async def _problem(session: AsyncSession, row: Acknowledgement, contract_id: int) -> str:
    """What about an acknowledgement is not as the journal says; empty when it is."""
    entry = await _entry(session, contract_id, row.notice_id)
    if entry is None:
        return "the journal knows of no such acknowledgement"
    said: Mapping[str, Any] = json.loads(entry.detail)
    invoices = [f"{each.number}:{each.open}" for each in await _claimed(session, row.id)]
    told = {"source_address": row.source_address, "text_sha256": _sha256(row.text), "at": row.at}
    known = {"source_address": said["source_address"], "text_sha256": said["text_sha256"], "at": entry.at}
    wrong = [name for name in told if told[name] != known[name]]
    if sorted(invoices) != sorted(json.loads(said["invoices"])):
        wrong.append("invoices")
    return f"is not as it was acknowledged: {', '.join(wrong)}" if wrong else ""


async def _entry(session: AsyncSession, contract_id: int, notice_id: int) -> JournalEntry | None:
    query = select(JournalEntry).where(JournalEntry.contract_id == contract_id, JournalEntry.action == ACTION)
    for entry in (await session.scalars(query.order_by(JournalEntry.id))).all():
        if json.loads(entry.detail).get("notice") == notice_id:
            return entry
    return None


async def _claimed(session: AsyncSession, acknowledgement_id: int) -> list[Claimed]:
    query = (
        select(Invoice.number, Invoice.due_on, AcknowledgedInvoice.open)
        .join(Invoice, Invoice.id == AcknowledgedInvoice.invoice_id)
        .where(AcknowledgedInvoice.acknowledgement_id == acknowledgement_id)
        .order_by(Invoice.due_on, Invoice.id)
    )
    return [Claimed(number, due_on.isoformat(), str(left)) for number, due_on, left in await session.execute(query)]


async def _link(session: AsyncSession, entry: JournalEntry | None) -> Link:
    assert entry is not None
    previous = await session.scalar(select(JournalEntry.hash).where(JournalEntry.id == entry.id - 1))
    head = await journal.mark(session)
    content = journal.content_of(entry)
    return Link(entry.id, entry.at, previous or journal.GENESIS, content, entry.hash, head.id, head.hash)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
