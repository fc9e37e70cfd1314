"""The story of the demo, scene by scene: what each of the cast does, and what must follow from it."""

from datetime import date, datetime, time

from sqlalchemy import func, select

from billing.dunning.operations import promise
from billing.money import Money
from billing.payments.invariants import verify as verify_ledger
from billing.payments.operations import assign, unmatched
from billing.store import journal
from billing.store.tables import Mail
from daemon.contract_report import ContractReport, report
from daemon.demo.bank import Movement
from daemon.demo.browser import Screen
from daemon.demo.isp import BANK_HOST
from daemon.demo.people import ZONE, Subscriber
from daemon.demo.story import Story
from daemon.demo.world import ACTOR, WANTED_URL, World

JANA, PETR, MARIE, TOMAS, EVA, KAREL = "1001", "1002", "1003", "1004", "1005", "1006"


def at(month: int, day: int, hour: int = 9, minute: int = 0) -> datetime:
    """A local moment of the story's year."""
    return datetime.combine(date(2026, month, day), time(hour, minute), ZONE)


async def play(story: Story) -> None:
    """All scenes, in the order of time."""
    for scene in (
        opening,
        first_reminder,
        one_pays,
        second_reminder,
        the_notice,
        an_acknowledgement,
        the_neighbours_read,
        a_notice_by_mail,
        a_partial_payment,
        a_promise,
        the_grace_runs_out,
        the_suspension,
        the_payment,
        a_mistyped_symbol,
        the_end,
    ):
        await story.scene(scene)


class Cast:
    """Shortcuts into the world for the scenes."""

    def __init__(self, world: World) -> None:
        self.world = world

    def person(self, number: str) -> Subscriber:
        found = self.world.person(number)
        if found is None:
            raise LookupError(f"nobody has the contract {number}")
        return found

    def address(self, number: str) -> str:
        return self.person(number).address

    async def report(self, number: str) -> ContractReport:
        async with self.world.store.reading() as session:
            return await report(session, number, self.world.settings, self.world.clock.now())

    async def stage(self, number: str) -> str:
        return (await self.report(number)).stage

    async def line(self, number: str) -> str:
        return (await self.report(number)).line

    async def mail_kinds(self, number: str) -> list[str]:
        return [mail["kind"] for mail in (await self.report(number)).mails if mail["sent"]]

    def mails(self, number: str) -> int:
        """How many mails really arrived."""
        return len(self.world.mailbox.to(self.person(number).email))

    async def open(self, number: str, url: str = WANTED_URL) -> Screen:
        return await self.world.browser.visit(self.address(number), url)


async def opening(story: Story) -> None:
    """Monday: a small town's ISP, the day before Jana's invoice is due"""
    cast = Cast(story.world)
    story.happens(f"{len(story.world.people)} subscribers; history since January is in the journal")
    story.expect("Jana's line is open", "internet", (await cast.open(JANA)).kind)
    parked = await cast.report(KAREL)
    story.expect("Karel's absurd invoice parks his contract instead of restricting it", True, bool(parked.parked))
    story.expect("Karel's line stays open", "open", parked.line)


async def first_reminder(story: Story) -> None:
    """Three days after the due date"""
    await story.world.move_to(at(3, 13))
    cast = Cast(story.world)
    for number in (JANA, PETR, MARIE, TOMAS, EVA):
        story.expect(f"{cast.person(number).name} gets a reminder by e-mail", 1, cast.mails(number))
    mail = story.world.mailbox.to(cast.person(JANA).email)[-1]
    story.expect("it names the invoice, and has a QR code to pay it", (True, True), (
        cast.person(JANA).bills[0].number in mail.text,
        "data:image/png" in mail.html,
    ))  # fmt: skip
    story.expect("nothing else happens: Jana's line is open", "open", await cast.line(JANA))


