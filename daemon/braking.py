"""The brake's place between deciding and recording: gathers what `enforcement.brake` judges by, says what may be.

One `Brake` for a decider. `judge` only reads; `keep` writes down what holds now, tells the admin, and leaves the note
of this gateway. Whatever goes wrong here holds: the brake itself fails safe, and giving a line back never asks it.
"""

import platform
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from importlib.metadata import version

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning import brake
from billing.dunning.brake import Accepted, HoldReason, Permit
from billing.dunning.facts import Decision
from billing.dunning.rules import WORDS
from billing.payments.freshness import BankNews, bank_news, newest_statement_id
from billing.store import journal
from billing.store.engine import Store, is_away
from config.clock import Clock
from config.days import day_of
from config.settings import Settings
from daemon.admin_mail import held_mail
from daemon.desired import STATE_OF_LINE
from daemon.witness import Witness
from enforcement.brake import (
    FREEZES_THE_NETWORK,
    LASTS_THROUGH_A_RELEASE,
    NEEDS_A_PERSON,
    Freshness,
    Held,
    History,
    Limits,
    Proposal,
    Reason,
    Why,
    checksum,
    judge,
)
from enforcement.state import LineState

KEPT_EVERY = timedelta(seconds=30)
KINDS = (LineState.NOTICE, LineState.SUSPENDED)

log = structlog.get_logger()


def program_version() -> str:
    return version("hradlo")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may happen, and what is held and why."""

    proposals: tuple[Proposal, ...] = ()
    held: Mapping[LineState, tuple[Reason, ...]] = field(default_factory=dict)
    """By kind; a kind that is not in it may go on."""
    released: Mapping[int, str] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    is_clock_doubtful: bool = False
    """Then nothing is written but what gives a line back: not with a time that may be wrong."""

    def may(self, proposal: Proposal) -> bool:
        if proposal.line not in self.held:
            return True
        allowed = STATE_OF_LINE[self.released.get(proposal.contract_id, "open")]
        return allowed >= proposal.line and all(
            reason.why in LASTS_THROUGH_A_RELEASE for reason in self.held[proposal.line]
        )

    @property
    def permit(self) -> Permit:
        lines = {each.contract_id: str(each.line) for each in self.proposals if self.may(each)}
        return Permit(lines, frozenset(self.released), self.limits)

    @property
    def held_proposals(self) -> tuple[Proposal, ...]:
        return tuple(each for each in self.proposals if not self.may(each))

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """All, each once."""
        return tuple(dict.fromkeys(reason for reasons in self.held.values() for reason in reasons))

    @property
    def is_frozen(self) -> bool:
        """What was decided before is doubtful, too: nobody's line gets stricter on the network either."""
        return any(reason.why in FREEZES_THE_NETWORK for reason in self.reasons)

    @property
    def checksum(self) -> str:
        return checksum(self.held_proposals, self.reasons)

    def holds(self) -> list[HoldReason]:
        """As the database keeps them: a reason of one kind, or of both."""
        found = {}
        for reason in self.reasons:
            kinds = [line for line, reasons in self.held.items() if reason in reasons]
            line = str(kinds[0]) if len(kinds) == 1 else ""
            found[reason.why, line] = HoldReason(reason.why.value, line, reason.words)
        return list(found.values())


def held_for(reasons: Sequence[Reason], proposals: Sequence[Proposal] = ()) -> Verdict:
    """Everything is held."""
    return Verdict(tuple(proposals), dict.fromkeys(KINDS, tuple(reasons)))


def proposal(decision: Decision) -> Proposal:
    """What the brake is asked about a contract whose line is to become stricter."""
    line = STATE_OF_LINE[decision.stage.line]
    words = WORDS.get(decision.why, decision.why)
    return Proposal(decision.contract_id, decision.contract_number, line, str(decision.debt), words)


