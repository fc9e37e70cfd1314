"""Facts are read here, in bulk: the same few queries for one contract and for a hundred thousand.

Plain column queries, not ORM objects: at 100,000 contracts objects would cost seconds a round.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, cast, literal, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.mail_address import sendable
from billing.customers.tables import Contract, Customer
from billing.dunning.facts import Facts, InvoiceFact, NoticeFact, Stage
from billing.dunning.lines import strictest_lines
from billing.dunning.tables import AcknowledgedInvoice, Acknowledgement, Notice, Promise, Reminder, Standing
from billing.invoicing.tables import Invoice
from billing.letters.letter import Addressee
from billing.money import ZERO
from billing.store.tables import Mail

STAGES = frozenset(stage.value for stage in Stage)
IS_PARKED = (Standing.parked_why != "") | Standing.stage.not_in(STAGES)
"""Its facts are absurd, or no engine of this version has seen yet that it stands where nobody knows."""
CHUNK = 500
"""Ids in one IN (…): far below every database's limit of parameters."""


async def load_facts(session: AsyncSession, contract_ids: Collection[int] | None = None) -> list[Facts]:
    """The facts of some contracts, or of all about which dunning has anything to decide.

    A contract that owes nothing and is CLEAR is left out when all are asked for.
    """
    if contract_ids is None:
        return await _load(session, None)
    ids = sorted(set(contract_ids))
    found: list[Facts] = []
    for start in range(0, len(ids), CHUNK):
        found += await _load(session, ids[start : start + CHUNK])
    return found


async def load_addressees(session: AsyncSession, contract_ids: Collection[int]) -> dict[int, Addressee]:
    """Whom mail about a contract goes to."""
    query = (
        select(Contract.id, Contract.number, Customer.name, Customer.email, Customer.language)
        .join(Customer, Customer.id == Contract.customer_id)
        .where(Contract.id.in_(contract_ids))
    )
    return {row[0]: Addressee(*row) for row in (await session.execute(query)).all()}


async def parked(session: AsyncSession) -> list[tuple[str, str]]:
    """Number and why of each parked contract, in the order of their numbers."""
    query = (
        select(Contract.number, Standing.parked_why, Standing.stage)
        .join(Standing, Standing.contract_id == Contract.id)
        .where(IS_PARKED)
        .order_by(Contract.number)
    )
    rows = (await session.execute(query)).all()
    return [(number, why or f"this version of Hradlo does not know the stage {stage!r}") for number, why, stage in rows]


async def _load(session: AsyncSession, ids: list[int] | None) -> list[Facts]:
    invoices = await _invoices(session, ids)
    standings = {row.contract_id: row for row in await _rows(session, _standings(ids))}
    reminded = await _reminded(session, ids)
    notices = await _notices(session, ids)
    promises = await _promises(session, ids)
    contracts = await _rows(session, _contracts(ids))
    restricted = await _lines(session, [i for i, row in standings.items() if row.stage not in STAGES])
    found: list[Facts] = []
    for contract in contracts:
        standing = standings.get(contract.id)
        found.append(
            Facts(
                contract_id=contract.id,
                contract_number=contract.number,
                stage=_stage(standing.stage, restricted.get(contract.id)) if standing else Stage.CLEAR,
                unknown_stage=standing.stage if standing and standing.stage not in STAGES else "",
                why=standing.why if standing else "",
                parked_why=standing.parked_why if standing else "",
                invoices=tuple(invoices.get(contract.id, ())),
                reminded=frozenset(reminded.get(contract.id, ())),
                notice=notices.get(contract.id),
                promise_until_on=promises.get(contract.id),
                is_held=contract.hold_since_at is not None,
                is_exempt=contract.exempt_since_at is not None,
            )
        )
    return found


def _stage(recorded: str, line: str | None) -> Stage:
    """As it was recorded; one that nobody knows is taken for the stage that leaves the line as it is."""
    if recorded in STAGES:
        return Stage(recorded)
    return Stage(line) if line in STAGES else Stage.CLEAR


async def _lines(session: AsyncSession, ids: list[int]) -> dict[int, str]:
    """The strictest line of contracts at any site, where it is restricted."""
    if not ids:
        return {}
    found = strictest_lines()
    return {row.contract_id: row.state for row in await _rows(session, select(found)) if row.contract_id in ids}


async def _rows(session: AsyncSession, query: Select[*tuple[Any, ...]]) -> Iterator[Any]:
    return iter((await session.execute(query)).all())