async def one_pays(story: Story) -> None:
    """Petr pays after the reminder"""
    await story.world.move_to(at(3, 16, 6, 45))
    cast = Cast(story.world)
    paid = await story.world.pay(_payment(cast.person(PETR), "599.00"))
    story.expect("his payment comes in a GPC statement and is matched", (1, 0), (paid.matched, paid.waiting))
    story.expect("Petr owes nothing", "0.00 CZK", (await cast.report(PETR)).debt)


async def second_reminder(story: Story) -> None:
    """Ten days after the due date"""
    await story.world.move_to(at(3, 20))
    cast = Cast(story.world)
    story.expect("Jana gets the second reminder", 2, cast.mails(JANA))
    story.expect("Petr gets none", 1, cast.mails(PETR))


async def the_notice(story: Story) -> None:
    """Fourteen days after the due date: the notice"""
    await story.world.move_to(at(3, 24, 7, 59))
    cast = Cast(story.world)
    story.expect("a minute before eight, Jana's line is open", "open", await cast.line(JANA))
    await story.world.move_to(at(3, 25, 20, 15))
    story.expect("since eight, it is in notice", "notice", await cast.line(JANA))
    screen = await cast.open(JANA)
    story.expect("in the evening she opens http://example.com/page and is led to the notice", "302 → 200", _way(screen))
    person = cast.person(JANA)
    for what, text in (
        ("the amount", "599,00"),
        ("the account", "19-2000145399"),
        ("the variable symbol", person.number),
        ("the invoice", person.bills[0].number),
        ("a QR code", "data:image/png"),
    ):
        story.expect(f"the page shows {what}", True, text in screen.html)
    secure = await cast.open(JANA, "https://www.example.com/")
    story.expect("https works all along", "internet", secure.kind)
    story.expect("Petr, who paid, sees no notice", "internet", (await cast.open(PETR)).kind)


async def an_acknowledgement(story: Story) -> None:
    """Jana presses "I have read this" """
    cast = Cast(story.world)
    screen = await story.world.browser.acknowledge(cast.address(JANA), WANTED_URL)
    story.expect("she is back on the page that she wanted", ("internet", WANTED_URL), (screen.kind, screen.url))
    story.expect("her line is open", "open", await cast.line(JANA))
    told = await cast.report(JANA)
    story.expect("ten days end on Easter Saturday, so the line is safe until after Easter Monday",
                 "2026-04-07 08:00", told.suspend_at[:16])  # fmt: skip
    story.expect("the journal keeps who read what, and from where", 1, _count(told, "notice.acknowledged"))


async def the_neighbours_read(story: Story) -> None:
    """Tomáš and Eva read it, too; Marie does not"""
    cast = Cast(story.world)
    for number in (TOMAS, EVA):
        screen = await story.world.browser.acknowledge(cast.address(number), WANTED_URL)
        story.expect(f"{cast.person(number).name} is back on the wanted page", "internet", screen.kind)
    story.expect("Marie's line stays in notice", "notice", await cast.line(MARIE))


async def a_notice_by_mail(story: Story) -> None:
    """Three days in notice without an acknowledgement"""
    await story.world.move_to(at(3, 27, 12))
    cast = Cast(story.world)
    story.expect("Marie gets the notice by e-mail, too", "notice", (await cast.mail_kinds(MARIE))[-1])


async def a_partial_payment(story: Story) -> None:
    """Tomáš pays a part"""
    await story.world.move_to(at(3, 31, 6, 45))
    cast = Cast(story.world)
    await story.world.pay(_payment(cast.person(TOMAS), "300.00"))
    told = await cast.report(TOMAS)
    story.expect("he owes the rest", "299.00 CZK", told.debt)
    story.expect("his clock runs on as it did", "2026-04-07 08:00", told.suspend_at[:16])


async def a_promise(story: Story) -> None:
    """Eva calls, and an admin promises her time until 17 April"""
    await story.world.move_to(at(4, 1, 10))
    cast, now = Cast(story.world), story.world.clock.now()
    async with story.world.store.transaction() as session:
        await promise(
            session,
            EVA,
            until_on=date(2026, 4, 17),
            actor=ACTOR,
            why="pays with the next wage",
            today=story.world.now.date(),
            now=now,
        )
    await story.world.settle()
    story.expect("the promise protects her", "clear", await cast.stage(EVA))


