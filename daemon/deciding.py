"""Deciding: what changed or came due is looked at, decided on, and what is news is recorded. No network is known here.

One `Decider` for an engine, however many sites it enforces. A look

1. reads which contracts have journal entries since the last look, or reached their next one (or reads all);
2. decides on those, and asks the brake about all whose line would get stricter (see `braking`);
3. records what is news (stage, notice, reminder, mail) in one transaction each chunk. What the brake holds is not
   news: the contract stays in its stage, nothing is mailed, and it is proposed again at the next look;
4. makes the result `Known` in one step, between two awaits: enforcers, which are other tasks, never see half a look.

A look that fails (no database, a clock that is wrong) leaves what is known as it was, and the next one reads all.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning.facts import Decision, Facts
from billing.dunning.lines import lines
from billing.dunning.policy import Policy
from billing.dunning.reading import load_facts
from billing.dunning.recording import is_news, record
from billing.dunning.rules import STRICTNESS, decide_within, is_stricter
from billing.services.bindings import bound_contracts
from billing.services.operations import networks
from billing.store import journal
from billing.store.clock_guard import require_plausible
from billing.store.engine import Store
from config.clock import Clock
from config.settings import Settings
from daemon.braking import Brake, Verdict
from daemon.desired import Networks, group_networks
from daemon.witness import Witness
from enforcement.state import Address

RECORDED_AT_ONCE = 200
"""Contracts in one transaction: few enough that an acknowledgement never waits long for the writer."""
FULL_LOOK_ABOVE = 2000
FULL_LOOK_EVERY = timedelta(hours=1)
HELD_LOOK_EVERY = timedelta(seconds=30)
STRICTEST = "suspended"


@dataclass
class Known:
    """What the looks so far have found; all of it can be read again."""

    decisions: dict[int, Decision] = field(default_factory=dict)
    networks: dict[str, dict[int, tuple[Address, ...]]] = field(default_factory=dict)
    """Site -> contract id -> its addresses there: none for one that is known by a binding and away just now."""
    lines: dict[str, dict[int, str]] = field(default_factory=dict)
    """Site -> contract id -> the line that is recorded there; who is not in it is open."""
    verdict: Verdict = field(default_factory=Verdict)
    """What the brake said at the last look."""
    cursor: int = 0
    """The journal entry up to which all of this was read."""

    def networks_at(self, site: str) -> Networks:
        return self.networks.get(site, {})

    def lines_at(self, site: str) -> dict[int, str]:
        return self.lines.setdefault(site, {})

    def wanted(self, site: str, contract_ids: Iterable[int] | None = None) -> dict[int, str]:
        """The restricted lines that contracts should have at a site, of some contracts or of all."""
        networks, decisions = self.networks_at(site), self.decisions
        ids = decisions.keys() if contract_ids is None else decisions.keys() & contract_ids
        return {i: line for i in ids if (line := decisions[i].stage.line) != "open" and i in networks}


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look led to, for those who enforce."""

    contract_ids: frozenset[int]
    news: int
    """Contracts about which something was written."""
    left: Mapping[str, frozenset[Address]]
    """Site -> addresses that were of these contracts before; empty in a full look."""
    is_full: bool


@dataclass
class _Found:
    """What was read and decided, before it is known."""

    head: int
    is_full: bool
    decisions: dict[int, Decision]
    networks: dict[str, dict[int, tuple[Address, ...]]]
    lines: dict[str, dict[int, str]]
    """Empty unless it is full."""
    news: tuple[int, ...]
    proposed: dict[int, Decision]
    """What was decided about contracts whose line would get stricter."""
    verdict: Verdict
    looked_at: Collection[int] = ()
    """Empty when it is full."""


