"""The buttons of the control page: each is a POST, and leads back to the page on which it stands, with a note."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import date
from typing import Any
from urllib.parse import urljoin

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession
from yarl import URL

from billing.dunning import operations
from billing.importing import iso_date
from billing.money import ZERO, Money
from billing.payments.operations import assign
from config.errors import HradloError
from daemon.demo import records, views
from daemon.demo.bank import Movement
from daemon.demo.people import Subscriber
from daemon.demo.screens import form_to_press
from daemon.demo.world import ACTOR, WANTED_URL, World

WORLD = web.AppKey("world", World)
STEPS: Mapping[str, Mapping[str, float]] = {"hour": {"hours": 1}, "day": {"days": 1}, "week": {"weeks": 1}}
KINDS = {
    "exact": ("Exact", "the open amount, with both symbols"),
    "partial": ("Partial", "half of it"),
    "over": ("Too much", "100 more than is open: the rest becomes credit"),
    "wrong": ("Wrong variable symbol", "matches nobody, and waits for a person"),
    "plain": ("No specific symbol", "the oldest invoice is paid first"),
}
"""How a payment can arrive: the button, and what it is about."""
OVERPAID = Money(100_00)
WRONG_SYMBOL = "9994"
NOTES_KEPT = 100


class Notes:
    """What the last buttons did, told once on the page to which they lead back."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._count = 0

    def write(self, text: str) -> str:
        """Keeps a note, and returns its name."""
        self._count += 1
        self._texts[str(self._count)] = text
        self._texts.pop(str(self._count - NOTES_KEPT), None)
        return str(self._count)

    def read(self, name: str) -> str:
        return self._texts.get(name, "")


NOTES = web.AppKey("notes", Notes)


def add_routes(app: web.Application) -> None:
    """The buttons."""
    for path, button in (
        ("/clock", move_clock),
        ("/bank/everybody", everybody_pays),
        ("/bank/assign", assign_payment),
        ("/subscriber/{number}/pay", pay),
        ("/subscriber/{number}/press", press),
        ("/subscriber/{number}/promise", promise),
        ("/subscriber/{number}/hold", hold),
        ("/subscriber/{number}/release", release),
    ):
        app.router.add_post(path, _leading_back(button))


def person_of(request: web.Request) -> Subscriber:
    """Whom the address of the page names."""
    person = request.app[WORLD].person(request.match_info["number"])
    if person is None:
        raise web.HTTPNotFound(text="There is no such subscriber.")
    return person


Form = Mapping[str, str]


def _leading_back(button: Callable[[web.Request, Form], Awaitable[str]]) -> Callable[[web.Request], Awaitable[Any]]:
    """A handler that does what the button does, notes it, and shows the page again."""

    async def handler(request: web.Request) -> web.Response:
        form = {key: text for key, text in (await request.post()).items() if isinstance(text, str)}
        try:
            told = await button(request, form)
        except (HradloError, ValueError) as error:
            told = f"Not done: {error}"
        note = request.app[NOTES].write(told)
        raise web.HTTPSeeOther(_way_back(request, form).update_query(note=note))

    return handler


def _way_back(request: web.Request, form: Form) -> URL:
    """The page on which the button stands; never another site."""
    number = request.match_info.get("number")
    home = URL(f"/subscriber/{number}" if number else "/")
    with suppress(ValueError):
        back = URL(form.get("back", ""))
        if not back.absolute and back.path.startswith("/") and not back.path.startswith(("//", "/\\")):
            return back
    return home


# ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def move_clock(request: web.Request, form: Form) -> str:
    """Moves the clock by a step, or to the next thing that happens."""
    world, by = request.app[WORLD], form.get("by", "")
    head = await world.journal_head()
    if by == "event":
        await world.move_to_next_happening()
        if await world.journal_head() == head:
            return "Nothing more happens by itself: all is paid, or waits for somebody to pay or to read."
    elif by in STEPS:
        await world.move_on_wall(**STEPS[by])
    else:
        raise ValueError("the clock moves by an hour, a day, a week, or to the next event")
    return f"{world.now:%A %-d %B, %H:%M}: {await records.summary(world, head)}."


# ── the bank ────────────────────────────────────────────────────────────────────────────────────────────────────


async def pay(request: web.Request, form: Form) -> str:
    """A statement with a payment of one subscriber arrives."""
    world, person = request.app[WORLD], person_of(request)
    if form.get("kind", "") == "own":
        movements = [_own_movement(person, form)]
    else:
        async with world.store.reading() as session:
            contract_id = await operations.contract_id_of(session, person.number)
            due = await views.open_invoices(session, contract_id)
        movements = movements_of(form.get("kind", ""), person, due)
    return await _arrive(world, movements)


