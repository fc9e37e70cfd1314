"""Decisions are written here: stage, notice, reminder, mail and journal entry, in one transaction.

`record` reads the facts again inside the caller's transaction and decides on those, so what is written always
follows from what is true at that moment, whatever was paid since somebody first looked.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning import mails
from billing.dunning.brake import Permit, begin_run, restricted_lately, write_restrictions
from billing.dunning.case import Case
from billing.dunning.facts import Decision, Facts, Stage
from billing.dunning.policy import Policy
from billing.dunning.reading import load_addressees, load_facts
from billing.dunning.rules import decide_within, is_stricter
from billing.dunning.tables import Notice, Reminder, Standing
from billing.letters.letter import Addressee
from billing.store import journal, outbox
from config.settings import Settings


def is_news(facts: Facts, decision: Decision) -> bool:
    """Something about the contract is to be written."""
    return decision.is_news or "; ".join(decision.parked) != facts.parked_why


async def record(
    session: AsyncSession, contract_ids: Collection[int], settings: Settings, now: datetime, permit: Permit
) -> dict[int, Decision]:
    """Decides on some contracts as they are in this transaction, and writes what is news.

    A line gets stricter only as far as the brake permits; those restrictions are a run, which can be undone.
    Engines of several gateways may do so at once: one after the other, and who comes later finds no news.
    """
    await journal.lock(session)
    policy = Policy.from_settings(settings)
    decisions: dict[int, Decision] = {}
    entries: list[journal.Entry] = []
    drafts: list[outbox.Draft] = []
    everybody = await load_facts(session, contract_ids)
    addressees = await load_addressees(session, contract_ids)
    run = _Run(session, permit, now)
    for facts in everybody:
        allowed = await run.allowed(facts.contract_id)
        decision = decisions[facts.contract_id] = decide_within(facts, policy, now, allowed)
        run_id = await run.note(decision) if is_stricter(decision, facts) else None
        if is_news(facts, decision):
            writer = _Writer(session, facts, decision, policy, now, settings, run_id)
            drafts += await writer.write(addressees[facts.contract_id])
            entries += writer.entries
    await run.write()
    await outbox.put(session, drafts, now, domain=outbox.sender_domain(settings.mail.sender))
    if entries:
        await journal.append_many(session, entries)
    return decisions


class _Run:
    """The restrictions of one transaction, and how many more there may be."""

    def __init__(self, session: AsyncSession, permit: Permit, now: datetime) -> None:
        self._session = session
        self._permit = permit
        self._now = now
        self._lines: dict[int, str] = {}
        self._lately: dict[str, int] | None = None

    async def allowed(self, contract_id: int) -> str:
        """The strictest line that the contract may get; asks the limit again, as another engine may have written."""
        line = self._permit.lines.get(contract_id, "open")
        if line == "open" or contract_id in self._permit.released:
            return line
        if self._lately is None:
            self._lately = await restricted_lately(self._session, self._now)
        return line if self._lately.get(line, 0) < self._permit.limits.get(line, 0) else "open"

    async def note(self, decision: Decision) -> int:
        """A contract's line gets stricter; returns the run's id."""
        if self._permit.run_id is None:
            self._permit.run_id = await begin_run(self._session, self._now)
        line = self._lines[decision.contract_id] = decision.stage.line
        if self._lately is not None and decision.contract_id not in self._permit.released:
            self._lately[line] = self._lately.get(line, 0) + 1
        return self._permit.run_id

    async def write(self) -> None:
        if self._lines and self._permit.run_id is not None:
            run_id, released = self._permit.run_id, self._permit.released
            await write_restrictions(self._session, run_id, self._lines, released, self._now)


@dataclass
class _Writer:
    """Writes one contract's decision; collects its journal entries."""

    session: AsyncSession
    facts: Facts
    decision: Decision
    policy: Policy
    now: datetime
    settings: Settings
    run_id: int | None
    """The run that makes the line stricter, if one does."""

    def __post_init__(self) -> None:
        self.entries: list[journal.Entry] = []

    @cached_property
    def case(self) -> Case:
        """Not made for a contract of which nothing can be decided."""
        return Case(self.facts, self.policy, self.now, self.facts.notice)

    async def write(self, addressee: Addressee) -> list[outbox.Draft]:
        drafts: list[outbox.Draft | None] = []
        await self._write_standing()
        if self.decision.closes_notice:
            await self._close_notice()
        if self.decision.opens_notice:
            await self._open_notice()
        if self.decision.reminder_due:
            drafts.append(await self._remind(addressee, *self.decision.reminder_due))
        if self.decision.notice_mail_due:
            drafts.append(await self._mail_notice(addressee))
        return [draft for draft in drafts if draft]

    async def _write_standing(self) -> None:
        decision, parked = self.decision, "; ".join(self.decision.parked)
        if not decision.transitions and parked == self.facts.parked_why:
            return
        is_kept = bool(self.facts.unknown_stage) and bool(parked) and not decision.transitions
        stage = self.facts.unknown_stage if is_kept else decision.stage.value  # what nobody knows, nobody overwrites
        values: dict[str, Any] = {"stage": stage, "parked_why": parked}
        if decision.transitions:
            values |= {"why": decision.why, "since_at": self.now}
        await self._upsert_standing(values)
        for step in decision.transitions:
            run = {"run": self.run_id} if self.run_id and step is decision.transitions[-1] else {}
            self._note("stage.changed", before=step.before.value, event=step.event, after=step.after.value, **run)
        if parked != self.facts.parked_why:
            self._note("contract.parked" if parked else "contract.unparked", facts=parked)

    async def _upsert_standing(self, values: Mapping[str, Any]) -> None:
        mine = Standing.contract_id == self.facts.contract_id
        is_plain = values["stage"] == Stage.CLEAR.value and not values["parked_why"]
        if is_plain:  # no row means CLEAR
            await self.session.execute(delete(Standing).where(mine))
            return
        known = await self.session.scalar(select(Standing.contract_id).where(mine))
        if known is None:
            first = {"contract_id": self.facts.contract_id, "why": "", "since_at": self.now}
            await self.session.execute(insert(Standing).values({**first, **values}))
        else:
            await self.session.execute(update(Standing).where(mine).values(**values))

    async def _close_notice(self) -> None:
        assert self.facts.notice is not None
        why = self.decision.closes_notice
        closing = update(Notice).where(Notice.id == self.facts.notice.id)
        await self.session.execute(closing.values(closed_at=self.now, closed_why=why))
        self._note("notice.closed", notice=self.facts.notice.id, closed_why=why)

    async def _open_notice(self) -> None:
        notice = Notice(contract_id=self.facts.contract_id, opened_at=self.now)
        self.session.add(notice)
        await self.session.flush()
        self._note("notice.opened", notice=notice.id, debt=str(self.decision.debt))

    async def _remind(self, addressee: Addressee, anchor_id: int, after_days: int) -> outbox.Draft | None:
        row = {"anchor_invoice_id": anchor_id, "after_days": after_days, "at": self.now}
        await self.session.execute(insert(Reminder).values(contract_id=self.facts.contract_id, **row))
        self._note("reminder.written", after_days=after_days, debt=str(self.decision.debt))
        is_enough = self.case.debt >= self.policy.minimum_debt
        return mails.reminder(
            addressee,
            self.case.overdue,
            settings=self.settings,
            anchor_invoice_id=anchor_id,
            after_days=after_days,
            notice_at=self.case.ripens_at(self.case.overdue[0]) if is_enough else None,
        )

    async def _mail_notice(self, addressee: Addressee) -> outbox.Draft | None:
        """Without an e-mail address there is nothing to send, and the notice stays "not mailed"."""
        assert self.facts.notice is not None
        notice_id = self.facts.notice.id
        draft = mails.notice(
            addressee,
            self.case.overdue,
            settings=self.settings,
            notice_id=notice_id,
            suspend_at=self._suspend_at_if_mailed(),
        )
        if draft:
            mailed = update(Notice).where(Notice.id == notice_id).values(mailed_at=self.now)
            await self.session.execute(mailed)
            self._note("notice.mailed", notice=notice_id)
        return draft

    def _suspend_at_if_mailed(self) -> datetime | None:
        """When this mail alone would lead to a suspension; None where that is not the policy."""
        assert self.facts.notice is not None
        return replace(self.case, notice=replace(self.facts.notice, mailed_at=self.now)).suspend_at

    def _note(self, action: str, **detail: Any) -> None:
        self.entries.append(journal.Entry(self.now, journal.ENGINE, action, self.facts.contract_id, detail))
