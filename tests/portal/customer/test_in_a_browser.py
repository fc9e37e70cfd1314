"""The whole portal in a real Chromium: on a desk and on a phone, in Czech and English, light and dark, with axe-core
looking for what a screen reader or weak eyes would stumble over; then by keyboard alone, and without script.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from billing.store.engine import Store
from tests.portal.customer.furnished import furnish
from tests.portal.customer.house import PASSWORD, House, house
from tests.portal.looks import EVERY_LOOK, Look, browsing, check, speak
from tests.portal.subscribers import free_port

pytestmark = pytest.mark.browser

PHONE, DESK = ("phone", "en", "light"), ("desk", "en", "light")
OPEN = {"login": "/login", "forgot": "/forgot", "reset": "/reset?t=x", "confirm": "/confirm-email?t=x"}
INSIDE = {
    "information": "/",
    "contacts": "/contacts",
    "request": "/request",
    "services": "/services",
    "days": "/services/1/data",
    "no-data": "/services/1/data?from=2020-01-01&until=2020-01-02",
    "billing": "/billing",
    "nothing-found": "/billing?q=nothing",
    "paid": "/paid",
    "notices": "/notices",
    "account": "/account",
    "saved": "/?done=saved",
    "missing": "/nothing-here",
}


@pytest.fixture
async def furnished(store: Store, tmp_path: Path) -> AsyncIterator[House]:
    async with house(store, tmp_path, "extension_days = 7", free_port()) as running:
        await furnish(store)
        yield running


async def log_in(page: Page, portal: House, number: str = "501") -> None:
    """By the form, with Enter."""
    await page.goto(f"{portal.office.url}/login")
    await page.fill("#number", number)
    await page.fill("#password", PASSWORD)
    await page.press("#password", "Enter")
    await page.wait_for_url(f"{portal.office.url}/")


@pytest.mark.parametrize("look", EVERY_LOOK, ids="-".join)
async def test_every_page_reads_well_and_breaks_no_rule_of_accessibility(furnished: House, look: Look) -> None:
    said, url = list[str](), furnished.office.url
    async with browsing(look) as page:
        page.on("console", lambda message: said.append(message.text))
        page.on("requestfailed", lambda failed: said.append(failed.url))
        for name, path in OPEN.items():
            await page.goto(url + path)
            await check(page, look, f"portal-{name}")
        await log_in(page, furnished)
        await speak(page, look[1])
        for name, path in INSIDE.items():
            await page.goto(url + path)
            await check(page, look, f"portal-{name}")
        await page.goto(f"{url}/contacts")
        await page.locator("#email").evaluate("field => field.type = 'text'")
        await page.fill("#email", "jana@")
        await page.press("#email", "Enter")
        await check(page, look, "portal-wrong")
        await page.context.clear_cookies()
        await log_in(page, furnished, "502")
        for name in ("information", "billing", "notices"):
            await page.goto(url + INSIDE[name])
            await check(page, look, f"portal-{name}-of-petr")

    expected = "Failed to load resource: the server responded with a status of 4"
    assert [text for text in said if not text.startswith(expected)] == []


async def test_a_keyboard_alone_is_enough(furnished: House) -> None:
    async with browsing(DESK) as page:
        await log_in(page, furnished)
        await page.keyboard.press("Tab")
        await expect(page.locator(".skip")).to_be_focused()
        await expect(page.locator(".skip")).to_be_in_viewport()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        copy = page.locator(".copy").first
        await expect(copy).to_be_focused()
        assert await copy.evaluate("button => getComputedStyle(button).outlineStyle") == "solid"

        await page.goto(f"{furnished.office.url}/paid")
        await page.locator("input[name=agree]").focus()
        await page.keyboard.press("Space")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/billing?done=extended")
        await expect(page.get_by_role("status")).to_contain_text("extension is recorded")


async def test_script_copies_what_a_payment_needs_and_shows_a_password(furnished: House) -> None:
    permissions = ["clipboard-read", "clipboard-write"]
    async with browsing(PHONE, permissions=permissions) as page:
        await page.goto(f"{furnished.office.url}/login")
        await page.fill("#password", "secret")
        await page.get_by_role("button", name="Show: Password").click()
        assert await page.get_attribute("#password", "type") == "text"
        await log_in(page, furnished)
        await page.get_by_role("button", name="Copy Variable symbol").click()
        await expect(page.get_by_text("Copied")).to_be_visible()
        assert await page.evaluate("navigator.clipboard.readText()") == "1001"


async def test_without_script_everything_works_and_no_dead_button_is_seen(furnished: House) -> None:
    async with browsing(PHONE, java_script_enabled=False) as page:
        await log_in(page, furnished)
        await expect(page.locator(".copy").first).to_be_hidden()
        await page.get_by_role("link", name="Change contacts").click()
        await page.fill("#phone", "+420 777 000 111")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("status")).to_contain_text("saved")
        await expect(page.get_by_text("+420 777 000 111")).to_be_visible()
        await page.get_by_role("link", name="Services").click()
        await page.get_by_role("link", name="Transferred data").first.click()
        await page.get_by_role("link", name="by months").click()
        await expect(page.locator("rect.down").first).to_be_attached()
        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_role("status")).to_contain_text("logged out")
