"""The control page of the demo: move the clock, be any subscriber, let payments arrive, read the mails."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urljoin

import jinja2
from aiohttp import web
from sqlalchemy import select

from billing.customers.tables import Contract
from billing.dunning.tables import Standing
from billing.money import Money
from daemon.contract_report import report
from daemon.demo.bank import Movement
from daemon.demo.browser import form_of
from daemon.demo.world import WANTED_URL, World

WORLD = web.AppKey("world", World)
STEPS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
STAGES = ("clear", "reminded", "notice", "acknowledged", "suspended")
MAILS_SHOWN = 50
PLANS_SHOWN = 10
_pages = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
)


def make_control_app(world: World) -> web.Application:
    """The page and its buttons; every button is a POST that leads back."""
    app = web.Application()
    app[WORLD] = world
    app.router.add_get("/", overview)
    app.router.add_post("/clock", move_clock)
    app.router.add_get("/subscriber/{number}", subscriber)
    app.router.add_post("/subscriber/{number}/pay", pay)
    app.router.add_post("/subscriber/{number}/acknowledge", acknowledge)
    app.router.add_get("/subscriber/{number}/screen", screen)
    app.router.add_get("/mail/{id}", mail)
    return app


def _page(name: str, **values: object) -> web.Response:
    text = _pages.get_template(name).render(**values)
    return web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-store"})


async def _stages(world: World) -> dict[str, str]:
    query = select(Contract.number, Standing.stage).join(Standing, Standing.contract_id == Contract.id)
    async with world.store.reading() as session:
        return {number: stage for number, stage in await session.execute(query)}  # noqa: C416 - rows, not pairs


async def overview(request: web.Request) -> web.Response:
    """The whole ISP on one page."""
    world, chosen = request.app[WORLD], request.query.get("stage", "")
    stages = await _stages(world)
    everybody = [(person, stages.get(person.number, "clear")) for person in world.people]
    return _page(
        "control.html",
        world=world,
        counts={stage: sum(1 for _, its in everybody if its == stage) for stage in STAGES},
        chosen=chosen,
        people=[(person, stage) for person, stage in everybody if chosen in ("", stage)],
        mails=list(reversed(world.mailbox.received[-MAILS_SHOWN:])),
        plans=list(reversed(world.applied[-PLANS_SHOWN:])),
    )


async def move_clock(request: web.Request) -> web.Response:
    """Moves the clock by a step, or to the next event."""
    world, by = request.app[WORLD], str((await request.post()).get("by", ""))
    if by == "event" and world.next_event_at:
        await world.move_to(world.next_event_at)
    elif by in STEPS:
        await world.move_to(world.clock.now() + STEPS[by])
    raise web.HTTPSeeOther("/")


def _number(request: web.Request) -> str:
    number = request.match_info["number"]
    if request.app[WORLD].person(number) is None:
        raise web.HTTPNotFound(text="There is no such subscriber.")
    return number


async def subscriber(request: web.Request) -> web.Response:
    """One subscriber: the contract's report, and what their browser shows."""
    world, number = request.app[WORLD], _number(request)
    async with world.store.reading() as session:
        found = await report(session, number, world.settings, world.clock.now())
    return _page("subscriber.html", world=world, person=world.person(number), report=found, wanted=WANTED_URL)


async def screen(request: web.Request) -> web.Response:
    """What the subscriber's browser shows now; for the frame, in which nothing may run."""
    world, person = request.app[WORLD], request.app[WORLD].person(_number(request))
    if person is None:
        raise web.HTTPNotFound
    shown = await world.browser.visit(person.address, WANTED_URL, person.language)
    headers = {"Content-Security-Policy": "sandbox", "Cache-Control": "no-store"}
    return web.Response(text=shown.html, content_type="text/html", headers=headers)


async def acknowledge(request: web.Request) -> web.Response:
    """Presses the button of the page that the subscriber's browser shows."""
    world, person = request.app[WORLD], request.app[WORLD].person(_number(request))
    if person is None:
        raise web.HTTPNotFound
    shown = await world.browser.visit(person.address, WANTED_URL, person.language)
    form = form_of(shown.html) if shown.kind == "hradlo" else None
    if form is not None:
        await world.browser.submit(person.address, urljoin(shown.url, form.action), form.fields, person.language)
    raise web.HTTPSeeOther(f"/subscriber/{person.number}")


async def pay(request: web.Request) -> web.Response:
    """A statement with one payment arrives; a wrong amount changes nothing."""
    world, number, form = request.app[WORLD], _number(request), await request.post()
    try:
        amount = Money.parse(str(form.get("amount", "")))
    except ValueError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    symbol = str(form.get("symbol", number))
    if amount <= Money(0) or not (symbol.isascii() and symbol.isdigit() and len(symbol) <= 10):
        raise web.HTTPBadRequest(text="A payment needs an amount above zero and a symbol of at most ten digits.")
    await world.pay(Movement(amount, variable_symbol=symbol))
    raise web.HTTPSeeOther(f"/subscriber/{number}")


async def mail(request: web.Request) -> web.Response:
    """One mail, as its recipient sees it."""
    for one in request.app[WORLD].mailbox.received:
        if str(one.id) == request.match_info["id"]:
            headers = {
                "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
            }
            return web.Response(text=one.html, content_type="text/html", headers=headers)
    raise web.HTTPNotFound(text="There is no such mail.")
