"""Every route of the VoIP zone, walked with everybody: nobody, another number, the owner. A new route without a row
here fails. Then the same routes with nonsense.
"""

import random
import string

import pytest

from portal.voip.booth import Booth
from portal.voip.routes import ROUTES
from tests.portal.customer.house import JANA, house
from tests.portal.voip.street import NUMBER, PASSWORD, Handset, Street

# Where it leads for nobody, for another number (Petr's), and for the owner (Jana).
LOGIN, OK, MISSING, NEXT, WRONG, BAD, CONFLICT = "login", 200, 404, 303, 422, 400, 409
EXPECTED: dict[tuple[str, str], tuple[object, object, object]] = {
    ("GET", "/"): (OK, OK, OK),
    ("GET", "/price.json"): (WRONG, WRONG, WRONG),
    ("GET", "/login"): (OK, NEXT, NEXT),
    ("POST", "/login"): (WRONG, WRONG, WRONG),
    ("POST", "/logout"): (LOGIN, NEXT, NEXT),
    ("POST", "/language"): (NEXT, NEXT, NEXT),
    ("GET", "/credit"): (LOGIN, OK, OK),
    ("GET", "/top-up"): (LOGIN, BAD, BAD),
    ("POST", "/top-up"): (LOGIN, BAD, BAD),
    ("GET", "/top-ups/{invoice}"): (LOGIN, MISSING, OK),
    ("GET", "/calls"): (LOGIN, OK, OK),
    ("GET", "/calls.csv"): (LOGIN, OK, OK),
    ("GET", "/account"): (LOGIN, OK, OK),
    ("POST", "/account"): (LOGIN, WRONG, WRONG),
    ("GET", "/static/{name}"): (OK, OK, OK),
}
SECRETS = ("910 123 456", "910123456", "Česko mobil", "183,6", "3001")


async def walk(voip: Street, browser: Handset, method: str, pattern: str) -> object:
    path = pattern.replace("{invoice}", (await voip.invoices())[0].number).replace("{name}", "portal.css")
    is_in = bool(browser.session)
    answer = await (browser.get(path) if method == "GET" else browser.post(path))
    is_sent_away = answer.status == 303 and answer.location.startswith("/login") and not is_in
    return LOGIN if is_sent_away else answer


def test_every_route_has_a_row() -> None:
    assert {(route.method, route.path) for route in ROUTES} == EXPECTED.keys()


def test_only_prices_and_the_log_in_are_for_anyone() -> None:
    assert {route.path for route in ROUTES if route.who == "anyone"} == {
        "/", "/price.json", "/login", "/language", "/static/{name}"
    }  # fmt: skip


@pytest.mark.parametrize(("method", "pattern"), EXPECTED, ids=lambda value: str(value))
async def test_who_comes_in(voip: Street, jana: Handset, petr: Handset, method: str, pattern: str) -> None:
    seen = [await walk(voip, browser, method, pattern) for browser in (voip.browser(), petr, jana)]

    for got, wanted in zip(seen, EXPECTED[method, pattern], strict=True):
        assert (got if got == LOGIN or wanted == LOGIN else got.status) == wanted  # type: ignore[attr-defined]
    if pattern != "/static/{name}" and seen[1] != LOGIN:
        assert not [secret for secret in SECRETS if secret in seen[1].text]  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", [route.path for route in ROUTES if route.method == "POST"])
@pytest.mark.parametrize("headers", [{"Origin": "https://portal.isp.example"}, {"Origin": "null"}, {}], ids=str)
async def test_a_form_of_another_page_is_refused(
    voip: Street, jana: Handset, path: str, headers: dict[str, str]
) -> None:
    """The customer portal is another page, too."""
    before = await voip.actions()

    answer = await jana.ask("POST", path, {"csrf": jana.csrf, "number": NUMBER, "password": PASSWORD}, headers)

    assert answer.status == 403
    assert await voip.actions() == before


@pytest.mark.parametrize("path", [r.path for r in ROUTES if r.method == "POST" and r.who == "customer"])
async def test_a_form_without_the_sessions_token_is_refused(voip: Street, jana: Handset, path: str) -> None:
    answer = await jana.ask("POST", path, {"csrf": "0" * 64}, {"Origin": voip.origin})

    assert answer.status == 403


async def test_a_session_of_the_customer_portal_opens_no_number_and_the_reverse(
    voip: Street, jana: Handset, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with house(voip.store, tmp_path_factory.mktemp("portal")) as portal:
        customer = portal.browser()
        await customer.log_in(JANA)
        stranger, intruder = voip.browser(), portal.browser()
        stranger.cookies[Booth.session_cookie] = customer.session
        intruder.cookies[type(portal.office).session_cookie] = jana.session

        assert (await stranger.get("/credit")).location.startswith("/login")
        assert (await intruder.get("/")).location.startswith("/login")


async def test_every_answer_forbids_scripts_frames_and_keeping(voip: Street, jana: Handset) -> None:
    for browser in (voip.browser(), jana):
        for route in ROUTES:
            answer = await browser.ask(route.method, route.path, {} if route.method == "POST" else None)
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"], route
            assert answer.headers["Cache-Control"] == "no-store", route


async def test_nonsense_never_fails(voip: Street, jana: Handset) -> None:
    """As many of them as fit into a short test: no request makes the zone fail."""
    chance = random.Random(20261128)
    fields = ["number", "password", "amount", "key", "q", "month", "old", "new", "to", "language", "csrf", "invoice"]
    pool = [*string.printable, "\0", "ř", "\u202e", "100.00", "2026-11", "+420", "%00", "'", '"', "{{7*7}}"]

    def junk() -> str:
        return "".join(chance.choices(pool, k=chance.randrange(12)))

    for _ in range(600):
        route = chance.choice(ROUTES)
        if route.path in ("/logout", "/login"):
            continue
        path = route.path.replace("{invoice}", "x1").replace("{name}", "portal.css")
        filled = {name: junk() for name in chance.sample(fields, 4)}
        if route.method == "GET":
            url_encoded = "&".join(f"{name}={value.encode().hex()}" for name, value in filled.items())
            answer = await jana.ask("GET", f"{path}?{url_encoded}")
        else:
            answer = await jana.post(path, **{**filled, "csrf": jana.csrf})
        assert answer.status < 500, (route, filled)
