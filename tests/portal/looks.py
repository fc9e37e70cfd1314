"""Looking at pages in a real Chromium: sizes, colours, and axe-core for what a screen reader or weak eyes trip over."""

import itertools
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Page, ViewportSize, async_playwright

from tests.story.conftest import CHROMIUM, require

AXE = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"
AXE_SOURCE = AXE.read_text(encoding="utf-8") if AXE.exists() else ""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DESK, PHONE = ViewportSize(width=1280, height=900), ViewportSize(width=360, height=740)
Look = tuple[str, str, str]
LOOKS: list[Look] = [("desk", "cs", "light"), ("phone", "cs", "dark"), ("desk", "en", "dark"), ("phone", "en", "light")]
"""Each two of size, language and colours meet."""
EVERY_LOOK: list[Look] = list(itertools.product(("desk", "phone"), ("cs", "en"), ("light", "dark")))


@asynccontextmanager
async def browsing(look: Look, **options: Any) -> AsyncIterator[Page]:
    """A page of a browser that looks so; `options` are those of a playwright context."""
    require("" if shutil.which(CHROMIUM) else "needs Chromium: apt install chromium")
    device, language, scheme = look
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = await browser.new_context(
            viewport=DESK if device == "desk" else PHONE,
            locale=language,
            color_scheme=scheme,  # type: ignore[arg-type]
            **options,
        )
        yield await context.new_page()
        await browser.close()


async def speak(page: Page, language: str) -> None:
    """Presses the button of a language, if the page is not in it already."""
    wanted = page.locator(f"button[name=language][value={language}]")
    if await wanted.count():
        async with page.expect_navigation():
            await wanted.click()


async def check(page: Page, look: Look, name: str) -> None:
    """Nothing sticks out to the side, and axe finds no violation of WCAG 2.2 AA."""
    require("" if AXE.exists() else "needs axe-core: run npm ci in tests/")
    if folder := os.environ.get("HRADLO_TEST_SCREENSHOTS"):
        await page.screenshot(path=f"{folder}/{name}-{'-'.join(look)}.png", full_page=True)
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
    # Through the debugger: the page's own policy lets no foreign script in, and should not.
    await page.evaluate(f"{AXE_SOURCE};0")
    how = {"runOnly": RULES, "resultTypes": ["violations"], "preload": False}
    found = await page.evaluate("(how) => axe.run(how)", how)
    assert len(found["passes"]) > 10, "axe has looked at nothing"
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