class Brake:
    """Of one decider. Without a `witness` (the demo, a simulation) nobody remembers what this machine saw."""

    def __init__(self, settings: Settings, store: Store, clock: Clock, witness: Witness | None) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._witness = witness
        self._gateway = platform.node()
        self._bank: tuple[tuple[int, date], BankNews] | None = None
        """What the bank's statements say, until there is a new one or a new day."""
        self._kept: tuple[frozenset[tuple[str, str]], datetime] | None = None
        """What was written down last, and when."""
        self._release_id: int | None = None
        """The last release that was seen."""

    @property
    def limits(self) -> Limits:
        values = self._settings.brake
        return Limits(
            suspensions=values.suspensions_per_day,
            suspensions_percent=values.suspensions_percent,
            notices=values.notices_per_day,
            notices_percent=values.notices_percent,
            parked=values.parked,
            parked_percent=values.parked_percent,
            statement_age_days=values.statement_age_days,
        )

    async def judge(self, decisions: Iterable[Decision], parked: int, now: datetime) -> Verdict:
        """What becomes of decisions that would make lines stricter. Reads only; what it can't read holds all.

        A database that is not there any more says nothing against what was decided before: then this raises, as every
        other reading of the look does, and the network is kept as it was known.
        """
        proposals = [proposal(decision) for decision in decisions]
        try:
            async with self._store.reading() as session:
                return await self._judge(session, proposals, parked, now)
        except (SQLAlchemyError, LookupError, TypeError, ValueError) as error:
            if is_away(error):
                raise
            log.error("the brake can't be read; everything is held", error=str(error))
            return held_for([Reason(Why.UNREADABLE, f"the brake's own state can't be read ({error})")], proposals)

    async def _judge(self, session: AsyncSession, proposals: Sequence[Proposal], parked: int, now: datetime) -> Verdict:
        accepted = await brake.accepted(session)
        released = await brake.released(session, now)
        novelty = await self._novelty(session, accepted)
        history = await self._history(session, bool(proposals), parked, now)
        news = await self._bank_news(session, now)
        freshness = Freshness(news.age_days, news.gaps, news.thin)
        held: dict[LineState, tuple[Reason, ...]] = {}
        for line in KINDS:
            asked = sum(
                each.line is line and STATE_OF_LINE[released.get(each.contract_id, "open")] < line for each in proposals
            )
            answer = judge(asked, line, history, freshness, novelty, self.limits)
            if isinstance(answer, Held):
                held[line] = answer.reasons
        limits = {str(line): self.limits.volume(line, history.open_lines) for line in KINDS}
        is_doubtful = self._witness is not None and self._witness.is_clock_doubtful
        return Verdict(tuple(proposals), held, released, limits, is_doubtful)

    async def _novelty(self, session: AsyncSession, accepted: Accepted | None) -> list[Reason]:
        """What a person has not seen yet, or has to look at."""
        reasons = []
        if self._settings.enforcement.mode == "monitor":
            reasons.append(Reason(Why.MONITOR, 'mode = "monitor": everything is decided, and no line is restricted'))
        if accepted is None:
            reasons.append(Reason(Why.FIRST, "no person has looked yet at what Hradlo would do here, and released it"))
        else:
            self._accept_clock_with(accepted)
            reasons += _changes(accepted, self._settings)
        if self._witness is not None:
            reasons += await self._witness.look(session, is_first=accepted is None)
        known = {reason.why for reason in reasons}
        for hold in await brake.open_holds(session):
            if hold.why in NEEDS_A_PERSON and hold.why not in known:
                reasons.append(Reason(Why(hold.why), hold.words))
        return reasons

    def _accept_clock_with(self, accepted: Accepted) -> None:
        """Who released something while the clock was in doubt had it before their eyes."""
        is_new = self._release_id is not None and accepted.release_id != self._release_id
        if is_new and self._witness is not None:
            self._witness.accept_clock()
        self._release_id = accepted.release_id

    async def _history(self, session: AsyncSession, is_asked: bool, parked: int, now: datetime) -> History:
        if not is_asked and parked <= self._settings.brake.parked:  # nothing to compare
            return History()
        lately = await brake.restricted_lately(session, now)
        restricted = {STATE_OF_LINE[line]: count for line, count in lately.items()}
        lines, contracts = await brake.open_lines_count(session), await brake.contracts_count(session)
        return History(restricted, lines, contracts, parked)

    async def _bank_news(self, session: AsyncSession, now: datetime) -> BankNews:
        """Looked up anew for a new statement, and each day: it reads weeks of payments."""
        settings = self._settings
        if not settings.brake.statement_age_days:
            return BankNews(None)
        today = day_of(now, settings.zone)
        key = await newest_statement_id(session), today
        if self._bank is None or self._bank[0] != key:
            news = await bank_news(
                session,
                accounts=settings.payments.accounts,
                country=settings.isp.country,
                today=today,
                thin_percent=settings.brake.thin_percent,
            )
            self._bank = key, news
        return self._bank[1]

    async def keep(self, verdict: Verdict, now: datetime) -> None:
        """Writes down what holds, tells the admin what is new, and notes what was seen; or holds on, unwritten."""
        keys = frozenset((each.why, each.line) for each in verdict.holds())
        is_recent = self._kept is not None and timedelta(0) <= now - self._kept[1] < KEPT_EVERY
        if verdict.is_clock_doubtful or (is_recent and self._kept and self._kept[0] == keys):
            return
        try:
            await self._keep(verdict, now)
            self._kept = keys, now
        except (SQLAlchemyError, OSError) as error:
            log.error("what the brake holds can't be written down", error=str(error))

    async def _keep(self, verdict: Verdict, now: datetime) -> None:
        async with self._store.reading() as session:
            holds = await brake.open_holds(session)
        known = {(each.why, each.line) for each in holds if each.gateway == self._gateway or each.why in NEEDS_A_PERSON}
        reasons = verdict.holds()
        if known != {(each.why, each.line) for each in reasons}:
            await self._write_holds(verdict, reasons, now)
        if self._witness is not None:
            async with self._store.reading() as session:
                mark = await journal.mark(session)
            self._witness.note(mark)

    async def _write_holds(self, verdict: Verdict, reasons: Collection[HoldReason], now: datetime) -> None:
        async with self._store.transaction() as session:
            begun = await brake.keep_holds(session, reasons, NEEDS_A_PERSON, self._gateway, now)
            is_news = any(each.why != Why.MONITOR for each in begun) and self._settings.enforcement.mode == "enforce"
            if is_news:
                await held_mail(session, verdict.held_proposals, begun, verdict.checksum, self._settings, now)
        for reason in begun:
            log.warning("held", reason=reason.why, line=reason.line or "all", words=reason.words)