async def the_grace_runs_out(story: Story) -> None:
    """Easter: the ten days are over, but nobody is suspended on a holiday or at night"""
    await story.world.move_to(at(4, 7, 7, 59))
    cast = Cast(story.world)
    story.expect("on Tuesday at 7:59 Jana's line is open", "open", await cast.line(JANA))


async def the_suspension(story: Story) -> None:
    """Tuesday, eight o'clock"""
    await story.world.move_to(at(4, 7, 8))
    cast = Cast(story.world)
    story.expect("Jana's line is suspended", "suspended", await cast.line(JANA))
    story.expect("a mail tells her", "suspended", (await cast.mail_kinds(JANA) or [""])[-1])
    screen = await cast.open(JANA)
    story.expect("http shows her the suspended page, with what to pay", (True, True), (
        "is-suspended" in screen.html, "599,00" in screen.html
    ))  # fmt: skip
    story.expect("https is rejected at once", "error", (await cast.open(JANA, "https://www.example.com/")).kind)
    bank = await cast.open(JANA, f"https://{BANK_HOST}/")
    story.expect("her bank can be reached", "internet", bank.kind)
    story.expect("Tomáš, who paid a part, is suspended", "suspended", await cast.line(TOMAS))
    story.expect("Eva, who has a promise, is not", "open", await cast.line(EVA))
    story.expect("Marie, who never acknowledged, is not", "notice", await cast.line(MARIE))
    story.expect("Karel, whose facts are absurd, is not", "open", await cast.line(KAREL))


async def the_payment(story: Story) -> None:
    """Thursday, late in the evening: Jana's payment arrives"""
    await story.world.move_to(at(4, 9, 22, 10))
    cast = Cast(story.world)
    paid = await story.world.pay(_payment(cast.person(JANA), "599.00"))
    story.expect("it comes in a GPC statement and is matched", (1, 0), (paid.matched, paid.waiting))
    story.expect("her line is open again, at night", "open", await cast.line(JANA))
    story.expect("a mail tells her", "restored", (await cast.mail_kinds(JANA) or [""])[-1])
    story.expect("she sees the page that she wants", "internet", (await cast.open(JANA)).kind)


async def a_mistyped_symbol(story: Story) -> None:
    """Friday: Tomáš pays the rest with a mistyped variable symbol"""
    await story.world.move_to(at(4, 10, 6, 45))
    cast, world = Cast(story.world), story.world
    paid = await world.pay(Movement(Money.parse("299.00"), variable_symbol="9994", name="TOMAS CERNY"))
    story.expect("it matches nobody, and waits for a person", (0, 1), (paid.matched, paid.waiting))
    story.expect("his line stays suspended", "suspended", await cast.line(TOMAS))
    async with world.store.transaction() as session:
        waiting = await unmatched(session)
        await assign(session, waiting[-1].id, contract_number=TOMAS, actor=ACTOR, now=world.clock.now())
    await world.settle()
    story.expect("an admin says that it is his, and the line is back", "open", await cast.line(TOMAS))


async def the_end(story: Story) -> None:
    """What is left"""
    world = story.world
    async with world.store.reading() as session:
        rows = await journal.verify(session)
        problems = await verify_ledger(session)
        written = await session.scalar(select(func.count()).select_from(Mail))
    story.happens(f"the journal's chain of {rows} entries is whole")
    story.expect("the ledger adds up", [], [str(problem) for problem in problems])
    story.expect("every mail that was written arrived, once", written, len(world.mailbox.received))


def _payment(person: Subscriber, amount: str) -> Movement:
    return Movement(
        Money.parse(amount), variable_symbol=person.number, specific_symbol=person.bills[0].number, name=person.name
    )


def _way(screen: Screen) -> str:
    return " ".join(hop.answer for hop in screen.hops)


def _count(told: ContractReport, action: str) -> int:
    return sum(event.what == action for event in told.timeline)
