"""The whole portal in a real Chromium: on a desk and on a phone, in Czech and English, light and dark, with axe-core
looking for what a screen reader or weak eyes would stumble over.
"""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, ViewportSize, async_playwright

from billing.store.engine import Store
from tests.portal.customer.furnished import furnish
from tests.portal.customer.house import PASSWORD, House, house
from tests.portal.subscribers import free_port
from tests.story.conftest import CHROMIUM, require

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
DESK, PHONE = ViewportSize(width=1200, height=900), ViewportSize(width=360, height=740)
LOOKS = [("desk", "cs", "light"), ("phone", "cs", "dark"), ("desk", "en", "dark"), ("phone", "en", "light")]
PAGES = ["/", "/contacts", "/request", "/services", "/services/1/data", "/billing", "/paid", "/notices", "/account"]


@pytest.fixture
async def furnished(store: Store, tmp_path: Path) -> AsyncIterator[House]:
    async with house(store, tmp_path, "extension_days = 7", free_port()) as running:
        await furnish(store)
        yield running


@pytest.fixture(params=LOOKS, ids="-".join)
async def page(request: pytest.FixtureRequest, furnished: House) -> AsyncIterator[Page]:
    """Jana's browser, logged in by the form."""
    require("" if shutil.which(CHROMIUM) else "needs Chromium: apt install chromium")
    device, language, scheme = request.param
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = await browser.new_context(
            viewport=DESK if device == "desk" else PHONE, locale=language, color_scheme=scheme
        )
        opened = await context.new_page()
        await opened.goto(furnished.office.url)
        await check(opened, request, "login")
        await opened.fill("#number", "501")
        await opened.fill("#password", PASSWORD)
        await opened.press("#password", "Enter")
        await opened.wait_for_url(f"{furnished.office.url}/")
        wanted = opened.locator(f"button[name=language][value={language}]")
        if await wanted.count():  # the customer's contract is in English
            async with opened.expect_navigation():
                await wanted.click()
        yield opened
        await browser.close()


async def check(page: Page, request: pytest.FixtureRequest, name: str) -> None:
    """Nothing sticks out to the side, and axe finds no violation of WCAG 2.2 AA."""
    require("" if AXE.exists() else "needs axe-core: run npm ci in tests/")
    look = "-".join(request.node.callspec.params["page"])
    if folder := os.environ.get("HRADLO_TEST_SCREENSHOTS"):
        await page.screenshot(path=f"{folder}/portal-{name}-{look}.png", full_page=True)
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
    # Through the debugger: the page's own policy lets no foreign script in, and should not.
    await page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = await page.evaluate("(rules) => axe.run({runOnly: rules})", rules)
    assert len(found["passes"]) > 10, "axe has looked at nothing"
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []


async def test_every_page_reads_well_and_breaks_no_rule_of_accessibility(
    page: Page, furnished: House, request: pytest.FixtureRequest
) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("requestfailed", lambda failed: said.append(failed.url))

    for path in PAGES:
        answer = await page.goto(furnished.office.url + path)
        assert answer is not None
        assert answer.status == 200
        await check(page, request, path.strip("/").replace("/", "-") or "information")

    assert said == []