def _changes(accepted: Accepted, settings: Settings) -> list[Reason]:
    """What is another since a person last released something."""
    reasons = []
    if accepted.version != program_version():
        words = f"Hradlo {accepted.version} became {program_version()}, and nobody has seen yet what it decides"
        reasons.append(Reason(Why.UPGRADED, words))
    if accepted.policy_sha256 != brake.policy_sha256(settings):
        reasons.append(
            Reason(Why.POLICY, "the settings of dunning or of the brake are others than at the last release")
        )
    return reasons


async def release(
    store: Store,
    settings: Settings,
    clock: Clock,
    verdict: Verdict,
    *,
    actor: str,
    why: str,
    seen_up_to: int | None = None,
    remembers: bool = True,
) -> bool:
    """A person lets happen what a verdict holds, as this version decides by these settings.

    Whether it was written: not when the journal went on after `seen_up_to`, the entry up to which the verdict was
    judged. A release ends every hold, and must end none that nobody saw. What this gateway sees now is what it has seen
    from now on (`remembers`: not in the demo, which has no witness).
    """
    async with store.transaction() as session:
        await journal.lock(session)
        if seen_up_to is not None and (await journal.mark(session)).id != seen_up_to:
            return False
        await brake.release(
            session,
            {each.contract_id: str(each.line) for each in verdict.held_proposals},
            checksum=verdict.checksum,
            version=program_version(),
            policy=brake.policy_sha256(settings),
            actor=actor,
            why=why,
            now=clock.now(),
        )
        mark = await journal.mark(session)
    if remembers:
        Witness(settings.daemon.state_directory, clock).note(mark)
    return True
