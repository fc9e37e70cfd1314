"""The demo's customer portal: who can log in is named, and what is done there happens in the demo."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer

from billing.payments import invariants as books
from billing.voip import invariants
from billing.voip.credit import Credit
from billing.voip.operations import calls, listed
from config.errors import HradloError
from daemon.demo.control import make_control_app
from daemon.demo.people import everybody
from daemon.demo.portal import PASSWORD, portal_of
from daemon.demo.views import overview
from daemon.demo.world import World, open_world
from tests.portal.subscribers import free_port

JANA = "1001"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path, everybody(6)) as world, portal_of(world, free_port()):
        await world.move_to(world.now.replace(year=2026, month=3, day=25, hour=12))
        yield world


async def log_in(world: World, browser: ClientSession) -> dict[str, str]:
    """Jana's; gives what her browser sends from then on."""
    origin = {"Origin": world.portal_url}
    form = {"number": JANA, "password": PASSWORD}
    entered = await browser.post(f"{world.portal_url}/login", data=form, headers=origin, allow_redirects=False)
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in entered.cookies.items())
    return {**origin, "Cookie": cookies}


async def test_the_log_in_page_names_an_account_and_it_works(world: World) -> None:
    async with ClientSession(cookie_jar=DummyCookieJar()) as browser:
        page = await (await browser.get(f"{world.portal_url}/login")).text()
        jana = await log_in(world, browser)
        first = await (await browser.get(f"{world.portal_url}/", headers=jana)).text()
        data = await (await browser.get(f"{world.portal_url}/services/1/data", headers=jana)).text()

    assert JANA in page
    assert PASSWORD in page
    assert "Jana Nováková" in first
    assert "<rect" in data


async def test_the_cast_has_telephones_with_credit_and_calls_and_the_books_are_right(world: World) -> None:
    async with world.store.reading() as session:
        numbers = await listed(session)
        called = await calls(session, numbers[0].id)
        problems = [*await invariants.verify(session), *await books.verify(session)]

    assert [(each.number, each.contract_number) for each in numbers[:2]] == [
        ("+420910000101", "1001"),
        ("+420910000102", "1002"),
    ]
    assert len(called) == 7
    assert str(numbers[0].balance + Credit.total(call.charged for call in called)) == "150.00"
    assert problems == []


async def test_the_telephone_zone_tells_a_price_and_names_an_account(world: World) -> None:
    async with ClientSession(cookie_jar=DummyCookieJar()) as browser:
        price = await (await browser.get(f"{world.voip_url}/?number=601123456")).text()
        entrance = await (await browser.get(f"{world.voip_url}/login")).text()

    assert "Česko mobil" in price
    assert "101" in entrance
    assert PASSWORD in entrance


async def test_an_extension_from_the_portal_shields_the_line_in_the_demo(world: World) -> None:
    async with ClientSession(cookie_jar=DummyCookieJar()) as browser:
        jana = await log_in(world, browser)
        page = await (await browser.get(f"{world.portal_url}/paid", headers=jana)).text()
        token = re.findall(r'name="csrf" value="(\w+)"', page)[0]
        form = {"csrf": token, "contract": JANA, "agree": "yes"}
        await browser.post(f"{world.portal_url}/extension", data=form, headers=jana, allow_redirects=False)
    await world.settle()

    row = next(row for row in (await overview(world)).rows if row.person.number == JANA)
    assert row.stage == "clear"


async def test_a_forgotten_passwords_link_arrives_in_the_demos_mailbox_and_leads_here(world: World) -> None:
    async with ClientSession(cookie_jar=DummyCookieJar()) as browser:
        origin = {"Origin": world.portal_url}
        await browser.post(f"{world.portal_url}/forgot", data={"number": JANA}, headers=origin, allow_redirects=False)
    await world.settle()

    assert f"{world.portal_url}/reset?t=" in world.mailbox.received[-1].text


async def test_the_control_page_leads_to_the_portal_and_to_the_telephones(world: World) -> None:
    async with TestClient(TestServer(make_control_app(world))) as client:
        page = await (await client.get("/")).text()
        portal = await client.get("/portal", allow_redirects=False)
        telephones = await client.get("/telephones", allow_redirects=False)

    assert [f'href="{path}"' in page for path in ("/portal", "/telephones")] == [True, True]
    assert (portal.status, portal.headers["Location"]) == (303, f"{world.portal_url}/login")
    assert (telephones.status, telephones.headers["Location"]) == (303, f"{world.voip_url}/")


async def test_a_port_that_is_taken_is_said_with_a_remedy(world: World) -> None:
    taken = int(world.portal_url.rpartition(":")[2])
    with pytest.raises(HradloError, match="Can't listen"):
        async with portal_of(world, taken):
            pass
