"""Where everybody stands, and what is to come: read from the world, ready to be put into a template."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning.facts import Facts
from billing.dunning.forecast import forecast, forecast_all
from billing.dunning.policy import Policy
from billing.dunning.reading import load_facts
from billing.dunning.rules import decide
from billing.money import ZERO, Money
from billing.payments.operations import WaitingPayment, unmatched
from daemon.demo.people import Subscriber
from daemon.demo.world import World

STAGES = {
    "clear": ("Clear", "nothing is overdue, or somebody protects it"),
    "reminded": ("Reminded", "overdue: reminders go out by e-mail"),
    "notice": ("Notice", "plain http leads to the notice page"),
    "acknowledged": ("Acknowledged", "they have read it: ten days of grace run"),
    "suspended": ("Suspended", "only the bank and the portal answer"),
    "parked": ("Parked", "absurd facts: a person must look"),
}
"""In the order of the story: name, and what it means for the subscriber."""
FORECAST_DAYS = 14
FORESEEN = {
    "clear": "becomes clear",
    "reminder": "gets a reminder",
    "notice": "sees the notice",
    "notice_mail": "gets the notice by e-mail",
    "acknowledged": "has acknowledged",
    "suspended": "is suspended",
}
"""What the forecast says, in words; a contract that only begins to be overdue is told by its reminder."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """One thing that will happen to one subscriber, if nobody pays, reads or intervenes."""

    at: datetime
    what: str
    """As the forecast calls it: a key of FORESEEN."""
    person: Subscriber

    @property
    def words(self) -> str:
        return FORESEEN[self.what]


@dataclass(frozen=True, slots=True)
class Happening:
    """The same thing that happens to some people at one moment."""

    at: datetime
    what: str
    words: str
    people: tuple[Subscriber, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One subscriber in the list."""

    person: Subscriber
    stage: str
    debt: Money
    """Overdue."""
    coming: Ahead | None


@dataclass(frozen=True, slots=True)
class Overview:
    """Everybody, as they stand now."""

    rows: tuple[Row, ...]
    counts: Mapping[str, int]
    ahead: tuple[Ahead, ...]
    waiting: tuple[WaitingPayment, ...]
    """Payments that a person must assign."""

    @property
    def debt(self) -> Money:
        return Money.total(row.debt for row in self.rows)


async def overview(world: World) -> Overview:
    """Everybody's stage and debt, the forecast, and what the bank left to be done."""
    policy, now = Policy.from_settings(world.settings), world.clock.now()
    async with world.store.reading() as session:
        everybody = await load_facts(session)
        waiting = tuple(await unmatched(session))
    ahead = tuple(_ahead(world, everybody, policy, now))
    first = {each.person.number: each for each in reversed(ahead)}
    facts_of = {facts.contract_number: facts for facts in everybody}
    rows = []
    for person in world.people:
        stage, debt = "clear", ZERO
        if facts := facts_of.get(person.number):
            decision = decide(facts, policy, now)
            stage, debt = "parked" if decision.parked else decision.stage.value, decision.debt
        rows.append(Row(person, stage, debt, first.get(person.number)))
    return Overview(tuple(rows), Counter(row.stage for row in rows), ahead, waiting)


async def ahead_of(world: World, person: Subscriber) -> list[Ahead]:
    """What is to come for one subscriber, further than for all."""
    policy, now = Policy.from_settings(world.settings), world.clock.now()
    async with world.store.reading() as session:
        facts = [one for one in await load_facts(session) if one.contract_number == person.number]
    until = now + timedelta(days=2 * FORECAST_DAYS)
    return [
        Ahead(world.local(seen.at), seen.what, person)
        for one in facts
        for seen in forecast(one, policy, now, until)
        if seen.what in FORESEEN
    ]


def _ahead(world: World, everybody: Sequence[Facts], policy: Policy, now: datetime) -> Iterator[Ahead]:
    for seen in forecast_all(everybody, policy, now, now + timedelta(days=FORECAST_DAYS)):
        person = world.person(seen.contract_number)
        if person is not None and seen.what in FORESEEN:
            yield Ahead(world.local(seen.at), seen.what, person)


def happenings(ahead: Iterable[Ahead]) -> list[Happening]:
    """What happens at the same time to several people, in one line."""
    found: dict[tuple[datetime, str], list[Subscriber]] = {}
    for each in ahead:
        found.setdefault((each.at, each.what), []).append(each.person)
    return [Happening(at, what, FORESEEN[what], tuple(people)) for (at, what), people in found.items()]


def by_day(happened: Iterable[Happening]) -> list[tuple[date, list[Happening]]]:
    """Days with what happens on them, in the given order."""
    return [(day, list(group)) for day, group in groupby(happened, key=lambda each: each.at.date())]


async def open_invoices(session: AsyncSession, contract_id: int) -> dict[str, Money]:
    """What a subscriber could pay now, overdue or not: invoice number -> open amount, the oldest first."""
    facts = (await load_facts(session, [contract_id]))[0]
    return {invoice.number: invoice.open for invoice in facts.invoices if invoice.open > ZERO}
