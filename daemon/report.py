"""The admin's report of each day: what is held and what would happen, what did, and the mark of the journal.

In the first weeks (`mode = "monitor"`) it is how one learns what Hradlo would do. The mark is the end of the journal's
chain: kept in a mailbox it proves later that nothing was rewritten (`hradlo audit verify --mark`).
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from billing.dunning import brake
from billing.dunning.brake import RunSummary
from billing.dunning.forecast import forecast_all
from billing.dunning.policy import Policy
from billing.dunning.reading import load_facts
from billing.dunning.workdays import working_day
from billing.store import journal
from billing.store.engine import Store
from config.clock import Clock
from config.counting import counted
from config.settings import Settings
from daemon.admin_mail import proposals_in_words, report_mail
from daemon.braking import Verdict
from daemon.deciding import Decider

FORESEEN = timedelta(days=7)
FORESEEN_WORDS = {"reminder": "reminder", "notice": "notice", "suspended": "suspension"}


class DailyReport:
    """Writes the report of each local day once, from the hour at which a day's work begins."""

    def __init__(self, settings: Settings, store: Store, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._policy = Policy.from_settings(settings)
        self._written_on: date | None = None

    async def write_if_due(self) -> bool:
        """Whether one was written now; another process that wrote it first is as good."""
        now = self._clock.now()
        day = working_day(now, self._policy)
        if not self._settings.mail.admin or day == self._written_on:
            return False
        await self._write(day, now)
        self._written_on = day
        return True

    async def _write(self, day: date, now: datetime) -> None:
        verdict = (await Decider(self._settings, self._store, self._clock, ()).would_know()).verdict
        async with self._store.reading() as session:
            runs = [run for run in await brake.last_runs(session) if run.at > now - brake.ROLLING]
            everybody = await load_facts(session)
            mark = await journal.mark(session)
        coming = await asyncio.to_thread(forecast_all, everybody, self._policy, now, now + FORESEEN)
        counts = Counter(seen.what for seen in coming)
        lines = [*_held(verdict), *_happened(runs), *_foreseen(counts), *_mark(mark)]
        subject = f"Hradlo on {day}: {_in_short(verdict, self._settings)}"
        # what took its time only read, and thought aside: nobody who writes has waited for it
        async with self._store.transaction() as session:
            await report_mail(session, day.isoformat(), subject, lines, self._settings, now)


def _in_short(verdict: Verdict, settings: Settings) -> str:
    if settings.enforcement.mode == "monitor":
        return f"{len(verdict.held_proposals)} would be restricted (it only monitors)"
    return f"{counted(len(verdict.held_proposals), 'is', 'are')} held" if verdict.reasons else "nothing is held"


def _held(verdict: Verdict) -> Iterator[str]:
    if verdict.reasons:
        yield "New restrictions are held:"
        yield from (f"- {reason.words}" for reason in verdict.reasons)
        yield ""
    yield from proposals_in_words(verdict.held_proposals)
    yield ""


def _happened(runs: list[RunSummary]) -> Iterator[str]:
    yield "In the last 24 hours:"
    for run in runs:
        undone = ", undone" if run.undone_at else ""
        yield f"- run {run.run}: {run.counts}{undone}"
    if not runs:
        yield "- nobody was restricted"
    yield ""


def _foreseen(counts: Counter[str]) -> Iterator[str]:
    yield f"In the next {FORESEEN.days} days, if nobody pays or acknowledges:"
    yield from (f"- {counted(counts[what], word)}" for what, word in FORESEEN_WORDS.items())
    yield ""


def _mark(mark: journal.Mark) -> Iterator[str]:
    yield "The end of the journal now; keep this mail, and nobody can rewrite what stands before:"
    yield f"hradlo audit verify --mark {mark.id}:{mark.hash}"
