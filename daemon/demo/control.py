"""The control page of the demo: move the clock, be any subscriber, let payments arrive, read the mails.

Pages are GET and change nothing; the buttons are in `actions.py`. No script runs, and nothing is loaded from
anywhere else.
"""

from datetime import timedelta
from pathlib import Path

import jinja2
from aiohttp import web

from billing.dunning.operations import contract_id_of
from billing.payments.operations import unmatched
from daemon.contract_report import report
from daemon.demo import actions, guard, records, screens, views
from daemon.demo.actions import NOTES, WORLD, Notes, person_of
from daemon.demo.browser import Screen
from daemon.demo.isp import BANK_HOST, PORTAL_HOST
from daemon.demo.people import Subscriber
from daemon.demo.world import WANTED_URL, World

MAILS_LISTED = 60
SOON = 5
LATELY_ENTRIES = 300
BOOKMARKS = {
    "A web page": WANTED_URL,
    "A secure page": "https://www.example.com/",
    "The phone's own check": "http://captive.apple.com/hotspot-detect.html",
    "The bank": f"https://{BANK_HOST}/",
    "The customer portal": f"https://{PORTAL_HOST}/",
}
_FOLDER = Path(__file__).parent
_pages = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def make_control_app(world: World) -> web.Application:
    """The pages, and the buttons; every button is a POST that leads back."""
    app = web.Application()
    app[WORLD], app[NOTES] = world, Notes()
    guard.install(app)
    app.router.add_get("/", everybody)
    app.router.add_get("/bank", bank)
    app.router.add_get("/mails", mails)
    app.router.add_get("/mails/{id:[0-9]{1,9}}", mails)
    app.router.add_get("/mails/{id:[0-9]{1,9}}/html", mail_html)
    app.router.add_get("/network", network)
    app.router.add_get("/timeline", timeline)
    app.router.add_get("/subscriber/{number}", subscriber)
    app.router.add_get("/subscriber/{number}/screen", screen)
    app.router.add_get("/portal", portal)
    app.router.add_get("/telephones", telephones)
    app.router.add_get("/control.css", style)
    actions.add_routes(app)
    return app


async def _page(request: web.Request, name: str, here: str = "", **values: object) -> web.Response:
    world = request.app[WORLD]
    back = request.rel_url.with_query({key: text for key, text in request.query.items() if key != "note"})
    async with world.store.reading() as session:
        waiting = len(await unmatched(session))
    text = _pages.get_template(name).render(
        here=here,
        world=world,
        waiting=waiting,
        next_at=world.next_event_at and world.local(world.next_event_at),
        note=request.app[NOTES].read(request.query.get("note", "")),
        token=request.app[guard.TOKEN],
        back=str(back),
        stages=views.STAGES,
        currency=world.settings.isp.currency,
        **values,
    )
    return web.Response(text=text, content_type="text/html")


async def everybody(request: web.Request) -> web.Response:
    """The whole ISP on one page."""
    world, wanted = request.app[WORLD], request.query.get("q", "").strip()
    chosen = request.query.get("stage", "")
    seen = await views.overview(world)
    rows = [row for row in seen.rows if _is_chosen(row, chosen) and _is_meant(row.person, wanted)]
    journal = await records.journal_lines(world, limit=LATELY_ENTRIES)
    return await _page(
        request,
        "people.html",
        "/",
        seen=seen,
        rows=rows,
        chosen=chosen,
        wanted=wanted,
        cast=[row for row in seen.rows if row.person.about],
        soon=views.happenings(seen.ahead)[:SOON],
        lately=[entry for entry in journal if not entry.is_inward][:SOON],
    )


def _is_chosen(row: views.Row, stage: str) -> bool:
    """Without a choice, those about whom there is something to say."""
    if not stage:
        return row.stage != "clear" or row.coming is not None
    return stage in (row.stage, "all")


def _is_meant(person: Subscriber, wanted: str) -> bool:
    return not wanted or any(wanted.lower() in text.lower() for text in (person.name, person.number, person.address))


