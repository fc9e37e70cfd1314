"""The reconciler: decides once, and carries it to every site. It heals every drift by the same loop.

`deciding` looks, decides and records; `enforcing` makes each site so. The engine runs the two as tasks of their own
(see `engine`); here they take turns, for the command line, the time-lapse and tests. A quick round plans for the
looked-at contracts alone, so an acknowledgement among 100,000 restricted lines costs milliseconds. Nothing is
remembered that can't be read again: a new process begins with a full look.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

import structlog

from billing.dunning.facts import Decision
from billing.dunning.line_changes import LineChange
from billing.dunning.rules import WORDS
from billing.store.engine import Store
from config.clock import Clock
from config.errors import DriverError
from config.settings import Settings
from daemon.braking import Verdict
from daemon.deciding import Decider, Known
from daemon.enforcing import Enforced, Enforcer, Garden, no_garden
from daemon.witness import Witness
from enforcement.driver import Driver
from enforcement.state import Change, Plan

ROUNDS_TO_SETTLE_MAX = 20

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did."""

    looked_at: int
    news: int
    enforced: Mapping[str, Enforced]
    """By site."""

    @property
    def is_quiet(self) -> bool:
        return not self.news and all(one.is_quiet for one in self.enforced.values())

    @property
    def plans(self) -> list[Plan]:
        return [one.plan for one in self.enforced.values()]

    @property
    def changes(self) -> list[Change]:
        """Of all sites."""
        return [change for made in self.plans for change in made.changes]

    @property
    def line_changes(self) -> list[LineChange]:
        return [change for one in self.enforced.values() for change in one.line_changes]


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One change of a plan with whose it is and why, for a person to judge."""

    site: str
    address: str
    before: str
    after: str
    contract: str
    debt: str
    why: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a round would do."""

    plans: Mapping[str, Plan]
    """By site."""
    changes: tuple[PlannedChange, ...]
    unknown: Mapping[str, str] = field(default_factory=dict)
    """Sites that were not reached, and why."""
    verdict: Verdict = field(default_factory=Verdict)
    """What the brake says: who would be restricted, and is not."""

    @property
    def is_empty(self) -> bool:
        return all(made.is_empty for made in self.plans.values())

    @property
    def checksum(self) -> str:
        """12 hex digits that change whenever the plan of any site does."""
        parts = [f"{site} {made.checksum}\n" for site, made in sorted(self.plans.items())]
        return sha256("".join(parts).encode()).hexdigest()[:12]


class Reconciler:
    """One for an engine; not for use by two tasks at once."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        drivers: Mapping[str, Driver],
        clock: Clock,
        garden: Garden = no_garden,
        witness: Witness | None = None,
    ) -> None:
        self.decider = Decider(settings, store, clock, drivers, witness)
        self.enforcers = [Enforcer(site, each, settings, store, clock, garden) for site, each in drivers.items()]

    @property
    def next_look_at(self) -> datetime | None:
        """When time alone may change something."""
        return self.decider.next_look_at

    async def look(self) -> tuple[int, int]:
        """Decides, and tells every site; returns how many contracts were looked at, and how many were news."""
        looked = await self.decider.look()
        assert self.decider.known is not None
        for enforcer in self.enforcers:
            enforcer.heed(self.decider.known, looked)
        return len(looked.contract_ids), looked.news

    async def round(self, *, observes: bool = True) -> Round:
        """One round at every site; `observes=False` trusts what was last seen, and touches only what changed.

        What one site raises is raised when the others are done.
        """
        looked_at, news = await self.look()
        rounds = (enforcer.round(observes=observes) for enforcer in self.enforcers)
        outcomes = await asyncio.gather(*rounds, return_exceptions=True)
        await self.decider.keep()
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        enforced = [outcome for outcome in outcomes if isinstance(outcome, Enforced)]
        sites = (enforcer.site for enforcer in self.enforcers)
        return Round(looked_at, news, dict(zip(sites, enforced, strict=True)))

    async def settle(self) -> list[Round]:
        """Rounds until there is nothing left to do; for the command line and the time-lapse."""
        rounds = [await self.round()]
        while not rounds[-1].is_quiet and len(rounds) < ROUNDS_TO_SETTLE_MAX:
            rounds.append(await self.round(observes=False))
        return rounds

    async def preview(self) -> Preview:
        """What a round would decide and do; reads only. A site that is not reached is unknown."""
        known = await self.decider.would_know()
        plans: dict[str, Plan] = {}
        unknown: dict[str, str] = {}
        changes: list[PlannedChange] = []
        outcomes = await asyncio.gather(*(each.plan_for(known) for each in self.enforcers), return_exceptions=True)
        for enforcer, outcome in zip(self.enforcers, outcomes, strict=True):
            if isinstance(outcome, Plan):
                plans[enforcer.site] = outcome
                changes += _explained(enforcer.site, outcome.changes, known)
            elif isinstance(outcome, DriverError):
                unknown[enforcer.site] = str(outcome)
            else:
                raise outcome
        return Preview(plans, tuple(changes), unknown, known.verdict)


def _explained(site: str, changes: Iterable[Change], known: Known) -> Iterator[PlannedChange]:
    owners = {address: i for i, addresses in known.networks_at(site).items() for address in addresses}
    for change in changes:
        words = _whose_and_why(owners.get(change.address), known.decisions)
        yield PlannedChange(site, str(change.address), str(change.before), str(change.after), *words)


def _whose_and_why(contract_id: int | None, decisions: Mapping[int, Decision]) -> tuple[str, str, str]:
    if contract_id is None:
        return "", "", "no contract has this address"
    decision = decisions.get(contract_id)
    if decision is None:
        return "", "", WORDS["settled"]
    return decision.contract_number, str(decision.debt), WORDS[decision.why]
