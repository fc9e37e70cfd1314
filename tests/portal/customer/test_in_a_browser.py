"""The whole portal in a real Chromium: on a desk and on a phone, in Czech and English, light and dark, with axe-core
looking for what a screen reader or weak eyes would stumble over.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page

from billing.store.engine import Store
from tests.portal.customer.furnished import furnish
from tests.portal.customer.house import PASSWORD, House, house
from tests.portal.looks import LOOKS, Look, browsing, check, speak
from tests.portal.subscribers import free_port

pytestmark = pytest.mark.browser

PAGES = ["/", "/contacts", "/request", "/services", "/services/1/data", "/billing", "/paid", "/notices", "/account"]


@pytest.fixture
async def furnished(store: Store, tmp_path: Path) -> AsyncIterator[House]:
    async with house(store, tmp_path, "extension_days = 7", free_port()) as running:
        await furnish(store)
        yield running


@pytest.fixture(params=LOOKS, ids="-".join)
def look(request: pytest.FixtureRequest) -> Look:
    found: Look = request.param
    return found


@pytest.fixture
async def page(look: Look, furnished: House) -> AsyncIterator[Page]:
    """Jana's browser, logged in by the form."""
    async with browsing(look) as opened:
        await opened.goto(furnished.office.url)
        await check(opened, look, "portal-login")
        await opened.fill("#number", "501")
        await opened.fill("#password", PASSWORD)
        await opened.press("#password", "Enter")
        await opened.wait_for_url(f"{furnished.office.url}/")
        await speak(opened, look[1])  # the customer's contract is in English
        yield opened


async def test_every_page_reads_well_and_breaks_no_rule_of_accessibility(
    page: Page, furnished: House, look: Look
) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("requestfailed", lambda failed: said.append(failed.url))

    for path in PAGES:
        answer = await page.goto(furnished.office.url + path)
        assert answer is not None
        assert answer.status == 200
        await check(page, look, "portal-" + (path.strip("/").replace("/", "-") or "information"))

    assert said == []
