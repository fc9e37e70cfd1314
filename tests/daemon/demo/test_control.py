"""The demo's control page: what each button does, and whom it refuses."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from daemon.demo.actions import KINDS
from daemon.demo.control import make_control_app
from daemon.demo.guard import TOKEN
from daemon.demo.people import everybody
from daemon.demo.views import overview
from daemon.demo.world import World, open_world

JANA = "1001"
PAGES = ("/", "/?stage=notice", "/?q=jana&stage=all", "/bank", "/mails", "/network", "/timeline", f"/subscriber/{JANA}")


class Visitor:
    """Somebody with a browser on the control page."""

    def __init__(self, world: World, client: TestClient) -> None:  # type: ignore[type-arg]
        self.world = world
        self.client = client

    async def press(self, path: str, **form: str) -> ClientResponse:
        """A button, with what the page's own form carries."""
        token = self.client.server.app[TOKEN]  # type: ignore[attr-defined]
        return await self.client.post(path, data={"token": token, **form})

    async def note(self, path: str, **form: str) -> str:
        """What the page says after the button."""
        found = re.search(r'role="status"><span>(.*?)</span>', await (await self.press(path, **form)).text())
        return found[1] if found else ""

    async def text(self, path: str) -> str:
        return await (await self.client.get(path)).text()

    async def stage(self, number: str) -> str:
        return {row.person.number: row.stage for row in (await overview(self.world)).rows}[number]

    async def debt(self, number: str) -> str:
        return str({row.person.number: row.debt for row in (await overview(self.world)).rows}[number])


@pytest.fixture
async def visitor(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Visitor]:
    """Among the six of the cast (or as many as a test asks for), on the day when Jana's line goes into notice."""
    async with (
        open_world(tmp_path, everybody(getattr(request, "param", 6))) as world,
        TestClient(TestServer(make_control_app(world))) as client,
    ):
        await world.move_to(world.now.replace(year=2026, month=3, day=24, hour=8, minute=30))
        yield Visitor(world, client)


async def test_every_page_is_shown_without_a_script_and_without_another_host(visitor: Visitor) -> None:
    for page in PAGES:
        response = await visitor.client.get(page)
        text = await response.text()

        assert response.status == 200, page
        assert "<script" not in text
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', text)
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]


async def test_a_foreign_name_that_points_here_is_refused(visitor: Visitor) -> None:
    for host in ("evil.example", "evil.example:8470", "127.0.0.1.evil.example", "[::1", "", "127.0.0.1@evil.example"):
        assert (await visitor.client.get("/", headers={"Host": host})).status in (400, 421), host


async def test_a_form_of_another_site_changes_nothing(visitor: Visitor) -> None:
    before, token = visitor.world.now, visitor.client.server.app[TOKEN]  # type: ignore[attr-defined]
    refused = [
        await visitor.client.post("/clock", data={"by": "day"}),
        await visitor.client.post("/clock", data={"by": "day", "token": "guessed"}),
        await visitor.client.post(
            "/clock", data={"by": "day", "token": token}, headers={"Origin": "http://evil.example"}
        ),
        await visitor.client.get("/clock", params={"by": "day", "token": token}),
    ]

    assert [response.status for response in refused] == [403, 403, 403, 405]
    assert visitor.world.now == before


async def test_a_button_never_leads_to_another_site(visitor: Visitor) -> None:
    token = visitor.client.server.app[TOKEN]  # type: ignore[attr-defined]
    for back in (
        "//evil.example/",
        "http://evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "\t//evil.example",
    ):
        form = {"token": token, "by": "fortnight", "back": back}
        response = await visitor.client.post("/clock", data=form, allow_redirects=False)

        assert response.headers["Location"].startswith("/?note="), back


@pytest.mark.parametrize(("by", "hours"), [("hour", 1), ("day", 24), ("week", 7 * 24 - 1)])
async def test_the_clock_moves_as_a_clock_on_the_wall(visitor: Visitor, by: str, hours: int) -> None:
    """A week from 24 March contains the hour that summer time takes."""
    before = visitor.world.clock.now()
    await visitor.press("/clock", by=by)

    assert (visitor.world.clock.now() - before).total_seconds() == hours * 3600


async def test_the_next_event_is_one_at_which_something_is_written_until_nothing_is_left(visitor: Visitor) -> None:
    while visitor.world.next_event_at:
        head = await visitor.world.journal_head()
        await visitor.press("/clock", by="event")

        assert await visitor.world.journal_head() > head or visitor.world.next_event_at is None

    assert "Nothing more" in await visitor.note("/clock", by="event")


