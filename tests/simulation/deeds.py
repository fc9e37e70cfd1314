"""What people do to Hradlo: subscribers by their bank and browser, the bank's courier, and the admin by commands.

Work that must be done (a file to import, invoices, a hold) stays on the list until it was done, as a person would
repeat a command whose process was killed; what somebody does in a browser is simply lost then.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import date, timedelta
from random import Random
from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.operations import import_customers
from billing.customers.rules import read_customers
from billing.dunning import operations as dunning
from billing.dunning.notices import acknowledge, record_showing, view
from billing.dunning.policy import Policy
from billing.dunning.undoing import undo
from billing.invoicing import mails
from billing.invoicing.documents.document import Document
from billing.invoicing.operations import import_invoices
from billing.invoicing.rules import read_invoices
from billing.invoicing.run import bill
from billing.money import Money
from billing.payments import operations as payments
from billing.payments.banks.detect import read
from billing.payments.importing import import_statements
from billing.services.operations import contract_of, import_services
from billing.services.rules import read_services
from billing.store import clock_guard
from config.errors import ClockBehind, HradloError, NotAllowed, NotFound, StatementRejected
from daemon.braking import Verdict, release
from enforcement.state import Address, LineState
from tests.simulation.bank import BankFile
from tests.simulation.people import BILLED_UNTIL_ON, Subscriber

if TYPE_CHECKING:
    from tests.simulation.world import World

Job = Callable[[], Awaitable[None]]
ADMIN = "admin:eva"
DUE_AFTER = timedelta(days=14)
BILLS_ON_DAY = 6


class Paper:
    """Stands for typst, which takes longer than all the rest of a day."""

    async def pdf(self, document: Document) -> bytes:
        return f"%PDF {document.number}".encode()


class Deeds:
    """What is to be done, and how it is done."""

    def __init__(self, world: "World", random: Random) -> None:
        self._world = world
        self._random = random
        self._list: list[Job] = []
        """What must be done, the oldest first."""
        self._day = date.min
        self._went_out_on = date.min
        self._paid: set[str] = set()
        self._spare_addresses = 0
        self._bills_until_on = date.min
        """What a billing run is still to be made for."""
        self.renderer = Paper()

    def of_now(self) -> Job:
        """Everything that people do at this step."""
        if self._day != self._world.today:
            self._day = self._world.today
            self._list += [self._importing(file) for file in self._world.bank.arriving(self._day)]
            if self._day.day == BILLS_ON_DAY:
                self._bills_until_on = self._day
            return self._do_what_must_be_done
        return self._live

    async def _do_what_must_be_done(self) -> None:
        while self._list:
            await self._list[0]()
            self._list.pop(0)

    async def _live(self) -> None:
        await self._do_what_must_be_done()
        if self._went_out_on == self._day:
            return
        self._went_out_on = self._day
        for subscriber in self._world.subscribers:
            await self._live_a_day(subscriber)
        await self._administer()

    # ── the beginning and the end ───────────────────────────────────────────────────────────────────────────────

    async def found_the_isp(self) -> None:
        world = self._world
        customers = "customer_number,name,email,phone,street,city,postal_code,language,password\n" + "".join(
            f"{each.number},Jana Nováková {each.number},{each.email},,,,,cs,\n" for each in world.subscribers
        )
        now = world.clock.now()
        async with world.store.transaction() as session:
            sheet = read_customers(customers.encode(), "customers.csv")
            await import_customers(session, sheet, {}, actor=ADMIN, now=now, language="cs")
        await self._register(world.subscribers, str(BILLED_UNTIL_ON))
        await release(world.store, world.settings, world.clock, Verdict(), actor=ADMIN, why="")
        for months in (2, 1):  # what is not paid of what came before Hradlo
            await self._invoicing(world.today - timedelta(days=30 * months), 0.25)()
        self._bills_until_on = world.today

    async def _register(self, subscribers: list[Subscriber], billed: str = "") -> None:
        of_service = "599.00,2024-01-01"
        rows = [
            f"{each.number},{each.number},internet,Fiber {site},{of_service},{' '.join(addresses)},{site},{billed}\n"
            for each in subscribers
            for site, addresses in each.addresses.items()
        ]
        head = "contract_number,customer_number,kind,product,price,starts_on,addresses,site,billed_until_on\n"
        sheet = read_services((head + "".join(rows)).encode(), "services.csv")
        async with self._world.store.transaction() as session:
            await import_services(session, sheet, actor=ADMIN, today=self._world.today, now=self._world.clock.now())

    async def mend(self) -> None:
        """Whatever still has to be done is done, and a person looks after clock and brake."""
        await self._do_what_must_be_done()
        await self._bill()
        await self._world.work()
        await self._administer_clock()
        await self._release_brake()

    # ── the bank and the office ─────────────────────────────────────────────────────────────────────────────────

    def _importing(self, file: BankFile) -> Job:
        async def job() -> None:
            world = self._world
            try:
                async with world.store.transaction() as session:
                    await import_statements(session, read(file.data), file.name, world.clock.now())
            except StatementRejected:
                world.counts.files_refused += 1
                world.truth.refused(file)
            else:
                world.counts.files += 1
                world.truth.imported.update(file.tags if file.is_whole else ())

        return job

    async def _bill(self) -> None:
        """The month's invoices, now and then twice at once; not by a clock that is obviously wrong."""
        world, until_on = self._world, self._bills_until_on
        if world.truth.clock_is_wrong_by:
            return
        now = world.clock.now()

        async def announce(session: AsyncSession, invoice_ids: Sequence[int]) -> None:
            await mails.announce(session, invoice_ids, settings=world.settings, now=now)

        async def run() -> None:
            async for _ in bill(
                world.store, world.settings, until_on=until_on, now=now, actor=ADMIN, announce=announce
            ):
                pass

        runs = (run() for _ in range(self._random.choice((1, 1, 1, 2))))
        for outcome in await asyncio.gather(*runs, return_exceptions=True):
            if outcome is not None:
                raise outcome
        world.truth.billed_until_on = until_on

    def _invoicing(self, on: date, share: float) -> Job:
        """Invoices of the program that was there before."""
        rows = []
        for index, subscriber in enumerate(self._world.subscribers):
            if self._random.random() >= share:
                continue
            number = f"{on:%y%m}{index + 1:04d}"
            total = "599.00" if self._random.random() < 0.9 else "49.00"
            rows.append(f"{number},{subscriber.number},{on},{on + DUE_AFTER},{total},{total}\n")

        async def job() -> None:
            head = "number,contract_number,issued_on,due_on,total,open\n"
            sheet = read_invoices((head + "".join(rows)).encode(), "invoices.csv")
            async with self._world.store.transaction() as session:
                await import_invoices(session, sheet, actor=ADMIN, today=self._world.today, now=self._world.clock.now())

        return job

    # ── a subscriber's day ──────────────────────────────────────────────────────────────────────────────────────

    async def _live_a_day(self, subscriber: Subscriber) -> None:
        line = self._line(subscriber)
        owed = self._world.auditor.open_invoices(subscriber.number)
        wants_out = {
            LineState.OPEN: 0.0,
            LineState.NOTICE: subscriber.pays_at_notice_chance,
            LineState.SUSPENDED: subscriber.pays_when_suspended_chance,
        }[line]
        is_moved = self._random.random() < wants_out
        for number, due_on, amount in owed:
            is_time = (self._day - due_on).days >= subscriber.patience_days(number, self._random)
            if (is_time and number not in self._paid) or is_moved:
                self._paid.add(number)
                await self._pay(subscriber, number, Money(amount))
        if line is not LineState.OPEN and self._random.random() < subscriber.reads_chance:
            await self._read_the_notice(subscriber)
        elif self._random.random() < 0.002:
            await self._read_the_notice(subscriber)  # somebody who was not asked to

    def _line(self, subscriber: Subscriber) -> LineState:
        """What their browser meets."""
        routers = self._world.routers
        return max(
            routers[site].lines.get(Address.parse(address), LineState.OPEN)
            for site, addresses in subscriber.addresses.items()
            for address in addresses
        )

    async def _pay(self, subscriber: Subscriber, invoice: str, amount: Money) -> None:
        random, variable, specific = self._random, subscriber.number, random_symbol(self._random, invoice)
        if random.random() < subscriber.is_sloppy:
            variable = random.choice(("", "4711", invoice, subscriber.number[::-1]))
        if random.random() < subscriber.is_sloppy:
            amount = Money(max(1, amount.minor + random.choice((-30000, -1, 1, 30000))))
        if random.random() < 0.04:
            await self._pay_in_cash(subscriber, amount)
        else:
            self._world.bank.transfer(amount, variable, specific, self._day)
        self._world.counts.payments += 1

    async def _pay_in_cash(self, subscriber: Subscriber, amount: Money) -> None:
        now = self._world.clock.now()
        async with self._world.store.transaction() as session:
            await payments.record(session, subscriber.number, amount, on=self._day, why="", actor=ADMIN, now=now)

    async def _read_the_notice(self, subscriber: Subscriber) -> None:
        """Opens the page and confirms it, as the notice server does it for an address."""
        world = self._world
        site, addresses = self._random.choice(list(subscriber.addresses.items()))
        source = addresses[0]
        now = world.clock.now()
        try:
            async with world.store.transaction() as session:
                await clock_guard.require_plausible(session, now)
                contract_id = await contract_of(session, site, source)
                if contract_id is None:
                    return
                shown = await view(session, contract_id, Policy.from_settings(world.settings), now, site)
                if shown.notice_id is not None:
                    world.truth.tries_to_acknowledge(shown.notice_id, world.real_clock.now())
                    await record_showing(
                        session, notice_id=shown.notice_id, source_address=source, user_agent="", text="text", now=now
                    )
                is_new = await acknowledge(
                    session,
                    view=shown,
                    site=site,
                    source_address=source,
                    user_agent="simulated",
                    language="cs",
                    text="text",
                    token=f"{subscriber.number} {shown.notice_id} {now}",
                    now=now,
                )
        except ClockBehind:
            return
        world.counts.acknowledged += is_new

    # ── the admin's day ─────────────────────────────────────────────────────────────────────────────────────────

    async def _administer(self) -> None:
        random = self._random
        await self._administer_clock()
        if self._world.truth.billed_until_on < self._bills_until_on or random.random() < 0.05:
            await self._bill()
        if random.random() < 0.4:
            await self._release_brake()
        if random.random() < 0.15:
            await self._shield(random.choice(self._world.subscribers))
        if random.random() < 0.3:
            await self._assign_a_payment()
        if random.random() < 0.05:
            await self._take_an_assignment_back()
        if random.random() < 0.05:
            await self._move_addresses()
        if random.random() < 0.01:
            await self._undo_the_last_run()

    async def _administer_clock(self) -> None:
        """The journal has entries of a day to come, from a clock that was set right meanwhile."""
        world = self._world
        if world.truth.clock_is_wrong_by:
            return
        async with world.store.transaction() as session:
            try:
                await clock_guard.require_plausible(session, world.clock.now())
            except ClockBehind:
                await clock_guard.accept(session, actor=ADMIN, why="", now=world.clock.now())

    async def _release_brake(self) -> None:
        """Looks at what is held, and lets it happen; not with a clock that is obviously wrong."""
        world = self._world
        if world.truth.clock_is_wrong_by:
            return
        verdict = (await world.reconciler.preview()).verdict
        if not verdict.reasons:
            return
        world.truth.releases({each.contract_id for each in verdict.held_proposals}, world.clock.now())
        await release(world.store, world.settings, world.clock, verdict, actor=ADMIN, why="")
        world.counts.releases += 1

    async def _shield(self, subscriber: Subscriber) -> None:
        """Holds, exempts, takes a promise, or ends all that."""
        number, now = subscriber.number, self._world.clock.now()
        today = now.astimezone(self._world.settings.zone).date()
        until_on = today + timedelta(days=self._random.randint(0, 40))
        kind = self._random.choice(("hold", "exempt", "promise", "release", "release", "release"))
        words = {"actor": ADMIN, "why": "", "now": now}

        async def job() -> None:
            with self._world.truth.changing_shield(number, kind, until_on):
                async with self._world.store.transaction() as session:
                    if kind == "promise":
                        await dunning.promise(session, number, until_on=until_on, today=today, **words)  # type: ignore[arg-type]
                    elif kind == "release":
                        with suppress(NotAllowed):  # nothing protects it, or it was released before a kill
                            await dunning.release(session, number, today=today, **words)  # type: ignore[arg-type]
                    else:
                        await getattr(dunning, kind)(session, number, **words)

        self._list.append(job)
        await self._do_what_must_be_done()

    async def _assign_a_payment(self) -> None:
        waiting = self._world.auditor.rows("SELECT id FROM payment WHERE state = 'waiting' ORDER BY id")
        if not waiting:
            return
        (payment_id,), number = self._random.choice(waiting), self._random.choice(self._world.subscribers).number
        now = self._world.clock.now()
        async with self._world.store.transaction() as session:
            if self._random.random() < 0.2:
                await payments.ignore(session, payment_id, why="", actor=ADMIN, now=now)
            else:
                await payments.assign(session, payment_id, contract_number=number, actor=ADMIN, now=now)

    async def _take_an_assignment_back(self) -> None:
        query = "SELECT id FROM payment WHERE state IN ('matched', 'ignored') AND account <> 'cash' ORDER BY id"
        assigned = self._world.auditor.rows(query)
        if not assigned:
            return
        (payment_id,) = self._random.choice(assigned)
        try:
            async with self._world.store.transaction() as session:
                await payments.unassign(
                    session,
                    payment_id,
                    why="",
                    actor=ADMIN,
                    today=self._world.today,
                    now=self._world.clock.now(),
                )
        except NotAllowed:
            pass

    async def _move_addresses(self) -> None:
        """One subscriber gets a new address; the neighbour gets the old one."""
        first, second = self._random.sample(self._world.subscribers, 2)
        site = next(iter(first.addresses))
        if site not in second.addresses:
            return
        self._spare_addresses += 1
        freed = first.addresses[site]
        first.addresses[site] = [f"10.3.{self._spare_addresses // 200}.{self._spare_addresses % 200 + 1}"]
        second.addresses[site] = freed

        async def job() -> None:
            await self._register([first])
            await self._register([second])

        self._list.append(job)
        await self._do_what_must_be_done()

    async def _undo_the_last_run(self) -> None:
        runs = self._world.auditor.rows("SELECT max(id) FROM restriction_run")
        now = self._world.clock.now()
        today = now.astimezone(self._world.settings.zone).date()
        if runs[0][0] is None:
            return
        truth, until_on = self._world.truth, today + timedelta(days=7)
        query = "SELECT c.number FROM restriction r JOIN contract c ON c.id = r.contract_id WHERE r.run_id = ?"
        for (number,) in self._world.auditor.rows(query, runs[0][0]):
            truth.uncertain.add(number)
        try:
            async with self._world.store.transaction() as session:
                undone = await undo(session, runs[0][0], until_on=until_on, actor=ADMIN, why="", today=today, now=now)
        except (NotFound, HradloError):
            return
        for number in undone.contracts:
            truth.shields.setdefault(number, {})["promise"] = until_on
            truth.uncertain.discard(number)


def random_symbol(random: Random, invoice: str) -> str:
    return invoice if random.random() < 0.6 else ""