def movements_of(kind: str, person: Subscriber, due: Mapping[str, Money]) -> list[Movement]:
    """What a subscriber's bank sends, in each way in which people pay; raises `ValueError` if nothing is open."""
    if not due:
        raise ValueError(f"{person.name} has nothing to pay.")
    total, first = Money.total(due.values()), next(iter(due))
    half = Money(total.minor // 200 * 100 or total.minor)
    name, symbol = person.name, person.number
    match kind:
        case "exact":
            return [Movement(amount, symbol, number, name=name) for number, amount in due.items()]
        case "partial":
            return [Movement(half, symbol, first, name=name)]
        case "over":
            return [Movement(total + OVERPAID, symbol, first, name=name)]
        case "wrong":
            return [Movement(total, WRONG_SYMBOL, name=name, message=f"internet {name}")]
        case "plain":
            return [Movement(total, symbol, name=name)]
    raise ValueError("a payment is exact, partial, over, wrong or plain")


def _own_movement(person: Subscriber, form: Form) -> Movement:
    """An amount and symbols of the visitor's choice."""
    amount = Money.parse(form.get("amount", ""))
    symbols = form.get("variable_symbol", "").strip(), form.get("specific_symbol", "").strip()
    if amount <= ZERO or any(text and not (text.isascii() and text.isdigit() and len(text) <= 10) for text in symbols):
        raise ValueError("A payment needs an amount above zero, and symbols of at most ten digits.")
    return Movement(amount, symbols[0], symbols[1], name=person.name)


async def everybody_pays(request: web.Request, form: Form) -> str:
    """One statement in which everybody pays what is overdue."""
    world = request.app[WORLD]
    movements: list[Movement] = []
    for row in (await views.overview(world)).rows:
        if row.stage != "clear":
            async with world.store.reading() as session:
                contract_id = await operations.contract_id_of(session, row.person.number)
                due = await views.open_invoices(session, contract_id)
            movements += movements_of("exact", row.person, due) if due else []
    if not movements:
        return "Nobody owes anything."
    return await _arrive(world, movements)


async def _arrive(world: World, movements: list[Movement]) -> str:
    head = await world.journal_head()
    await world.pay(*movements)
    name = world.arrived[-1].file
    return f"A statement arrived ({name}): {await records.summary(world, head)}."


async def assign_payment(request: web.Request, form: Form) -> str:
    """A person says whose a waiting payment is."""
    number, payment = form.get("contract", "").strip(), form.get("payment", "")
    if not payment.isdigit():
        raise ValueError("there is no such payment")

    async def write(session: AsyncSession, world: World) -> None:
        await assign(session, int(payment), contract_number=number, actor=ACTOR, now=world.clock.now())

    return await _write(request.app[WORLD], write, f"The payment is assigned to {number}")


# ── the subscriber ──────────────────────────────────────────────────────────────────────────────────────────────


async def press(request: web.Request, form: Form) -> str:
    """Presses the button of the page that the subscriber's browser shows."""
    world, person = request.app[WORLD], person_of(request)
    head = await world.journal_head()
    shown = await world.browser.visit(person.address, form.get("url", WANTED_URL), person.language)
    button = form_to_press(shown)
    if button is None:
        raise ValueError("there is no button on the page that they see.")
    url = urljoin(shown.url, button.action)
    after = await world.browser.submit(person.address, url, button.fields, person.language)
    await world.settle()
    return f"{person.name} pressed the button: {await records.summary(world, head)}. The browser is at {after.url}"


# ── the office ──────────────────────────────────────────────────────────────────────────────────────────────────


async def promise(request: web.Request, form: Form) -> str:
    """Nothing happens up to and including a day."""
    person = person_of(request)
    until_on: date = iso_date(form.get("until", ""))

    async def write(session: AsyncSession, world: World) -> None:
        await operations.promise(
            session,
            person.number,
            until_on=until_on,
            actor=ACTOR,
            why=form.get("why", ""),
            today=world.now.date(),
            now=world.clock.now(),
        )

    return await _write(request.app[WORLD], write, f"{person.name} is protected up to and including {until_on}")


async def hold(request: web.Request, form: Form) -> str:
    """Nothing happens until released."""
    person = person_of(request)

    async def write(session: AsyncSession, world: World) -> None:
        now = world.clock.now()
        await operations.hold(session, person.number, actor=ACTOR, why=form.get("why", ""), now=now)

    return await _write(request.app[WORLD], write, f"{person.name} is held: nothing happens until you release")


async def release(request: web.Request, form: Form) -> str:
    """Ends what protects."""
    person = person_of(request)

    async def write(session: AsyncSession, world: World) -> None:
        now, today = world.clock.now(), world.now.date()
        await operations.release(session, person.number, actor=ACTOR, why=form.get("why", ""), today=today, now=now)

    return await _write(request.app[WORLD], write, f"{person.name} is released: debt counts again")


async def _write(world: World, write: Callable[[AsyncSession, World], Awaitable[None]], told: str) -> str:
    """One change of facts, and what the engine makes of it."""
    head = await world.journal_head()
    async with world.store.transaction() as session:
        await write(session, world)
    await world.settle()
    said = await records.summary(world, head)
    return f"{told}." if said == "nothing happened" else f"{told}: {said}."