class Decider:
    """Not for use by two tasks at once."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        sites: Collection[str],
        witness: Witness | None = None,
    ) -> None:
        self._settings = settings
        self._brake = Brake(settings, store, clock, witness)
        self._policy = Policy.from_settings(settings)
        self._store = store
        self._clock = clock
        self._sites = tuple(sites)
        self._cursor = 0
        """The journal entry up to which everything was looked at."""
        self._full_look_at: datetime | None = None
        self._proposed: dict[int, Decision] = {}
        """Contracts that are held."""
        self._proposed_at: datetime | None = None
        """When these were last decided on."""
        self.known: Known | None = None
        """None until the first look succeeds: without facts there is no verdict."""
        self.next_look_at: datetime | None = None
        """When time alone may change something."""

    async def look(self) -> Looked:
        """Looks, decides and records; raises what store and clock raise, and then knows what it knew before."""
        now = self._clock.now()
        try:
            found = await self._read(now, everything=False)
            found.decisions |= await self._record(found, now)
        except BaseException:
            self._full_look_at = None  # half a look is no basis for the next one
            raise
        return self._publish(found, now)

    async def keep(self) -> None:
        """Writes down what the brake holds and what this gateway saw. After a look: no line waits for it."""
        if self.known is not None:
            await self._brake.keep(self.known.verdict, self._clock.now())

    async def would_know(self) -> Known:
        """What a full look would lead to; writes nothing, and remembers nothing."""
        found = await self._read(self._clock.now(), everything=True)
        permit = found.verdict.permit
        decisions = found.decisions | {i: found.proposed[i] for i in found.proposed if i in permit.lines}
        return Known(decisions, found.networks, found.lines, found.verdict, found.head)

    def _publish(self, found: _Found, now: datetime) -> Looked:
        known = self.known
        left: dict[str, frozenset[Address]] = {}
        if found.is_full or known is None:
            self.known = known = Known(found.decisions, found.networks, found.lines)
            self._full_look_at = now
        else:
            left = {site: _addresses(known.networks_at(site), found.decisions) for site in self._sites}
            known.decisions |= found.decisions
            for site, of_contracts in found.networks.items():
                for contract_id in found.looked_at:
                    known.networks[site].pop(contract_id, None)
                known.networks[site] |= of_contracts
        known.verdict = found.verdict
        held = {each.contract_id for each in found.verdict.held_proposals}
        self._proposed = {i: found.proposed[i] for i in held}
        self._cursor = known.cursor = found.head
        moments = (decision.next_look_at for decision in known.decisions.values())
        self.next_look_at = min((at for at in moments if at), default=None)
        return Looked(frozenset(found.decisions), len(found.news), left, found.is_full)

    async def _read(self, now: datetime, *, everything: bool) -> _Found:
        """Reads and decides on what changed or came due since the last look, or on everything."""
        async with self._store.reading() as session:
            await require_plausible(session, now)
            head, changed = await journal.changed_since(session, self._cursor)
            is_full = everything or self._must_look_at_all(head, changed, now)
            ids = None if is_full else changed | self._due(now) | self._held_again(now)
            of_sites = await self._networks(session, ids)
            recorded = {site: await lines(session, site) for site in self._sites} if ids is None else {}
            facts = await load_facts(session, ids)
        nothing_decided = _Found(head, ids is None, {}, of_sites, recorded, (), {}, Verdict(), ids or ())
        return await self._decided(facts, nothing_decided, now)

    async def _decided(self, facts: Sequence[Facts], found: _Found, now: datetime) -> _Found:
        """Decides, and asks the brake; what it holds is decided on anew, as if nothing stricter were to come."""
        by_id = {one.contract_id: one for one in facts}
        for one in facts:
            decision = decide_within(one, self._policy, now, STRICTEST)
            target = found.proposed if is_stricter(decision, one) else found.decisions
            target[one.contract_id] = decision
        if not found.is_full:  # those who were held, and were not looked at again
            found.proposed |= {i: one for i, one in self._proposed.items() if i not in by_id}
        parked = self._parked_elsewhere(by_id, found) + sum(bool(one.parked) for one in found.decisions.values())
        verdict = await self._brake.judge(found.proposed.values(), parked, now)
        permitted = verdict.permit.lines
        for contract_id in found.proposed.keys() & by_id.keys():
            is_permitted = contract_id in permitted
            within = (
                found.proposed[contract_id] if is_permitted else decide_within(by_id[contract_id], self._policy, now)
            )
            found.decisions[contract_id] = within
        news = [i for i, one in by_id.items() if self._is_to_be_written(one, found.decisions[i], verdict)]
        news += [i for i in found.proposed.keys() - by_id.keys() if i in permitted]
        return replace(found, news=tuple(news), verdict=verdict)

    def _is_to_be_written(self, facts: Facts, decision: Decision, verdict: Verdict) -> bool:
        """With a time that may be wrong, only what gives a line back."""
        if verdict.is_clock_doubtful and STRICTNESS[decision.stage.line] >= STRICTNESS[facts.stage.line]:
            return False
        return is_news(facts, decision)

    def _parked_elsewhere(self, looked_at: Collection[int], found: _Found) -> int:
        """Contracts that were parked before, and were not looked at now."""
        if found.is_full or self.known is None:
            return 0
        return sum(bool(one.parked) for i, one in self.known.decisions.items() if i not in looked_at)

    def _held_again(self, now: datetime) -> set[int]:
        """Those who are held are looked at again from time to time: the hour may have become a quiet one."""
        if self._proposed_at is not None and timedelta(0) <= now - self._proposed_at < HELD_LOOK_EVERY:
            return set()
        self._proposed_at = now
        return set(self._proposed)

    async def _networks(
        self, session: AsyncSession, ids: Collection[int] | None
    ) -> dict[str, dict[int, tuple[Address, ...]]]:
        """By site. Who is known by a binding belongs there while away, too: the line waits for them."""
        return {
            site: dict.fromkeys(await bound_contracts(session, site, ids), ())
            | group_networks(await networks(session, site, ids))
            for site in self._sites
        }

    def _must_look_at_all(self, head: int, changed: Collection[int], now: datetime) -> bool:
        last = self._full_look_at
        is_restored = head < self._cursor
        is_old = last is None or not timedelta(0) <= now - last < FULL_LOOK_EVERY
        return is_restored or is_old or len(changed) > FULL_LOOK_ABOVE

    def _due(self, now: datetime) -> set[int]:
        if self.known is None or self.next_look_at is None or self.next_look_at > now:
            return set()
        moments = ((contract_id, decision.next_look_at) for contract_id, decision in self.known.decisions.items())
        return {contract_id for contract_id, at in moments if at and at <= now}

    async def _record(self, found: _Found, now: datetime) -> dict[int, Decision]:
        decisions: dict[int, Decision] = {}
        permit = found.verdict.permit
        for start in range(0, len(found.news), RECORDED_AT_ONCE):
            async with self._store.transaction() as session:
                chunk = found.news[start : start + RECORDED_AT_ONCE]
                decisions |= await record(session, chunk, self._settings, now, permit)
        return decisions


def _addresses(of_contracts: Networks, contract_ids: Iterable[int]) -> frozenset[Address]:
    return frozenset(address for i in contract_ids for address in of_contracts.get(i, ()))
