"""The demo's world: a small ISP on loopback with a clock that visitors move.

Everything but time, packets and people is real: the database, the imports, the notice server, the reconciler, the
journal, the mailer and its SMTP. `World.settle` stands where the engine's loop stands in `hradlo run`.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from billing.customers.operations import import_customers
from billing.customers.rules import read_customers
from billing.customers.tables import Contract
from billing.dunning.policy import Policy
from billing.dunning.reading import load_facts
from billing.dunning.rules import WORDS, decide
from billing.invoicing.operations import import_invoices
from billing.invoicing.rules import read_invoices
from billing.invoicing.tables import Invoice
from billing.money import ZERO, Money
from billing.payments.banks.detect import read
from billing.payments.importing import ImportReport, import_statements
from billing.services.operations import import_services
from billing.services.rules import read_services
from billing.store.engine import Store
from billing.store.schema_version import upgrade
from billing.store.tables import JournalEntry
from config.clock import TestClock
from config.settings import Settings
from daemon import voip
from daemon.braking import Verdict, release
from daemon.demo.bank import Movement
from daemon.demo.browser import Browser
from daemon.demo.cables import listening
from daemon.demo.isp import ISP_NAME, found
from daemon.demo.mailbox import Mailbox, open_mailbox
from daemon.demo.people import (
    BEGINS_AT,
    Bill,
    Subscriber,
    everybody,
    write_customers,
    write_invoices,
    write_services,
)
from daemon.demo.script import Moment, Script
from daemon.demo.statements import Statements
from daemon.mailer import send_due
from daemon.reconcile import Reconciler
from enforcement.dryrun import DryRunDriver
from enforcement.state import Plan
from portal.server import serve

WANTED_URL = "http://example.com/page"
ACTOR = "admin:demo"
STEPS_MAX = 2000


@dataclass(frozen=True, slots=True)
class AppliedPlan:
    """A plan that was carried out."""

    at: datetime
    plan: Plan
    whys: Mapping[str, str]
    """Address -> why its contract stands where it stands, in words."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A bank statement that was imported."""

    at: datetime
    file: str
    movements: tuple[Movement, ...]
    report: ImportReport


