"""Deciding: what changed or came due is looked at, decided on, and what is news is recorded. No network is known here.

One `Decider` for an engine, however many sites it enforces. A look

1. reads which contracts have journal entries since the last look, or reached their next one (or reads all);
2. decides on those, and records what is news (stage, notice, reminder, mail) in one transaction each chunk;
3. makes the result `Known` in one step, between two awaits: enforcers, which are other tasks, never see half a look.

A look that fails (no database, a clock that is wrong) leaves what is known as it was, and the next one reads all.

**The brake's place** is `_publish`: everything is decided and recorded there, and no enforcer has seen it yet. Who is
in `Known.held` keeps, at each site, the line that is recorded there (`Known.wanted`), until it is there no more.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning.facts import Decision
from billing.dunning.lines import lines
from billing.dunning.policy import Policy
from billing.dunning.reading import load_facts
from billing.dunning.recording import is_news, record
from billing.dunning.rules import decide
from billing.services.operations import networks
from billing.store import journal
from billing.store.clock_guard import require_plausible
from billing.store.engine import Store
from config.clock import Clock
from config.settings import Settings
from daemon.desired import Networks, group_networks
from enforcement.state import Address

RECORDED_AT_ONCE = 200
"""Contracts in one transaction: few enough that an acknowledgement never waits long for the writer."""
FULL_LOOK_ABOVE = 2000
FULL_LOOK_EVERY = timedelta(hours=1)


@dataclass
class Known:
    """What the looks so far have found; all of it can be read again."""

    decisions: dict[int, Decision] = field(default_factory=dict)
    networks: dict[str, dict[int, tuple[Address, ...]]] = field(default_factory=dict)
    """Site -> contract id -> its addresses there."""
    lines: dict[str, dict[int, str]] = field(default_factory=dict)
    """Site -> contract id -> the line that is recorded there; who is not in it is open."""
    held: frozenset[int] = frozenset()
    """Contracts that get no stricter line for now, whatever was decided."""

    def networks_at(self, site: str) -> Networks:
        return self.networks.get(site, {})

    def lines_at(self, site: str) -> dict[int, str]:
        return self.lines.setdefault(site, {})

    def wanted(self, site: str, contract_ids: Iterable[int] | None = None) -> dict[int, str]:
        """The restricted lines that contracts should have at a site, of some contracts or of all."""
        networks, decisions = self.networks_at(site), self.decisions
        ids = decisions.keys() if contract_ids is None else decisions.keys() & contract_ids
        lines = {i: line for i in ids if (line := decisions[i].stage.line) != "open" and networks.get(i)}
        recorded = self.lines_at(site)
        for contract_id in self.held & lines.keys():
            lines[contract_id] = recorded.get(contract_id, "open")
        return lines


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


class Decider:
    """Not for use by two tasks at once."""

    def __init__(self, settings: Settings, store: Store, clock: Clock, sites: Collection[str]) -> None:
        self._settings = settings
        self._policy = Policy.from_settings(settings)
        self._store = store
        self._clock = clock
        self._sites = tuple(sites)
        self._cursor = 0
        """The journal entry up to which everything was looked at."""
        self._full_look_at: datetime | None = None
        self.known: Known | None = None
        """None until the first look succeeds: without facts there is no verdict."""
        self.next_look_at: datetime | None = None
        """When time alone may change something."""

    async def look(self) -> Looked:
        """Looks, decides and records; raises what store and clock raise, and then knows what it knew before."""
        now = self._clock.now()
        try:
            found = await self._read(now, everything=False)
            found.decisions |= await self._record(found.news, now)
        except BaseException:
            self._full_look_at = None  # half a look is no basis for the next one
            raise
        return self._publish(found, now)

    async def would_know(self) -> Known:
        """What a full look would lead to; writes nothing, and remembers nothing."""
        found = await self._read(self._clock.now(), everything=True)
        return Known(found.decisions, found.networks, found.lines)

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
                known.networks[site] |= of_contracts
        self._cursor = found.head
        moments = (decision.next_look_at for decision in known.decisions.values())
        self.next_look_at = min((at for at in moments if at), default=None)
        return Looked(frozenset(found.decisions), len(found.news), left, found.is_full)

    async def _read(self, now: datetime, *, everything: bool) -> _Found:
        """Reads and decides on what changed or came due since the last look, or on everything."""
        async with self._store.reading() as session:
            await require_plausible(session, now)
            head, changed = await journal.changed_since(session, self._cursor)
            ids = None if everything or self._must_look_at_all(head, changed, now) else changed | self._due(now)
            of_sites = await self._networks(session, ids)
            recorded = {site: await lines(session, site) for site in self._sites} if ids is None else {}
            facts = await load_facts(session, ids)
        decisions: dict[int, Decision] = {}
        news: list[int] = []
        for one in facts:
            decision = decisions[one.contract_id] = decide(one, self._policy, now)
            if is_news(one, decision):
                news.append(one.contract_id)
        return _Found(head, ids is None, decisions, of_sites, recorded, tuple(news))

    async def _networks(
        self, session: AsyncSession, ids: Collection[int] | None
    ) -> dict[str, dict[int, tuple[Address, ...]]]:
        """By site; of some contracts, those without any address are there, too."""
        return {
            site: dict.fromkeys(ids or (), ()) | group_networks(await networks(session, site, ids))
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

    async def _record(self, news: Sequence[int], now: datetime) -> dict[int, Decision]:
        decisions: dict[int, Decision] = {}
        for start in range(0, len(news), RECORDED_AT_ONCE):
            async with self._store.transaction() as session:
                chunk = news[start : start + RECORDED_AT_ONCE]
                decisions |= await record(session, chunk, self._settings, now)
        return decisions


def _addresses(of_contracts: Networks, contract_ids: Iterable[int]) -> frozenset[Address]:
    return frozenset(address for i in contract_ids for address in of_contracts.get(i, ()))
