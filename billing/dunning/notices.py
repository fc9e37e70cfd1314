"""The notice as the portal shows it, the evidence that it was shown, and its acknowledgement."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning.case import Case
from billing.dunning.facts import Facts, NoticeFact, Stage
from billing.dunning.lines import strictest_lines
from billing.dunning.policy import Policy
from billing.dunning.reading import load_facts
from billing.dunning.rules import decide_within
from billing.dunning.tables import AcknowledgedInvoice, Acknowledgement, Line, Notice, Showing
from billing.importing import in_chunks
from billing.money import Money
from billing.store import journal
from config.setting_types import MAIN_SITE


@dataclass(frozen=True, slots=True)
class ShownInvoice:
    """One row of the notice's table."""

    id: int
    number: str
    due_on: date
    open: Money


@dataclass(frozen=True, slots=True)
class NoticeView:
    """What there is to say to one subscriber now."""

    contract_id: int
    contract_number: str
    line: str
    """`open`, `notice` or `suspended`, as the network was last told."""
    stage: Stage
    notice_id: int | None
    invoices: tuple[ShownInvoice, ...]
    """All that are overdue, oldest first."""
    debt: Money
    acknowledged_at: datetime | None
    suspend_at: datetime | None
    """Once acknowledged: when the grace ends. Before: when it would end if acknowledged now."""
    promise_until_on: date | None


async def view(
    session: AsyncSession, contract_id: int, policy: Policy, now: datetime, site: str | None = None
) -> NoticeView:
    """What the notice says to a contract's subscriber at `now`; raises `LookupError` for no such contract.

    Its line is that of a site, or the strictest of all sites.
    """
    found = await views(session, [contract_id], policy, now, site)
    if not found:
        raise LookupError(f"no contract with id {contract_id}")
    return found[contract_id]


async def views(
    session: AsyncSession, contract_ids: Collection[int], policy: Policy, now: datetime, site: str | None = None
) -> dict[int, NoticeView]:
    """The same for several contracts, in as many queries as for one."""
    found = await load_facts(session, contract_ids)
    lines = await _lines_of(session, contract_ids, site)
    return {facts.contract_id: _view(facts, lines.get(facts.contract_id, "open"), policy, now) for facts in found}


def _view(facts: Facts, line: str, policy: Policy, now: datetime) -> NoticeView:
    decision = decide_within(facts, policy, now)  # as it is: anything stricter comes when the engine records it
    notice = facts.notice
    case = Case(facts, policy, now, notice)
    return NoticeView(
        contract_id=facts.contract_id,
        contract_number=facts.contract_number,
        line=line,
        stage=decision.stage,
        notice_id=notice.id if notice else None,
        invoices=tuple(ShownInvoice(i.id, i.number, i.due_on, i.open) for i in case.overdue),
        debt=case.debt,
        acknowledged_at=notice.acknowledged_at if notice else None,
        suspend_at=_suspend_at(facts, policy, now),
        promise_until_on=facts.promise_until_on,
    )


def _suspend_at(facts: Facts, policy: Policy, now: datetime) -> datetime | None:
    notice = facts.notice
    if notice is None:
        return None
    if notice.acknowledged_at is None:
        notice = _as_if_acknowledged(notice, facts, now)
    return Case(facts, policy, now, notice).suspend_at


def _as_if_acknowledged(notice: NoticeFact, facts: Facts, now: datetime) -> NoticeFact:
    return replace(notice, acknowledged_at=now, acknowledged_invoices=frozenset(i.id for i in facts.invoices))


async def _lines_of(session: AsyncSession, contract_ids: Collection[int], site: str | None) -> dict[int, str]:
    """As `line_of`, of several contracts; what is open everywhere is left out."""
    lines, found = strictest_lines(site), dict[int, str]()
    for chunk in in_chunks(list(contract_ids)):
        rows = await session.execute(select(lines.c.contract_id, lines.c.state).where(lines.c.contract_id.in_(chunk)))
        found.update((contract_id, state) for contract_id, state in rows)
    return found


async def line_of(session: AsyncSession, contract_id: int, site: str | None = None) -> str:
    """What the network was last told to do to the contract's addresses: `open`, `notice` or `suspended`.

    At a site, or over all sites the strictest.
    """
    lines = strictest_lines(site)
    state = await session.scalar(select(lines.c.state).where(lines.c.contract_id == contract_id))
    return state or "open"


async def restricted_of(session: AsyncSession, contract_ids: Collection[int], site: str) -> set[int]:
    """Those of some contracts whose line is not open at a site, as the network was last told."""
    found: set[int] = set()
    query = select(Line.contract_id).where(Line.site == site)
    for chunk in in_chunks(list(contract_ids)):
        found.update(await session.scalars(query.where(Line.contract_id.in_(chunk))))
    return found


async def record_showing(
    session: AsyncSession, *, notice_id: int, source_address: str, user_agent: str, text: str, now: datetime
) -> None:
    """Keeps that a text was shown to an address, once; it is evidence and changes no stage."""
    text_sha256 = hashlib.sha256(text.encode()).hexdigest()
    known = select(Showing.id).where(
        Showing.notice_id == notice_id, Showing.source_address == source_address, Showing.text_sha256 == text_sha256
    )
    if await session.scalar(known) is None:
        row = {"notice_id": notice_id, "at": now, "source_address": source_address, "text_sha256": text_sha256}
        await session.execute(insert(Showing).values(**row, user_agent=user_agent[:300]))


async def acknowledge(
    session: AsyncSession,
    *,
    view: NoticeView,
    site: str = MAIN_SITE,
    source_address: str,
    user_agent: str,
    language: str,
    text: str,
    token: str,
    now: datetime,
) -> bool:
    """Keeps who acknowledged what, when and from where; from here the grace runs.

    False, and nothing written, when the notice is closed or was acknowledged before. The caller has verified
    that the token belongs to this notice and this address, in the same transaction.
    """
    await journal.lock(session)  # of two who answer at once the second sees the first
    if view.notice_id is None or not view.invoices or await _is_answered(session, view.notice_id):
        return False
    token_sha256 = hashlib.sha256(token.encode()).hexdigest()
    acknowledgement = Acknowledgement(
        notice_id=view.notice_id,
        at=now,
        source_address=source_address,
        user_agent=user_agent[:300],
        language=language,
        text=text,
        token_sha256=token_sha256,
    )
    session.add(acknowledgement)
    await session.flush()
    rows = [{"acknowledgement_id": acknowledgement.id, "invoice_id": i.id, "open": i.open} for i in view.invoices]
    await session.execute(insert(AcknowledgedInvoice), rows)
    shown = [f"{invoice.number}:{invoice.open}" for invoice in view.invoices]
    await journal.append(
        session,
        at=now,
        actor="subscriber",
        action="notice.acknowledged",
        contract_id=view.contract_id,
        detail={
            "notice": view.notice_id,
            "source_address": source_address,
            **({"site": site} if site != MAIN_SITE else {}),
            "invoices": json.dumps(shown),
            "text_sha256": hashlib.sha256(text.encode()).hexdigest(),
        },
    )
    return True


async def _is_answered(session: AsyncSession, notice_id: int) -> bool:
    closed_at = await session.scalar(select(Notice.closed_at).where(Notice.id == notice_id))
    answered = await session.scalar(select(Acknowledgement.id).where(Acknowledgement.notice_id == notice_id))
    return closed_at is not None or answered is not None
