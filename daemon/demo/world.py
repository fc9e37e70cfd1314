"""The demo's world: a small ISP on loopback with a clock that visitors move.

Everything but time, packets and people is real: the database, the imports, the notice server, the reconciler, the
journal, the mailer and its SMTP. `World.settle` stands where the engine's loop stands in `hradlo run`.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from billing.customers.operations import import_customers
from billing.customers.rules import read_customers
from billing.invoicing.operations import import_invoices
from billing.invoicing.rules import read_invoices
from billing.payments.banks.detect import read
from billing.payments.importing import ImportReport, import_statements
from billing.services.operations import import_services
from billing.services.rules import read_services
from billing.store.engine import Store
from billing.store.schema_version import upgrade
from config.clock import TestClock
from config.errors import NotAllowed
from config.example import write as write_settings
from config.settings import Settings, load
from daemon.demo.bank import Movement
from daemon.demo.browser import Browser
from daemon.demo.cables import listening
from daemon.demo.mailbox import Mailbox, open_mailbox
from daemon.demo.people import BEGINS_AT, Subscriber, everybody, write_customers, write_invoices, write_services
from daemon.demo.script import Moment, Script
from daemon.demo.statements import IBAN, Statements
from daemon.mailer import send_due
from daemon.reconcile import Reconciler
from enforcement.dryrun import DryRunDriver
from enforcement.state import Plan
from portal.server import serve

ISP_NAME = "Údolní síť"
NOTICE_URL = "http://info.udolni-sit.example"
BANK_HOST = "banka.example"
"""In the garden: a suspended line reaches it."""
WANTED_URL = "http://example.com/page"
ACTOR = "admin:demo"
STEPS_MAX = 2000


@dataclass(frozen=True, slots=True)
class AppliedPlan:
    """A plan that was carried out."""

    at: datetime
    plan: Plan


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

    async def move_on_wall(self, **delta: float) -> None:
        """Moves the clock by a `timedelta`'s arguments, as people count: a day later it is the same hour."""
        wall = self.now.replace(tzinfo=None) + timedelta(**delta)
        await self.move_to(wall.replace(tzinfo=self.settings.zone))

    async def settle(self) -> None:
        """What the engine does by itself: carry facts to the network, and send the mails that wait."""
        async with self._one_at_a_time:
            rounds = await self.reconciler.settle()
            now = self.clock.now()
            self.applied += [AppliedPlan(now, done.plan) for done in rounds if not done.plan.is_empty]
            await send_due(self.store, self.settings, self.clock)

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
                await import_invoices(session, sheet, actor=ACTOR, now=self.clock.now())
        if moment.payers:
            await self._import_statement(
                [
                    Movement(bill.total, variable_symbol=person.number, specific_symbol=bill.number, name=person.name)
                    for person, bill in moment.payers
                ]
            )
        if moment.reader:
            await self.browser.acknowledge(moment.reader.address, WANTED_URL, moment.reader.language)

    async def pay(self, *movements: Movement) -> ImportReport:
        """A bank statement arrives: a GPC file is written, imported, and carried to the network."""
        report = await self._import_statement(movements)
        await self.settle()
        return report

    async def _import_statement(self, movements: Sequence[Movement]) -> ImportReport:
        path = self.statements.write(movements, self.now.date())
        async with self.store.transaction() as session:
            return await import_statements(
                session,
                read(path.read_bytes(), "auto"),
                path.name,
                self.clock.now(),
                accounts=self.settings.payments.accounts,
                currency=self.settings.isp.currency,
            )

    async def import_people(self) -> None:
        """Customers and services come in as CSV files, as from another program."""
        customers, services = self.folder / "csv" / "customers.csv", self.folder / "csv" / "services.csv"
        write_customers(customers, self.people)
        write_services(services, self.people)
        now = self.clock.now()
        async with self.store.transaction() as session:
            sheet = read_customers(customers.read_bytes(), customers.name)
            await import_customers(session, sheet, {}, actor=ACTOR, now=now)
            await import_services(session, read_services(services.read_bytes(), services.name), actor=ACTOR, now=now)


@asynccontextmanager
async def open_world(folder: Path, people: Sequence[Subscriber] | None = None) -> AsyncIterator[World]:
    """A world at the beginning of its history, in an empty folder; raises `NotAllowed` when one is there."""
    async with open_mailbox() as mailbox:
        settings = _settings(folder, mailbox.port)
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
        reconciler=Reconciler(settings, store, driver, clock),
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


def _settings(folder: Path, mail_port: int) -> Settings:
    """Written into the folder, so that other commands work on it, too: `hradlo --config …/hradlo.toml show 1001`."""
    path = folder / "hradlo.toml"
    if path.exists():
        raise NotAllowed(f"{folder} holds a demo already.", "Name an empty folder, or one that does not exist yet.")
    (folder / "secrets").mkdir(parents=True, exist_ok=True)
    (folder / "secrets" / "signing_key").write_text(secrets.token_urlsafe(48), encoding="ascii")
    isp = {
        "name": ISP_NAME,
        "phone": "+420 800 555 019",
        "email": "podpora@udolni-sit.example",
        "portal_url": "https://moje.udolni-sit.example",
        "iban": IBAN,
    }
    mail = {
        "host": "127.0.0.1",
        "port": mail_port,
        "sender": f"{ISP_NAME} <ucty@udolni-sit.example>",
        "per_minute": 100_000,
    }
    write_settings(
        path,
        {
            "isp": isp,
            "database": {"url": f"sqlite:///{folder}/hradlo.db"},
            "secrets": {"directory": folder / "secrets"},
            "notice": {"url": NOTICE_URL, "requests_per_minute": 6000},
            "enforcement": {"driver": "dryrun", "garden": (BANK_HOST, "moje.udolni-sit.example")},
            "mail": mail,
            "daemon": {"runtime_directory": folder},
        },
    )
    return load(path)