@dataclass
class World:
    """The running demo; made by `open_world`."""

    folder: Path
    settings: Settings
    store: Store
    clock: TestClock
    driver: DryRunDriver
    mailbox: Mailbox
    people: tuple[Subscriber, ...]
    browser: Browser
    reconciler: Reconciler
    script: Script
    statements: Statements
    applied: list[AppliedPlan] = field(default_factory=list)
    arrived: list[Arrived] = field(default_factory=list)
    voip_url: str = ""
    portal_url: str = ""
    """Where the visitor reaches the customer portal (`portal.py`); empty when it is not served."""
    _bell: asyncio.Event = field(default_factory=asyncio.Event)
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._by_number = {person.number: person for person in self.people}
        self._by_address = {person.address: person for person in self.people}

    def person(self, number: str) -> Subscriber | None:
        return self._by_number.get(number)

    def person_at(self, address: str) -> Subscriber | None:
        return self._by_address.get(address)

    def local(self, at: datetime) -> datetime:
        return at.astimezone(self.settings.zone)

    @property
    def now(self) -> datetime:
        """The demo's present, on a clock on the wall."""
        return self.local(self.clock.now())

    # ── time ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def next_event_at(self) -> datetime | None:
        """When something happens next, by itself."""
        moments = (self.script.next_at, self.reconciler.next_look_at)
        return min((moment for moment in moments if moment), default=None)

    async def move_to(self, target: datetime) -> None:
        """Moves the clock forward, from event to event, so that each happens at its own time."""
        for _ in range(STEPS_MAX):
            moment = self.next_event_at
            if moment is None or moment > target:
                break
            self.clock.move_to(max(moment, self.clock.now()))
            for due in self.script.take_due(self.clock.now()):
                await self._play(due)
            await self.settle()
        self.clock.move_to(target)
        await self.settle()

    async def move_to_next_happening(self) -> None:
        """Moves the clock until something is written into the journal; not every look of the engine finds news."""
        before = await self.journal_head()
        for _ in range(STEPS_MAX):
            moment = self.next_event_at
            if moment is None:
                break
            await self.move_to(max(moment, self.clock.now()))
            if await self.journal_head() > before:
                break

    async def journal_head(self) -> int:
        """The id of the newest entry."""
        async with self.store.reading() as session:
            return await session.scalar(select(func.max(JournalEntry.id))) or 0

    async def move_on_wall(self, **delta: float) -> None:
        """Moves the clock by a `timedelta`'s arguments, as people count: a day later it is the same hour."""
        wall = self.now.replace(tzinfo=None) + timedelta(**delta)
        await self.move_to(wall.replace(tzinfo=self.settings.zone))

    async def settle(self) -> None:
        """What the engine does by itself: carry facts to the network, and send the mails that wait."""
        async with self._one_at_a_time:
            rounds = await self.reconciler.settle()
            for made in (made for done in rounds for made in done.plans):
                if not made.is_empty:
                    self.applied.append(AppliedPlan(self.clock.now(), made, await self._whys(made)))
            await voip.look(self.settings, self.store, self.clock)
            await send_due(self.store, self.settings, self.clock)

    async def _whys(self, made: Plan) -> dict[str, str]:
        """Why the lines of a plan are changed, for those who watch."""
        people = [self.person_at(str(change.address)) for change in made.changes]
        addresses = {person.number: person.address for person in people if person}
        policy, now = Policy.from_settings(self.settings), self.clock.now()
        async with self.store.reading() as session:
            ids = (await session.scalars(select(Contract.id).where(Contract.number.in_(addresses)))).all()
            facts = await load_facts(session, ids)
        return {addresses[one.contract_number]: WORDS[decide(one, policy, now).why or "settled"] for one in facts}

    def ring(self) -> None:
        """The doorbell: an acknowledgement was written."""
        self._bell.set()

    async def answer_the_bell(self) -> None:
        """Settles whenever somebody rings; for ever."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            await self.settle()

    # ── what happens ────────────────────────────────────────────────────────────────────────────────────────────

    async def _play(self, moment: Moment) -> None:
        if moment.issues_on:
            path = self.folder / "csv" / f"invoices-{moment.issues_on}.csv"
            write_invoices(path, self.people, moment.issues_on)
            sheet = read_invoices(path.read_bytes(), path.name)
            async with self.store.transaction() as session:
                await import_invoices(session, sheet, actor=ACTOR, today=self.now.date(), now=self.clock.now())
        payers = await self._unpaid(moment.payers)
        if payers:
            await self._import_statement(
                [
                    Movement(due, variable_symbol=person.number, specific_symbol=bill.number, name=person.name)
                    for person, bill, due in payers
                ]
            )
        if moment.reader:
            await self.browser.acknowledge(moment.reader.address, WANTED_URL, moment.reader.language)

    async def _unpaid(self, payers: Sequence[tuple[Subscriber, Bill]]) -> list[tuple[Subscriber, Bill, Money]]:
        """Whoever paid already, because the visitor said so, does not pay again."""
        query = select(Invoice.number, Invoice.open).where(Invoice.number.in_([bill.number for _, bill in payers]))
        async with self.store.reading() as session:
            due: dict[str, Money] = {number: left for number, left in await session.execute(query)}  # noqa: C416 - rows
        return [(person, bill, due[bill.number]) for person, bill in payers if due.get(bill.number, ZERO) > ZERO]

    async def pay(self, *movements: Movement) -> ImportReport:
        """A bank statement arrives: a GPC file is written, imported, and carried to the network."""
        report = await self._import_statement(movements)
        await self.settle()
        return report

    async def _import_statement(self, movements: Sequence[Movement]) -> ImportReport:
        path = self.statements.write(movements, self.now.date())
        async with self.store.transaction() as session:
            report = await import_statements(
                session,
                read(path.read_bytes(), "auto"),
                path.name,
                self.clock.now(),
                accounts=self.settings.payments.accounts,
                currency=self.settings.isp.currency,
            )
        self.arrived.append(Arrived(self.clock.now(), path.name, tuple(movements), report))
        return report

    async def import_people(self) -> None:
        """Customers and services come in as CSV files, as from another program."""
        customers, services = self.folder / "csv" / "customers.csv", self.folder / "csv" / "services.csv"
        write_customers(customers, self.people)
        write_services(services, self.people)
        now = self.clock.now()
        async with self.store.transaction() as session:
            sheet = read_customers(customers.read_bytes(), customers.name)
            await import_customers(session, sheet, {}, actor=ACTOR, now=now, language="cs")
            rows = read_services(services.read_bytes(), services.name)
            await import_services(session, rows, actor=ACTOR, today=self.now.date(), now=now)
        why = "the demo begins"
        await release(self.store, self.settings, self.clock, Verdict(), actor=ACTOR, why=why, remembers=False)


@asynccontextmanager
async def open_world(folder: Path, people: Sequence[Subscriber] | None = None) -> AsyncIterator[World]:
    """A world at the beginning of its history, in an empty folder; raises `NotAllowed` when one is there."""
    async with open_mailbox() as mailbox:
        settings = found(folder, mailbox.port)
        await upgrade(settings.database.url)
        store = Store.open(settings.database.url)
        try:
            async with _serving(folder, settings, store, mailbox, people) as world:
                yield world
        finally:
            await store.close()


@asynccontextmanager
async def _serving(
    folder: Path, settings: Settings, store: Store, mailbox: Mailbox, people: Sequence[Subscriber] | None
) -> AsyncIterator[World]:
    clock, driver, gateway = TestClock(BEGINS_AT), DryRunDriver(), listening()
    inhabitants = tuple(people or everybody())
    world = World(
        folder=folder,
        settings=settings,
        store=store,
        clock=clock,
        driver=driver,
        mailbox=mailbox,
        people=inhabitants,
        browser=Browser(settings, driver, gateway.getsockname()[1]),
        reconciler=Reconciler(settings, store, {settings.enforcement.site: driver}, clock),
        script=Script(inhabitants),
        statements=Statements(folder / "statements", ISP_NAME),
    )
    await world.import_people()
    async with serve(settings, store, clock, world.ring, [gateway]), asyncio.TaskGroup() as tasks:
        answering = tasks.create_task(world.answer_the_bell())
        try:
            yield world
        finally:
            answering.cancel()
