"""What a round did to lines is written here: the line of a contract at a site, and the mails that say so.

Called after the network did it, for what a subscriber reads about a line is never earlier than what the line does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning import mails
from billing.dunning.case import Case
from billing.dunning.facts import Stage
from billing.dunning.policy import Policy
from billing.dunning.reading import load_addressees, load_facts
from billing.dunning.rules import STRICTNESS
from billing.dunning.tables import Line
from billing.letters.letter import Addressee
from billing.store import journal, outbox
from config.setting_types import MAIN_SITE
from config.settings import Settings


@dataclass(frozen=True, slots=True)
class LineChange:
    """What the network now does to a contract's addresses at a site, and what it did before."""

    contract_id: int
    before: str
    after: str


async def record_lines(
    session: AsyncSession, site: str, changes: Sequence[LineChange], settings: Settings, now: datetime
) -> None:
    """Keeps what the network was made to do at a site, and writes the mails that say so. Called after it was done.

    A contract is suspended when the first of its sites is, and restored when all are: one mail each. What is
    recorded already is left as it is.
    """
    await journal.lock(session)
    states = await _states(session, [change.contract_id for change in changes])
    news = [change for change in changes if states[change.contract_id].get(site, "open") != change.after]
    if not news:
        return
    await _write_lines(session, site, news, now)
    entries, steps = [], []
    for change in news:
        of_contract = states[change.contract_id]
        before, at_site = _strictest(of_contract), of_contract.get(site, "open")
        of_contract[site] = change.after
        steps.append(LineChange(change.contract_id, before, _strictest(of_contract)))
        detail = {"before": at_site, "after": change.after, **({"site": site} if site != MAIN_SITE else {})}
        entries.append(journal.Entry(now, journal.ENGINE, "line.changed", change.contract_id, detail))
    await _mail_lines(session, steps, settings, now)
    await journal.append_many(session, entries)


async def _states(session: AsyncSession, contract_ids: Sequence[int]) -> dict[int, dict[str, str]]:
    """Contract id -> site -> line, where it is restricted."""
    found: dict[int, dict[str, str]] = {contract_id: {} for contract_id in contract_ids}
    query = select(Line.contract_id, Line.site, Line.state).where(Line.contract_id.in_(contract_ids))
    for contract_id, site, state in await session.execute(query):
        found[contract_id][site] = state
    return found


def _strictest(states: Mapping[str, str]) -> str:
    return max(states.values(), key=STRICTNESS.__getitem__, default="open")


async def _write_lines(session: AsyncSession, site: str, changes: Sequence[LineChange], now: datetime) -> None:
    ids = [change.contract_id for change in changes]
    await session.execute(delete(Line).where(Line.site == site, Line.contract_id.in_(ids)))
    rows = [
        {"contract_id": change.contract_id, "site": site, "state": change.after, "since_at": now}
        for change in changes
        if change.after != "open"
    ]
    if rows:
        await session.execute(insert(Line), rows)


async def _mail_lines(session: AsyncSession, steps: Sequence[LineChange], settings: Settings, now: datetime) -> None:
    """The mails about what contracts' lines became, seen over all of their sites."""
    ids = [step.contract_id for step in steps if "suspended" in (step.before, step.after) and step.before != step.after]
    addressees = await load_addressees(session, ids)
    facts_by_id = {facts.contract_id: facts for facts in await load_facts(session, ids)}
    policy = Policy.from_settings(settings)
    drafts = [
        _line_mail(step, addressees[step.contract_id], Case(facts_by_id[step.contract_id], policy, now, None), settings)
        for step in steps
        if step.contract_id in facts_by_id
    ]
    written = [draft for draft in drafts if draft]
    await outbox.put(session, written, now, domain=outbox.sender_domain(settings.mail.sender))


def _line_mail(step: LineChange, addressee: Addressee, case: Case, settings: Settings) -> outbox.Draft | None:
    if step.after == "suspended":
        return mails.suspended(addressee, case.overdue, settings=settings, since_at=case.now)
    if case.facts.stage is Stage.SUSPENDED:
        return None  # its addresses went to another site, which is about to suspend them
    promise_until_on = case.facts.promise_until_on if case.shield == "promised" else None
    return mails.restored(
        addressee, case.overdue, settings=settings, since_at=case.now, promise_until_on=promise_until_on
    )
