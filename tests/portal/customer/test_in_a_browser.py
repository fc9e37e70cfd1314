"""The whole portal in a real Chromium: on a desk and on a phone, in Czech and English, light and dark, with axe-core
looking for what a screen reader or weak eyes would stumble over.
"""

import os
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Page, ViewportSize, async_playwright
from sqlalchemy import select

from billing.customers.tables import Contract
from billing.dunning.tables import Acknowledgement, Line, Notice, Showing, Standing
from billing.services.tables import Product, Service, Usage
from billing.store.engine import Store
from billing.store.tables import Mail
from tests.portal.customer.house import NOW, PASSWORD, House, house
from tests.portal.subscribers import free_port
from tests.story.conftest import CHROMIUM, require

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
DESK, PHONE = ViewportSize(width=1200, height=900), ViewportSize(width=360, height=740)
LOOKS = [("desk", "cs", "light"), ("phone", "cs", "dark"), ("desk", "en", "dark"), ("phone", "en", "light")]
PAGES = ["/", "/contacts", "/request", "/services", "/services/1/data", "/billing", "/paid", "/notices", "/account"]


async def furnish(store: Store) -> None:
    """Jana has been suspended, and has all that a page can show."""
    async with store.transaction() as session:
        contract_id = await session.scalar(select(Contract.id).where(Contract.number == "1001"))
        service_id = await session.scalar(select(Service.id).where(Service.contract_id == contract_id))
        insurance = Product(kind="insurance", name="Pojištění zařízení")
        notice = Notice(contract_id=contract_id, opened_at=NOW - timedelta(days=12))
        session.add_all([insurance, notice])
        await session.flush()
        assert contract_id
        assert service_id
        covered = Service(
            contract_id=contract_id,
            product_id=insurance.id,
            starts_on=date(2025, 1, 1),
            billed_until_on=date(2026, 12, 31),
        )
        read = Acknowledgement(
            notice_id=notice.id,
            at=NOW - timedelta(days=11),
            source_address="100.64.0.10",
            language="cs",
            text="Prosíme o zaplacení\nFaktura 261001: 599,00 Kč",
            token_sha256="a" * 64,
        )
        shown = Showing(
            notice_id=notice.id, at=NOW - timedelta(days=11), source_address="100.64.0.10", text_sha256="b" * 64
        )
        standing = Standing(contract_id=contract_id, stage="suspended", why="grace_over", since_at=NOW)
        line = Line(contract_id=contract_id, state="suspended", since_at=NOW)
        session.add_all([covered, read, shown, standing, line, _mail(contract_id)])
        for day in range(40):
            at = datetime(2026, 10, 15, 22, tzinfo=UTC) + timedelta(days=day)
            row = {"down_bytes": (day * 7 % 23 + 1) * 10**9, "up_bytes": (day * 3 % 7 + 1) * 10**8}
            session.add(Usage(service_id=service_id, span="day", starts_at=at, **row))


def _mail(contract_id: int) -> Mail:
    at = NOW - timedelta(days=14)
    return Mail(
        dedup_key="reminder:1",
        message_id="<a@isp.example>",
        contract_id=contract_id,
        kind="reminder",
        recipient="501@isp.example",
        subject="Upomínka: 599,00 Kč po splatnosti",
        text="",
        html="",
        created_at=at,
        next_try_at=at,
        sent_at=at,
    )


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
