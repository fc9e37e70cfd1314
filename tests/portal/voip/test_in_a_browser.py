"""The whole VoIP zone in a real Chromium: what a call costs, log-in, a top-up, the cap; on a desk and on a phone, in
Czech and English, light and dark. The invoice then stands in the customer portal, on the same sockets.
"""

from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Page, expect
from sqlalchemy import update

from billing.customers.passwords import hash_password
from billing.customers.tables import Customer
from billing.store.engine import Store
from config.clock import TestClock
from portal.customer.office import Office
from portal.server import make_zones_app
from portal.voip.booth import Booth
from tests.billing.voip.world import NOW
from tests.portal.customer.house import settings_in
from tests.portal.looks import LOOKS, Look, browsing, check, speak
from tests.portal.subscribers import free_port
from tests.portal.voip.street import PASSWORD, furnish, street

pytestmark = pytest.mark.browser


@pytest.fixture(params=LOOKS, ids="-".join)
def look(request: pytest.FixtureRequest) -> Look:
    found: Look = request.param
    return found


async def test_a_call_is_priced_credit_topped_up_and_the_cap_reached(store: Store, tmp_path: Path, look: Look) -> None:
    said: list[str] = []
    async with street(store, tmp_path, free_port()) as voip, browsing(look) as page:
        page.on("console", lambda message: said.append(message.text))
        await page.goto(voip.booth.url)
        await page.fill("#number", "601 123 456")
        await page.press("#number", "Enter")
        await expect(page.locator(".amount")).to_contain_text("2,40" if look[1] == "cs" else "2.40")
        await check(page, look, "voip-price")
        await page.get_by_role("link").filter(has_text="credit" if look[1] == "en" else "kredit").click()
        await page.fill("#number", "456")
        await page.fill("#password", PASSWORD)
        await check(page, look, "voip-login")
        await page.press("#password", "Enter")
        await page.wait_for_url(f"{voip.booth.url}/credit")
        await speak(page, look[1])
        await check(page, look, "voip-credit")
        await _top_up(page, look)
        assert await voip.credit_of() == "683.658"
        await expect(page.locator("button[name=amount][value='500.00']")).to_be_disabled()
        await page.goto(f"{voip.booth.url}/calls")
        await check(page, look, "voip-calls")
        await page.goto(f"{voip.booth.url}/account")
        await check(page, look, "voip-account")
        assert said == []
        answer = await page.goto(f"{voip.booth.url}/top-up?amount=1000.00")
        assert answer
        assert answer.status == 409
        await check(page, look, "voip-cap")


async def _top_up(page: Page, look: Look) -> None:
    await page.click("button[name=amount][value='500.00']")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("500")
    await check(page, look, "voip-confirm")
    await page.locator("main form button").click()
    await expect(page.get_by_role("status")).to_contain_text("683")
    await check(page, look, "voip-topped-up")
    await page.reload()
    await page.get_by_role("link").filter(has_text="Back to" if look[1] == "en" else "Zpět na").click()


async def test_the_invoice_of_a_top_up_stands_in_the_customer_portal_on_the_same_sockets(
    store: Store, tmp_path: Path
) -> None:
    port = free_port()
    settings = settings_in(tmp_path, url=f"http://127.0.0.1:{port}", voip_url=f"http://localhost:{port}")
    await furnish(store)
    async with store.transaction() as session:
        await session.execute(update(Customer).values(password_hash=hash_password(PASSWORD)))
    zones = [kind(settings, store, TestClock(NOW), lambda: None) for kind in (Office, Booth)]
    runner = web.AppRunner(make_zones_app(*zones), access_log=None)  # type: ignore[arg-type]
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    async with browsing(("phone", "en", "light")) as page:
        await _log_in(page, f"http://localhost:{port}", "456")
        await page.get_by_role("link", name="2600000001").click()
        await page.get_by_role("link", name="Billing in the customer portal").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Customer portal")
        await _log_in(page, f"http://127.0.0.1:{port}", "3001")
        await page.goto(f"http://127.0.0.1:{port}/billing")
        await expect(page.get_by_role("row").filter(has_text="2600000001")).to_contain_text("910 123 456")
    await runner.cleanup()


async def _log_in(page: Page, url: str, number: str) -> None:
    await page.goto(f"{url}/login")
    await page.fill("#number", number)
    await page.fill("#password", PASSWORD)
    async with page.expect_navigation():
        await page.press("#password", "Enter")