async def subscriber(request: web.Request) -> web.Response:
    """One subscriber: the phone in their hand, where they stand, and what can be done."""
    world, person = request.app[WORLD], person_of(request)
    shown = await _shown(request, person)
    async with world.store.reading() as session:
        found = await report(session, person.number, world.settings, world.clock.now())
        due = await views.open_invoices(session, await contract_id_of(session, person.number))
    return await _page(
        request,
        "subscriber.html",
        "/",
        person=person,
        report=found,
        stage="parked" if found.parked else found.stage,
        due=due,
        url=_typed(request),
        shown=shown,
        bookmarks=BOOKMARKS,
        ahead=await views.ahead_of(world, person),
        mails=records.mails(world, person),
        kinds=actions.KINDS,
        promise_until=(world.now + timedelta(days=14)).date(),
        today=world.now.date(),
    )


async def portal(request: web.Request) -> web.Response:
    """On to the customer portal, which is at another port."""
    if not request.app[WORLD].portal_url:
        raise web.HTTPNotFound
    raise web.HTTPSeeOther(f"{request.app[WORLD].portal_url}/login")


async def telephones(request: web.Request) -> web.Response:
    """On to the VoIP zone: its first page tells what a call costs, and leads to the log-in."""
    if not request.app[WORLD].voip_url:
        raise web.HTTPNotFound
    raise web.HTTPSeeOther(f"{request.app[WORLD].voip_url}/")


def _typed(request: web.Request) -> str:
    """The address in the subscriber's browser, completed as browsers do."""
    typed = request.query.get("url", "").strip() or WANTED_URL
    return typed if "://" in typed else f"http://{typed}"


async def _shown(request: web.Request, person: Subscriber) -> Screen:
    """What the subscriber's browser shows at that address."""
    try:
        return await request.app[WORLD].browser.visit(person.address, _typed(request), person.language)
    except ValueError as error:
        raise web.HTTPBadRequest(text=str(error)) from error


async def screen(request: web.Request) -> web.Response:
    """What the subscriber's browser shows now; for the frame, in which nothing may run."""
    person = person_of(request)
    shown = await _shown(request, person)
    html = screens.in_frame(shown, person, request.app[guard.TOKEN])
    return _framed(html, "allow-forms allow-top-navigation-by-user-activation")


def _framed(html: str, allowed: str = "") -> web.Response:
    policy = guard.FRAME_POLICY.format(allowed=allowed)
    return web.Response(text=html, content_type="text/html", headers={"Content-Security-Policy": policy})


async def bank(request: web.Request) -> web.Response:
    """Statements that arrived, and payments that wait for a person."""
    world = request.app[WORLD]
    return await _page(
        request,
        "bank.html",
        "/bank",
        seen=await views.overview(world),
        arrived=[(world.local(one.at), one) for one in reversed(world.arrived)],
    )


async def mails(request: web.Request) -> web.Response:
    """Every mail that was sent, the newest first; one of them is open beside the list."""
    listed, number = records.mails(request.app[WORLD]), request.match_info.get("id")
    found = next((each for each in listed if str(each.mail.id) == number), None)
    if number and found is None:
        raise web.HTTPNotFound(text="There is no such mail.")
    return await _page(
        request,
        "mails.html",
        "/mails",
        listed=listed[:MAILS_LISTED],
        total=len(listed),
        open_mail=found,
        as_text=request.query.get("as") == "text",
    )


async def mail_html(request: web.Request) -> web.Response:
    """A mail's HTML, as its recipient's program shows it; for the frame."""
    for one in request.app[WORLD].mailbox.received:
        if str(one.id) == request.match_info["id"]:
            return _framed(one.html)
    raise web.HTTPNotFound(text="There is no such mail.")


async def network(request: web.Request) -> web.Response:
    """What the network was told, and why."""
    world = request.app[WORLD]
    observed = await world.driver.observe()
    lines = [str(state) for state in observed.lines.values()]
    return await _page(
        request,
        "network.html",
        "/network",
        plans=records.plans(world),
        total=len(world.applied),
        counts={state: lines.count(state) for state in ("notice", "suspended")},
    )


async def timeline(request: web.Request) -> web.Response:
    """The journal behind, the forecast ahead."""
    world = request.app[WORLD]
    seen = await views.overview(world)
    return await _page(
        request,
        "timeline.html",
        "/timeline",
        ahead=views.by_day(views.happenings(seen.ahead)),
        days=views.FORECAST_DAYS,
        journal=await records.journal_lines(world),
        head=await world.journal_head(),
        names_shown=records.NAMES_IN_A_LINE,
    )


async def style(request: web.Request) -> web.FileResponse:
    """How it looks."""
    return web.FileResponse(_FOLDER / "static" / "control.css")