@pytest.mark.parametrize("visitor", [20], indirect=True)
async def test_whoever_paid_when_the_visitor_said_so_neither_pays_again_nor_is_an_event(visitor: Visitor) -> None:
    today = visitor.world.now.date()
    for person in visitor.world.people:
        if any(bill.issued_on <= today and bill.pays_on and bill.pays_on > today for bill in person.bills):
            await visitor.press(f"/subscriber/{person.number}/pay", kind="exact")
    paid = len(visitor.world.arrived)
    while visitor.world.next_event_at:
        head = await visitor.world.journal_head()
        await visitor.press("/clock", by="event")

        assert await visitor.world.journal_head() > head or visitor.world.next_event_at is None

    assert paid > 0
    assert len(visitor.world.arrived) == paid


async def test_a_subscriber_sees_the_real_notice_and_reads_it(visitor: Visitor) -> None:
    frame = await visitor.client.get(f"/subscriber/{JANA}/screen")
    text = await frame.text()

    assert "599,00" in text
    assert f'action="/subscriber/{JANA}/press"' in text
    assert frame.headers["Content-Security-Policy"].startswith("sandbox allow-forms")

    await visitor.press(f"/subscriber/{JANA}/press", url="http://example.com/page")

    assert await visitor.stage(JANA) == "acknowledged"
    assert "The page that they wanted" in await visitor.text(f"/subscriber/{JANA}/screen")


@pytest.mark.parametrize(
    ("kind", "debt", "says"),
    [
        ("exact", "0.00", "1 payment matched · 1 line open again"),
        ("partial", "300.00", "1 payment matched"),
        ("over", "0.00", "1 payment matched · 1 line open again"),
        ("wrong", "599.00", "1 payment waiting for a person"),
        ("plain", "0.00", "1 payment matched · 1 line open again"),
    ],
)
async def test_a_payment_arrives_in_every_way(visitor: Visitor, kind: str, debt: str, says: str) -> None:
    assert kind in KINDS

    note = await visitor.note(f"/subscriber/{JANA}/pay", kind=kind)

    assert says in note
    assert await visitor.debt(JANA) == debt


async def test_a_waiting_payment_is_assigned_by_hand(visitor: Visitor) -> None:
    await visitor.press(f"/subscriber/{JANA}/pay", kind="wrong")
    waiting = (await overview(visitor.world)).waiting[0]
    await visitor.press("/bank/assign", payment=str(waiting.id), contract=JANA)

    assert await visitor.stage(JANA) == "clear"


async def test_an_amount_that_is_none_changes_nothing(visitor: Visitor) -> None:
    for amount in ("nothing", "-5", "0", ""):
        note = await visitor.note(f"/subscriber/{JANA}/pay", kind="own", amount=amount, variable_symbol=JANA)

        assert note.startswith("Not done"), amount
    assert await visitor.debt(JANA) == "599.00"


@pytest.mark.parametrize("visitor", [20], indirect=True)
async def test_when_everybody_pays_nobody_owes_anything(visitor: Visitor) -> None:
    await visitor.press("/bank/everybody")
    seen = await overview(visitor.world)

    assert str(seen.debt) == "0.00"
    assert {row.stage for row in seen.rows} == {"clear"}
    assert "Nobody owes anything" in await visitor.note("/bank/everybody")


async def test_a_promise_and_a_hold_protect_until_released(visitor: Visitor) -> None:
    await visitor.press(f"/subscriber/{JANA}/promise", until="2026-04-17", why="pays with the next wage")

    assert await visitor.stage(JANA) == "clear"

    await visitor.press(f"/subscriber/{JANA}/release", why="paid elsewhere")

    assert await visitor.stage(JANA) == "notice"

    await visitor.press(f"/subscriber/{JANA}/hold", why="a complaint")

    assert await visitor.stage(JANA) == "clear"
    assert (await visitor.note(f"/subscriber/{JANA}/promise", until="2020-01-01", why="x")).startswith("Not done")


async def test_a_mail_is_read_as_html_with_its_qr_code_and_as_text(visitor: Visitor) -> None:
    mail = visitor.world.mailbox.to(everybody(1)[0].email)[0]

    assert "data:image/png" in await visitor.text(f"/mails/{mail.id}/html")
    assert "26000001" in await visitor.text(f"/mails/{mail.id}?as=text")


async def test_the_network_page_says_who_was_changed_and_why(visitor: Visitor) -> None:
    text = await visitor.text("/network")

    assert "Jana Nováková" in text
    assert "overdue for so long that the notice is shown" in text

    await visitor.press(f"/subscriber/{JANA}/promise", until="2026-04-17", why="pays with the next wage")

    assert "a promise protects it" in await visitor.text("/network")


async def test_what_is_not_there_is_not_found(visitor: Visitor) -> None:
    for path in ("/subscriber/9999", "/mails/99999", "/mails/x", "/subscriber/1001/screen/x"):
        assert (await visitor.client.get(path)).status == 404, path


async def test_an_address_that_is_none_is_refused(visitor: Visitor) -> None:
    assert (await visitor.client.get(f"/subscriber/{JANA}/screen", params={"url": "file:///etc/passwd"})).status == 400
