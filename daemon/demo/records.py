"""What has happened, as the pages show it: the journal, the plans, the mails."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from sqlalchemy import select

from billing.customers.tables import Contract
from billing.store.tables import JournalEntry
from daemon.demo.mailbox import Received
from daemon.demo.people import Subscriber
from daemon.demo.world import AppliedPlan, World

JOURNAL_ENTRIES = 250
PLANS = 25
NAMES_IN_A_LINE = 4
_FINGERPRINT_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class Entry:
    """What was written into the journal at one moment in one breath: one line, about one or several people."""

    id: int
    at: datetime
    actor: str
    what: str
    detail: str
    """Of the first, if the line is about one."""
    people: tuple[Subscriber, ...]
    count: int = 1

    @property
    def is_inward(self) -> bool:
        """A step of the decision; what follows from it, on the line or by mail, is an entry of its own."""
        return self.what.startswith(("stage changed", "notice opened", "notice closed"))

    @property
    def at_day(self) -> date:
        return self.at.date()


@dataclass(frozen=True, slots=True)
class LineChange:
    """One line that the network was told to change, and why."""

    address: str
    person: Subscriber | None
    before: str
    after: str
    why: str


@dataclass(frozen=True, slots=True)
class PlanShown:
    """One plan that was carried out."""

    at: datetime
    checksum: str
    changes: tuple[LineChange, ...]
    installs: bool


@dataclass(frozen=True, slots=True)
class MailShown:
    """One mail that arrived."""

    mail: Received
    at: datetime
    person: Subscriber | None


# ── the journal ─────────────────────────────────────────────────────────────────────────────────────────────────


async def journal_lines(world: World, after: int = 0, limit: int = JOURNAL_ENTRIES) -> list[Entry]:
    """The newest entries first; what was written for many at once is one line."""
    query = (
        select(JournalEntry, Contract.number)
        .outerjoin(Contract, Contract.id == JournalEntry.contract_id)
        .where(JournalEntry.id > after)
        .order_by(JournalEntry.id.desc())
        .limit(limit)
    )
    async with world.store.reading() as session:
        return list(_grouped(_entry(world, entry, number) for entry, number in await session.execute(query)))


def _entry(world: World, entry: JournalEntry, number: str | None) -> Entry:
    detail = json.loads(entry.detail or "{}")
    what = entry.action.replace(".", " ").replace("_", " ")
    if {"before", "after"} <= detail.keys():
        what += f": {detail.pop('before')} → {detail.pop('after')}"
    words = [*_words(detail), *([entry.why] if entry.why else [])]
    person = world.person(number or "")
    return Entry(
        entry.id, world.local(entry.at), entry.actor, what, ", ".join(words), (person,) if person else (), count=1
    )


def _words(detail: dict[str, Any]) -> Iterator[str]:
    for key, value in detail.items():
        text = str(value)
        if isinstance(value, dict):
            text = ", ".join(f"{name}: {part}" for name, part in value.items()) or "nothing"
        elif len(text) >= _FINGERPRINT_CHARACTERS and " " not in text and text.isalnum():
            text = f"{text[:8]}…"
        elif text.startswith("["):
            text = ", ".join(json.loads(text))
        yield f"{key.replace('_', ' ')} {text}"


def _grouped(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Entries of one moment that say the same: the engine takes many subscribers through a step together."""
    moment: dict[str, Entry] = {}
    at: datetime | None = None
    for entry in entries:
        if entry.at != at:
            yield from moment.values()
            moment, at = {}, entry.at
        first = moment.get(entry.what)
        if first is None:
            moment[entry.what] = entry
        else:
            people = tuple(dict.fromkeys(first.people + entry.people))
            moment[entry.what] = replace(first, people=people, count=first.count + 1)
    yield from moment.values()


async def summary(world: World, after: int) -> str:
    """What happened since an entry of the journal, in a line."""
    counted: Counter[str] = Counter()
    for line in await journal_lines(world, after, limit=10_000):
        counted[line.what] += line.count
    told = {words: sum(counted[what] for what in whats) for words, whats in _TOLD.items()}
    said = [words.format(n=count, s="" if count == 1 else "s") for words, count in told.items() if count]
    return " · ".join(said) or "nothing happened"


_TOLD = {
    "{n} invoice{s} issued": ("invoice imported",),
    "{n} payment{s} matched": ("payment matched",),
    "{n} payment{s} waiting for a person": ("payment waiting",),
    "{n} reminder{s} sent": ("reminder written",),
    "{n} line{s} led to the notice": ("line changed: open → notice",),
    "{n} notice{s} sent by e-mail": ("notice mailed",),
    "{n} acknowledged": ("notice acknowledged",),
    "{n} suspended": ("line changed: open → suspended", "line changed: notice → suspended"),
    "{n} line{s} open again": ("line changed: notice → open", "line changed: suspended → open"),
    "{n} parked": ("contract parked",),
}


# ── the network ─────────────────────────────────────────────────────────────────────────────────────────────────


def plans(world: World) -> list[PlanShown]:
    """What the network was told, the newest first."""
    return [_plan(world, applied) for applied in list(reversed(world.applied))[:PLANS]]


def _plan(world: World, applied: AppliedPlan) -> PlanShown:
    changes = []
    for change in applied.plan.changes:
        address = str(change.address)
        why = applied.whys.get(address, "")
        changes.append(LineChange(address, world.person_at(address), str(change.before), str(change.after), why))
    return PlanShown(world.local(applied.at), applied.plan.checksum, tuple(changes), applied.plan.installs)


# ── the mails ───────────────────────────────────────────────────────────────────────────────────────────────────


def mails(world: World, person: Subscriber | None = None) -> list[MailShown]:
    """What arrived, for everybody or for one, the newest first."""
    by_mail = {one.email: one for one in world.people}
    received = world.mailbox.to(person.email) if person else world.mailbox.received
    return [
        MailShown(mail, world.local(parsedate_to_datetime(mail.date)), by_mail.get(mail.recipient))
        for mail in reversed(received)
    ]
