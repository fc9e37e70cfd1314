"""The reconciler: the loop that carries every change of facts to the network, and heals every drift.

A round is always the same, whatever woke it (the doorbell, the clock, somebody else's `nft flush`):

1. *look*: which contracts have journal entries since the last round, or reached their next look?
2. *decide* on those, and record what is news (stage, notice, reminder, mail) in one transaction each chunk;
3. *desire*: join all standings with their addresses;
4. *observe* the network (or trust what was last seen, in a quick round), *plan*, *apply*;
5. *record the lines* that the network now has, with the mails that say so.

A quick round plans for the looked-at contracts alone, so an acknowledgement among 100,000 restricted lines costs
milliseconds. Nothing is remembered that can't be read again: a new process begins with a full look.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning.facts import Decision
from billing.dunning.policy import Policy
from billing.dunning.reading import load_facts
from billing.dunning.recording import LineChange, is_news, lines, record, record_lines
from billing.dunning.rules import WORDS, decide
from billing.services.operations import networks
from billing.store import journal
from billing.store.clock_guard import require_plausible
from billing.store.engine import Store
from config.clock import Clock
from config.settings import Settings
from daemon.desired import desired_lines, group_networks
from enforcement.driver import Driver
from enforcement.planner import carried_out, plan
from enforcement.state import NOTHING, Address, Change, Desired, Observed, Plan

RECORDED_AT_ONCE = 200
"""Contracts in one transaction: few enough that an acknowledgement never waits long for the writer."""
FULL_LOOK_ABOVE = 2000
FULL_LOOK_EVERY = timedelta(hours=1)
ROUNDS_TO_SETTLE_MAX = 20

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did."""

    looked_at: int
    news: int
    plan: Plan
    line_changes: tuple[LineChange, ...] = ()

    @property
    def is_quiet(self) -> bool:
        return not self.news and self.plan.is_empty and not self.line_changes


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One change of a plan with whose it is and why, for a person to judge."""

    address: str
    before: str
    after: str
    contract: str
    debt: str
    why: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a round would do."""

    plan: Plan
    changes: tuple[PlannedChange, ...]


@dataclass(frozen=True, slots=True)
class _Looked:
    """What a look found."""

    contract_ids: frozenset[int]
    news: tuple[int, ...]
    """Contracts for which something is to be written."""
    addresses: frozenset[Address]
    """Theirs, and those that were theirs before; empty in a full look."""
    is_full: bool


@dataclass
class _Memory:
    """What the last rounds learned; all of it can be read again."""

    cursor: int = 0
    """The journal entry up to which everything was looked at."""
    full_look_at: datetime | None = None
    decisions: dict[int, Decision] = field(default_factory=dict)
    networks: dict[int, tuple[Address, ...]] = field(default_factory=dict)
    recorded_lines: dict[int, str] = field(default_factory=dict)
    observed: Observed | None = None
    next_look_at: datetime | None = None


