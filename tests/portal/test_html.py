"""Every page of the portal, of the VoIP zone and of the notice server is valid HTML."""

import shutil
from pathlib import Path

import pytest

from billing.store.engine import Store
from config.i18n import LANGUAGES
from portal.notice.pages import Pages
from tests.portal.customer.furnished import furnish
from tests.portal.customer.house import House, house
from tests.portal.notice.test_pages import every_page
from tests.portal.subscribers import settings_in
from tests.portal.valid_html import VALIDATOR, problems
from tests.portal.voip.street import street
from tests.story.conftest import require

OPEN = ("/login", "/forgot", "/reset?t=x", "/confirm-email?t=x")
INSIDE = (
    "/", "/contacts", "/request", "/services", "/services/1/data", "/services/1/data?span=month",
    "/services/1/data?span=hour", "/services/1/data?from=2020-01-01&until=2020-01-02", "/billing",
    "/billing?year=all", "/billing?q=nothing", "/paid", "/notices", "/account", "/nothing-here",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _needs_the_validator() -> None:
    require("" if VALIDATOR.exists() and shutil.which("node") else "needs html-validate: run npm ci in tests/")


async def portal_pages(portal: House, language: str) -> dict[str, str]:
    """Each page as nobody, Jana (who has everything) and Petr (who has nothing) get it, with its errors."""
    found = dict[str, str]()
    nobody, jana, petr = (portal.browser(**{"Accept-Language": language}) for _ in range(3))
    await jana.log_in()
    await petr.log_in("502")
    for browser in (jana, petr):
        await browser.post("/language", language=language)
    for name, browser, paths in (("nobody", nobody, OPEN), ("Jana", jana, INSIDE), ("Petr", petr, INSIDE)):
        for path in paths:
            found[f"{path} for {name}"] = (await browser.get(path)).html
    found["wrong password"] = (await nobody.log_in("501", "not that")).html
    found["wrong address"] = (await jana.post("/contacts", email="x@")).html
    found["empty request"] = (await jana.post("/request")).html
    found["wrong old password"] = (await jana.post("/password", old="x", new="y")).html
    found["foreign form"] = (await jana.ask("POST", "/contacts", {})).html
    await jana.post("/contacts", email="new@isp.example")
    link = await portal.link_in_last_mail()
    found["link to confirm"] = (await jana.get(link)).html
    found["address that waits"] = (await jana.get("/")).html
    return found


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_page_of_the_portal_is_valid(store: Store, tmp_path: Path, language: str) -> None:
    async with house(store, tmp_path, "extension_days = 7", demo_login=("501", "a password")) as portal:
        await furnish(store, months=70)
        pages = await portal_pages(portal, language)

    assert all(f'<html lang="{language}">' in html for html in pages.values())
    assert problems(pages, tmp_path / "pages") == []


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_page_of_the_voip_zone_is_valid(store: Store, tmp_path: Path, language: str) -> None:
    async with street(store, tmp_path) as voip:
        nobody, jana = voip.browser(**{"Accept-Language": language}), await voip.browser().enter()
        await jana.post("/language", language=language)
        numbers = ("112", "1188", "601123456", "%2B4930123456", "%2B88212345678", "nothing", "800123456")
        prices = [f"/?number={number}" for number in numbers]
        pages = {path: (await nobody.get(path)).html for path in ("/", "/login", *prices)}
        inside = ("/credit", "/top-up?amount=300.00", "/top-up?amount=1000.00", "/top-ups/2600000001", "/calls")
        pages |= {path: (await jana.get(path)).html for path in (*inside, "/calls?q=nothing", "/account", "/nowhere")}
        pages["wrong password"] = (await nobody.post("/login", number="456", password="not that")).html
        pages["wrong old password"] = (await jana.post("/account", old="x", new="y")).html

    assert all(f'<html lang="{language}">' in html for html in pages.values())
    assert problems(pages, tmp_path / "pages") == []


def test_every_page_of_the_notice_server_is_valid(tmp_path: Path) -> None:
    pages = Pages(settings_in(tmp_path, 8080))
    shown = {
        f"{language} {number}": page.html
        for language in LANGUAGES
        for number, page in enumerate(every_page(pages, language))
    }

    assert problems(shown, tmp_path / "pages") == []


def test_what_is_not_valid_is_found(tmp_path: Path) -> None:
    body = '<p><div id="a"></div><b id="a">'
    wrong = f'<!DOCTYPE html><html lang="en"><head><title>x</title></head><body>{body}</body></html>'

    assert {line.split()[1] for line in problems({"p": wrong}, tmp_path / "pages")} >= {"no-dup-id", "close-order"}
