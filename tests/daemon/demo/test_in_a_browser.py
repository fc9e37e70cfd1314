"""The story of one subscriber, clicked through on the control page in a real Chromium, without any script."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, async_playwright, expect

from daemon.demo.control import make_control_app
from daemon.demo.people import everybody
from daemon.demo.world import open_world

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
JANA = "1001"
PAGES = ("/", "/bank", "/mails", "/mails/1", "/mails/1?as=text", "/network", "/timeline", f"/subscriber/{JANA}")

pytestmark = pytest.mark.browser


@pytest.fixture(params=[1280, 360], ids=["desk", "phone"])
async def page(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Page]:
    """A browser on the control page of six subscribers, a week before Jana's line goes into notice."""
    if not shutil.which(CHROMIUM):
        if os.environ.get("HRADLO_TEST_REQUIRE_ALL") == "1":
            pytest.fail("needs Chromium: apt install chromium")
        pytest.skip("needs Chromium: apt install chromium")
    async with (
        open_world(tmp_path, everybody(6)) as world,
        TestServer(make_control_app(world)) as server,
        async_playwright() as playwright,
    ):
        await world.move_to(world.now.replace(year=2026, month=3, day=17, hour=12))
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = await browser.new_context(
            base_url=str(server.make_url("/")),
            viewport={"width": request.param, "height": 900},
            java_script_enabled=False,
        )
        yield await context.new_page()
        await browser.close()


@contextmanager
def watching(page: Page) -> Iterator[list[str]]:
    """Requests to anybody else than the page's own server, and complaints of the browser."""
    complaints: list[str] = []
    own = ("http://127.0.0.1:", "data:", "about:")
    page.on("request", lambda request: None if request.url.startswith(own) else complaints.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    yield complaints


async def test_the_story_is_clicked_through(page: Page) -> None:
    with watching(page) as complaints:
        await page.goto("/")
        await _until_in_notice(page)
        await _be_jana_and_read(page)
        await _wait_for_the_suspension(page)
        await _pay(page)
        await _read_the_mail(page)

    assert complaints == []


async def _until_in_notice(page: Page) -> None:
    for _ in range(30):
        if await page.locator(".card", has_text="Jana Nováková").locator(".stage", has_text="Notice").count():
            return
        await page.get_by_role("button", name="Next event").click()
    pytest.fail("nobody came into notice")


async def _be_jana_and_read(page: Page) -> None:
    await page.get_by_role("link", name="Jana Nováková").first.click()
    phone = page.frame_locator("iframe")
    await expect(phone.get_by_role("heading", level=1)).to_have_text("1 faktura zatím není zaplacena")
    await expect(phone.locator(".order")).to_contain_text("599,00")
    await phone.get_by_role("link", name="English").click()
    await expect(phone.get_by_role("heading", level=1)).to_have_text("An invoice has not been paid yet")
    await page.get_by_role("link", name="A web page").click()
    await phone.get_by_role("button", name="Přečetl(a) jsem").click()
    await expect(phone.get_by_role("heading", level=1)).to_have_text("http://example.com/page")
    await expect(page.locator(".standing .stage")).to_have_text("Acknowledged")


async def _wait_for_the_suspension(page: Page) -> None:
    phone = page.frame_locator("iframe")
    for _ in range(2):
        await page.get_by_role("button", name="+ week").click()
    await expect(page.locator(".standing .stage")).to_have_text("Suspended")
    await expect(phone.get_by_role("heading", level=1)).to_contain_text("pozastaven")
    await page.get_by_role("link", name="A secure page").click()
    await expect(phone.get_by_role("heading", level=1)).to_have_text("This site can't be reached")
    await page.get_by_role("link", name="The bank").click()
    await expect(phone.get_by_role("heading", level=1)).to_have_text("https://banka.example/")


async def _pay(page: Page) -> None:
    await page.get_by_role("link", name="A web page").click()
    await page.get_by_role("button", name="Exact").click()
    await expect(page.get_by_role("status")).to_contain_text("1 payment matched · 1 line open again")
    await expect(page.locator(".standing .stage")).to_have_text("Clear")
    await expect(page.frame_locator("iframe").get_by_role("heading", level=1)).to_have_text("http://example.com/page")
    await page.get_by_role("link", name="Network").click()
    await expect(page.locator("table.plan").first).to_contain_text("everything overdue is paid")


async def _read_the_mail(page: Page) -> None:
    await page.goto(f"/subscriber/{JANA}")
    await page.get_by_role("link", name="Připomínka platby").last.click()
    picture = page.frame_locator("iframe").locator("img")
    await expect(picture).to_be_visible()
    await page.get_by_role("link", name="Text", exact=True).click()
    await expect(page.locator("pre")).to_contain_text("599,00")


async def test_every_page_fits_its_screen_and_asks_nobody_else(page: Page) -> None:
    assert page.viewport_size
    width = page.viewport_size["width"]
    with watching(page) as complaints:
        for path in PAGES:
            await page.goto(path)

            assert await page.evaluate("document.documentElement.scrollWidth") == width, path

    assert complaints == []


@pytest.mark.parametrize("width", [320, 360])
async def test_a_mail_fits_the_narrowest_phones(page: Page, width: int) -> None:
    await page.goto(f"/subscriber/{JANA}")
    await page.get_by_role("link", name="+ week").or_(page.get_by_role("button", name="+ week")).first.click()
    letter = await page.get_by_role("link", name="Připomínka platby").last.get_attribute("href")
    await page.set_viewport_size({"width": width, "height": 700})

    await page.goto(f"{letter}/html")

    assert await page.evaluate("document.documentElement.scrollWidth") == width