def _of(column: Any, ids: list[int] | None) -> ColumnElement[bool]:
    return true() if ids is None else column.in_(ids)


def _contracts(ids: list[int] | None) -> Select[*tuple[Any, ...]]:
    query = select(Contract.id, Contract.number, Contract.hold_since_at, Contract.exempt_since_at)
    if ids is not None:
        return query.where(Contract.id.in_(ids))
    owing = select(Invoice.contract_id).where(Invoice.open != ZERO)
    return query.where(or_(Contract.id.in_(owing), Contract.id.in_(select(Standing.contract_id))))


def _standings(ids: list[int] | None) -> Select[*tuple[Any, ...]]:
    return select(Standing.contract_id, Standing.stage, Standing.why, Standing.parked_why).where(
        _of(Standing.contract_id, ids)
    )


async def _invoices(session: AsyncSession, ids: list[int] | None) -> dict[int, list[InvoiceFact]]:
    columns = (Invoice.id, Invoice.number, Invoice.issued_on, Invoice.due_on, Invoice.total, Invoice.open)
    query = (
        select(Invoice.contract_id, *columns)
        .where(and_(Invoice.open != ZERO, _of(Invoice.contract_id, ids)))
        .order_by(Invoice.contract_id, Invoice.due_on, Invoice.id)  # as the index has them
    )
    found: dict[int, list[InvoiceFact]] = defaultdict(list)
    for contract_id, *values in await _rows(session, query):
        found[contract_id].append(InvoiceFact(*values))
    return found


async def _reminded(session: AsyncSession, ids: list[int] | None) -> dict[int, set[tuple[int, int]]]:
    query = (
        select(Reminder.contract_id, Reminder.anchor_invoice_id, Reminder.after_days)
        .join(Invoice, Invoice.id == Reminder.anchor_invoice_id)
        .where(and_(Invoice.open != ZERO, _of(Reminder.contract_id, ids)))
    )
    found: dict[int, set[tuple[int, int]]] = defaultdict(set)
    for contract_id, anchor_id, after_days in await _rows(session, query):
        found[contract_id].add((anchor_id, after_days))
    return found


# As `mails.notice` names the mail of a notice.
_mail_key = literal("notice:") + cast(Notice.id, String)


async def _notices(session: AsyncSession, ids: list[int] | None) -> dict[int, NoticeFact]:
    is_open = and_(Notice.closed_at.is_(None), _of(Notice.contract_id, ids))
    shown: dict[int, set[int]] = defaultdict(set)
    query: Select[*tuple[Any, ...]] = (
        select(Notice.id, AcknowledgedInvoice.invoice_id)
        .join(Acknowledgement, Acknowledgement.notice_id == Notice.id)
        .join(AcknowledgedInvoice, AcknowledgedInvoice.acknowledgement_id == Acknowledgement.id)
        .where(is_open)
    )
    for notice_id, invoice_id in await _rows(session, query):
        shown[notice_id].add(invoice_id)
    query = (
        select(
            Notice.contract_id,
            Notice.id,
            Notice.opened_at,
            Notice.mailed_at,
            Acknowledgement.at,
            Customer.email,
            Mail.failed_at,
        )
        .join(Contract, Contract.id == Notice.contract_id)
        .join(Customer, Customer.id == Contract.customer_id)
        .outerjoin(Acknowledgement, Acknowledgement.notice_id == Notice.id)
        .outerjoin(Mail, and_(Notice.mailed_at.is_not(None), Mail.dedup_key == _mail_key))
        .where(is_open)
    )
    return {
        row.contract_id: NoticeFact(
            id=row.id,
            opened_at=row.opened_at,
            mailed_at=row.mailed_at,
            acknowledged_at=row.at,
            acknowledged_invoices=frozenset(shown[row.id]),
            is_mailable=sendable(row.email) is not None,
            is_mail_lost=row.failed_at is not None,
        )
        for row in await _rows(session, query)
    }


async def _promises(session: AsyncSession, ids: list[int] | None) -> dict[int, date]:
    """The latest promise that was not released, per contract: a later one may be shorter, and counts."""
    query = (
        select(Promise.contract_id, Promise.until_on)
        .where(and_(Promise.released_at.is_(None), _of(Promise.contract_id, ids)))
        .order_by(Promise.id)
    )
    found: dict[int, date] = dict(await _rows(session, query))
    return found
