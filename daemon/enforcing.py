"""Enforcing: what is known is carried to one site, and the site is healed of every drift.

A *site* is one enforcement point with its own address space: an nftables gateway, or one router. Each has an
`Enforcer` of its own, with its own driver, memory of what was seen, and patience, so that a site which is not reached
delays no other one. Its round is: *observe* (or trust what was last seen, in a quick round), *plan*, *apply*, and
*record the lines* that the network now has, with the mails that say so.

It needs no database to heal: it works from what the last look made known (see `deciding`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from billing.dunning.line_changes import LineChange, record_lines
from billing.dunning.rules import STRICTNESS
from billing.store.engine import Store
from config.clock import Clock
from config.errors import DriverError
from config.settings import Settings
from daemon.deciding import RECORDED_AT_ONCE, Known, Looked
from daemon.desired import desired_lines
from enforcement.driver import Driver
from enforcement.planner import carried_out, plan
from enforcement.state import NOTHING, Address, Desired, Observed, Plan

Garden = Callable[[frozenset[Address]], frozenset[Address]]
"""What a site has in its garden -> what it should have."""
PATIENCE_SECONDS_MIN = 1.0
PATIENCE_SECONDS_MAX = 60.0

log = structlog.get_logger()


def no_garden(seen: frozenset[Address]) -> frozenset[Address]:
    return frozenset()


@dataclass(frozen=True, slots=True)
class Enforced:
    """What one round did at a site."""

    plan: Plan = NOTHING
    line_changes: tuple[LineChange, ...] = ()

    @property
    def is_quiet(self) -> bool:
        return self.plan.is_empty and not self.line_changes


@dataclass
class _Todo:
    """What was looked at since the last round."""

    contract_ids: set[int]
    addresses: set[Address]
    is_everything: bool


class Enforcer:
    """One site. Not for use by two tasks at once, except `heed`."""

    def __init__(
        self, site: str, driver: Driver, settings: Settings, store: Store, clock: Clock, garden: Garden = no_garden
    ) -> None:
        self.site = site
        self.driver = driver
        self.trouble = "not looked at yet"
        """Why it is not known how the site is; empty after a round that succeeded."""
        self.shows_notices = True
        """The notice server answers; else nobody is led to it. What is recorded stays: this is no restoration."""
        self._failures = 0
        self._settings = settings
        self._store = store
        self._clock = clock
        self._garden = garden
        self._known: Known | None = None
        self._observed: Observed | None = None
        """None: not known, so that the next round observes."""
        self._todo = _Todo(set(), set(), is_everything=True)

    def heed(self, known: Known, looked: Looked) -> None:
        """Takes over what a look led to; the next round carries it out."""
        self._known = known
        self._todo.is_everything |= looked.is_full
        self._todo.contract_ids |= looked.contract_ids
        self._todo.addresses |= looked.left.get(self.site, frozenset())

    @property
    def knows_up_to(self) -> int:
        """The journal entry up to which facts are known here."""
        return self._known.cursor if self._known else 0

    @property
    def restricted(self) -> int:
        """How many addresses were restricted when the site was last seen."""
        return len(self._observed.lines) if self._observed else 0

    @property
    def retry_seconds(self) -> float:
        """How long to leave a site alone that was not reached: longer each time, up to a minute."""
        return min(PATIENCE_SECONDS_MIN * 2.0 ** max(0, self._failures - 1), PATIENCE_SECONDS_MAX)

    def not_reached(self, error: DriverError) -> None:
        """The site could not be asked or told something: for a while longer than the last time it is left alone."""
        self._failures, self.trouble = self._failures + 1, str(error)

    async def round(self, *, observes: bool = True) -> Enforced:
        """One round; `observes=False` trusts what was last seen, and touches only what was looked at since.

        Raises `DriverError`, and what the store raises; either way the next round does everything anew.
        """
        if self._known is None:
            return Enforced()
        todo, self._todo = self._todo, _Todo(set(), set(), is_everything=False)
        try:
            done = await self._round(self._known, todo, observes or todo.is_everything)
        except BaseException as error:
            self._todo.is_everything = True
            if isinstance(error, DriverError):
                self.not_reached(error)
            raise
        self._failures, self.trouble = 0, ""
        if not done.is_quiet:
            log.info("enforced", site=self.site, changed=len(done.plan.changes), lines=len(done.line_changes))
        return done

    async def _round(self, known: Known, todo: _Todo, is_full: bool) -> Enforced:
        if is_full or self._observed is None:
            wanted = known.wanted(self.site)
            made = await self._enforce_all(known, wanted)
            touched: Iterable[int] = wanted.keys() | known.lines_at(self.site).keys()
        else:
            wanted = known.wanted(self.site, todo.contract_ids)
            made = await self._enforce_some(known, wanted, todo)
            touched = todo.contract_ids
        return Enforced(made, await self._record_lines(known, wanted, touched, self._clock.now()))

    # ── the network ─────────────────────────────────────────────────────────────────────────────────────────────

    async def plan_for(self, known: Known) -> Plan:
        """What a round would do; only looks."""
        seen = await self.driver.observe()
        return _allowed(plan(self._desired(known, known.wanted(self.site), seen), seen), known)

    def _desired(self, known: Known, wanted: Mapping[int, str], seen: Observed) -> Desired:
        return Desired(desired_lines(self._shown(wanted), known.networks_at(self.site)), self._garden(seen.garden))

    def _shown(self, wanted: Mapping[int, str]) -> Mapping[int, str]:
        """Nobody is led to a notice that nobody shows; who is suspended stays so, and reaches banks and DNS."""
        if self.shows_notices:
            return wanted
        return {contract_id: line for contract_id, line in wanted.items() if line != "notice"}

    async def _enforce_all(self, known: Known, wanted: Mapping[int, str]) -> Plan:
        self._observed = None
        seen = await self.driver.observe()
        return await self._apply(_allowed(plan(self._desired(known, wanted, seen), seen), known), seen)

    async def _enforce_some(self, known: Known, wanted: Mapping[int, str], todo: _Todo) -> Plan:
        """Plans for a few contracts on what was last seen; everything else is left to the next full round."""
        seen = self._observed
        assert seen is not None
        networks = known.networks_at(self.site)
        addresses = todo.addresses.union(*(networks.get(i, ()) for i in todo.contract_ids))
        part = Observed({a: seen.lines[a] for a in addresses if a in seen.lines}, seen.garden, seen.is_installed)
        desired = Desired(desired_lines(self._shown(wanted), networks), seen.garden)
        return await self._apply(_allowed(plan(desired, part), known), seen)

    async def _apply(self, made: Plan, seen: Observed) -> Plan:
        self._observed = None  # unknown, unless the driver succeeds
        if not made.is_empty:
            applied = await self.driver.apply(made)
            for note in applied.notes:
                log.info("applied", site=self.site, note=note)
        self._observed = seen if made.is_empty else carried_out(seen, made)
        return made

    # ── what it was made to do ──────────────────────────────────────────────────────────────────────────────────

    async def _record_lines(
        self, known: Known, wanted: Mapping[int, str], contract_ids: Iterable[int], now: datetime
    ) -> tuple[LineChange, ...]:
        recorded = known.lines_at(self.site)
        changes = [
            LineChange(contract_id, before, after)
            for contract_id in contract_ids
            if (after := wanted.get(contract_id, "open")) != (before := recorded.get(contract_id, "open"))
            and not (known.verdict.is_frozen and STRICTNESS[after] > STRICTNESS[before])
        ]
        for start in range(0, len(changes), RECORDED_AT_ONCE):
            chunk = changes[start : start + RECORDED_AT_ONCE]
            async with self._store.transaction() as session:
                await record_lines(session, self.site, chunk, self._settings, now)
            recorded |= {change.contract_id: change.after for change in chunk}
        return tuple(changes)


def _allowed(made: Plan, known: Known) -> Plan:
    """While what is known may be wrong as a whole, or nothing is to be written, lines are only given back."""
    if not known.verdict.is_frozen:
        return made
    return Plan(restores=made.restores, installs=made.installs) if made.restores else NOTHING