class Reconciler:
    """One per gateway; not for use by two tasks at once."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        driver: Driver,
        clock: Clock,
        garden: Callable[[frozenset[Address]], frozenset[Address]] = lambda seen: frozenset(),
    ) -> None:
        self._settings = settings
        self._policy = Policy.from_settings(settings)
        self._store = store
        self._driver = driver
        self._clock = clock
        self._garden = garden
        self._memory = _Memory()

    @property
    def next_look_at(self) -> datetime | None:
        """When time alone may change something."""
        return self._memory.next_look_at

    async def round(self, *, observes: bool = True) -> Round:
        """One round; `observes=False` trusts what was last seen of the network, and touches only what changed."""
        try:
            done = await self._round(observes, self._clock.now())
        except BaseException:
            self._memory = _Memory()  # half a round is no basis for the next one: begin with a full look
            raise
        if not done.is_quiet:
            changed, line_changes = len(done.plan.changes), len(done.line_changes)
            log.info("round", looked_at=done.looked_at, news=done.news, changed=changed, lines=line_changes)
        return done

    async def _round(self, observes: bool, now: datetime) -> Round:
        looked = await self._look(now)
        await self._record_news(looked.news, now)
        self._memory.next_look_at = self._earliest_look()
        if observes or looked.is_full or self._memory.observed is None:
            made = await self._enforce_all()
            touched: Iterable[int] = self._memory.decisions.keys() | self._memory.recorded_lines.keys()
        else:
            made = await self._enforce_some(looked)
            touched = looked.contract_ids
        changes = await self._record_lines(touched, now)
        return Round(len(looked.contract_ids), len(looked.news), made, changes)

    async def settle(self) -> list[Round]:
        """Rounds until there is nothing left to do; for the command line and the time-lapse."""
        rounds = [await self.round()]
        while not rounds[-1].is_quiet and len(rounds) < ROUNDS_TO_SETTLE_MAX:
            rounds.append(await self.round(observes=False))
        return rounds

    async def preview(self) -> Preview:
        """What a round would decide and do; reads only."""
        await self._look(self._clock.now())
        seen = await self._driver.observe()
        made = plan(self._desired(self._memory.decisions, seen), seen)
        try:
            return self._explained_plan(made)
        finally:
            self._memory = _Memory()  # what was only looked at is still news for the next round

    def _explained_plan(self, made: Plan) -> Preview:
        owners = {address: i for i, addresses in self._memory.networks.items() for address in addresses}
        return Preview(made, tuple(self._explained(change, owners.get(change.address)) for change in made.changes))

    def _explained(self, change: Change, contract_id: int | None) -> PlannedChange:
        states = str(change.address), str(change.before), str(change.after)
        if contract_id is None:
            return PlannedChange(*states, "", "", "no contract has this address")
        decision = self._memory.decisions.get(contract_id)
        if decision is None:
            return PlannedChange(*states, "", "", WORDS["settled"])
        return PlannedChange(*states, decision.contract_number, str(decision.debt), WORDS[decision.why])

    # ── looking and deciding ────────────────────────────────────────────────────────────────────────────────────

    async def _look(self, now: datetime) -> _Looked:
        """Reads and decides on what changed or came due since the last look, or on everything."""
        memory = self._memory
        async with self._store.reading() as session:
            await require_plausible(session, now)
            head, changed = await journal.changed_since(session, memory.cursor)
            is_full = self._must_look_at_all(head, changed, now)
            if is_full:
                memory.decisions, memory.recorded_lines = {}, await lines(session)
                memory.networks = group_networks(await networks(session))
                memory.full_look_at = now
                addresses: frozenset[Address] = frozenset()
                facts = await load_facts(session)
            else:
                ids = changed | self._due(now)
                addresses = await self._look_at_networks(session, ids)
                facts = await load_facts(session, ids)
        news = []
        for one in facts:
            decision = memory.decisions[one.contract_id] = decide(one, self._policy, now)
            if is_news(one, decision):
                news.append(one.contract_id)
        memory.cursor = head
        return _Looked(frozenset(one.contract_id for one in facts), tuple(news), addresses, is_full)

    async def _look_at_networks(self, session: AsyncSession, ids: Collection[int]) -> frozenset[Address]:
        """Reads the addresses of some contracts again; returns those that are or were theirs."""
        before = {address for contract_id in ids for address in self._memory.networks.get(contract_id, ())}
        found = group_networks(await networks(session, ids))
        self._memory.networks |= {contract_id: found.get(contract_id, ()) for contract_id in ids}
        return frozenset(before.union(*found.values()))

    def _must_look_at_all(self, head: int, changed: Collection[int], now: datetime) -> bool:
        last = self._memory.full_look_at
        is_restored = head < self._memory.cursor
        is_old = last is None or not timedelta(0) <= now - last < FULL_LOOK_EVERY
        return is_restored or is_old or len(changed) > FULL_LOOK_ABOVE

    def _due(self, now: datetime) -> set[int]:
        if self._memory.next_look_at is None or self._memory.next_look_at > now:
            return set()
        moments = ((contract_id, decision.next_look_at) for contract_id, decision in self._memory.decisions.items())
        return {contract_id for contract_id, at in moments if at and at <= now}

    def _earliest_look(self) -> datetime | None:
        moments = (decision.next_look_at for decision in self._memory.decisions.values())
        return min((at for at in moments if at), default=None)

    async def _record_news(self, news: Sequence[int], now: datetime) -> None:
        for start in range(0, len(news), RECORDED_AT_ONCE):
            async with self._store.transaction() as session:
                chunk = news[start : start + RECORDED_AT_ONCE]
                self._memory.decisions |= await record(session, chunk, self._settings, now)

    # ── enforcing ───────────────────────────────────────────────────────────────────────────────────────────────

    def _desired(self, decisions: dict[int, Decision], seen: Observed) -> Desired:
        standing = {contract_id: decision.stage.line for contract_id, decision in decisions.items()}
        return Desired(desired_lines(standing, self._memory.networks), self._garden(seen.garden))

    async def _enforce_all(self) -> Plan:
        seen = self._memory.observed = await self._driver.observe()
        made = plan(self._desired(self._memory.decisions, seen), seen)
        return await self._apply(made)

    async def _enforce_some(self, looked: _Looked) -> Plan:
        """Plans for a few contracts on what was last seen; everything else is left to the next full round."""
        seen = self._memory.observed
        assert seen is not None
        mine = {i: self._memory.decisions[i] for i in looked.contract_ids}
        part = Observed({a: seen.lines[a] for a in looked.addresses if a in seen.lines}, seen.garden, seen.is_installed)
        return await self._apply(plan(Desired(self._desired(mine, seen).lines, seen.garden), part))

    async def _apply(self, made: Plan) -> Plan:
        if made.is_empty:
            return NOTHING
        assert self._memory.observed is not None
        seen, self._memory.observed = self._memory.observed, None  # unknown, unless the driver succeeds
        await self._driver.apply(made)
        self._memory.observed = carried_out(seen, made)
        return made

    # ── what the network was made to do ─────────────────────────────────────────────────────────────────────────

    async def _record_lines(self, contract_ids: Iterable[int], now: datetime) -> tuple[LineChange, ...]:
        changes = [change for contract_id in contract_ids if (change := self._line_change(contract_id))]
        for start in range(0, len(changes), RECORDED_AT_ONCE):
            chunk = changes[start : start + RECORDED_AT_ONCE]
            async with self._store.transaction() as session:
                await record_lines(session, chunk, self._settings, now)
            for change in chunk:
                self._memory.recorded_lines[change.contract_id] = change.after
        return tuple(changes)

    def _line_change(self, contract_id: int) -> LineChange | None:
        decision = self._memory.decisions.get(contract_id)
        has_addresses = bool(self._memory.networks.get(contract_id))
        after = decision.stage.line if decision and has_addresses else "open"
        before = self._memory.recorded_lines.get(contract_id, "open")
        return None if after == before else LineChange(contract_id, before, after)
