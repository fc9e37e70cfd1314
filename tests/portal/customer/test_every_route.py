"""Every route of the portal, walked with everybody: nobody, another customer, the owner. A new route without a row
here fails.
"""

from pathlib import Path

import pytest
from sqlalchemy import select

from billing.services.tables import Service
from billing.store.engine import Store
from portal.customer.routes import ROUTES
from tests.portal.customer.house import ORIGIN, PASSWORD, Browser, House, house

# Where it leads for nobody, for another customer, and for the owner (Jana). `own` is a thing of Jana's.
LOGIN, OK, MISSING, NEXT, WRONG, BAD = "login", 200, 404, 303, 422, 400
EXPECTED: dict[tuple[str, str], tuple[object, object, object]] = {
    ("GET", "/login"): (OK, NEXT, NEXT),
    ("POST", "/login"): (WRONG, WRONG, WRONG),
    ("POST", "/logout"): (LOGIN, NEXT, NEXT),
    ("POST", "/language"): (NEXT, NEXT, NEXT),
    ("GET", "/forgot"): (OK, OK, OK),
    ("POST", "/forgot"): (NEXT, NEXT, NEXT),
    ("GET", "/reset"): (WRONG, WRONG, WRONG),
    ("POST", "/reset"): (WRONG, WRONG, WRONG),
    ("GET", "/confirm-email"): (WRONG, WRONG, WRONG),
    ("POST", "/confirm-email"): (WRONG, WRONG, WRONG),
    ("GET", "/"): (LOGIN, OK, OK),
    ("GET", "/contacts"): (LOGIN, OK, OK),
    ("POST", "/contacts"): (LOGIN, NEXT, NEXT),
    ("GET", "/request"): (LOGIN, OK, OK),
    ("POST", "/request"): (LOGIN, WRONG, WRONG),
    ("GET", "/services"): (LOGIN, OK, OK),
    ("GET", "/services/{id}/data"): (LOGIN, MISSING, OK),
    ("GET", "/services/{id}/data.csv"): (LOGIN, MISSING, OK),
    ("GET", "/billing"): (LOGIN, OK, OK),
    ("GET", r"/billing/{number}.{kind:pdf|isdoc}"): (LOGIN, MISSING, OK),
    ("GET", "/paid"): (LOGIN, OK, OK),
    ("POST", "/extension"): (LOGIN, MISSING, NEXT),
    ("GET", "/notices"): (LOGIN, OK, OK),
    ("GET", "/account"): (LOGIN, OK, OK),
    ("POST", "/password"): (LOGIN, WRONG, WRONG),
    ("POST", "/sessions/end"): (LOGIN, NEXT, NEXT),
    ("GET", "/static/{name}"): (OK, OK, OK),
}
FORMS = {"/extension": {"contract": "1001", "agree": "yes"}}
SECRETS = ("Jana", "Lipová 501", "1001: ", "100.64.0.10", "501@isp.example")


async def path_of(portal: House, pattern: str) -> str:
    """The route's path for what belongs to Jana."""
    async with portal.store.reading() as session:
        service_id = await session.scalar(select(Service.id).order_by(Service.id).limit(1))
    filled = pattern.replace("{id}", str(service_id)).replace("{number}", "261001")
    return filled.replace("{kind:pdf|isdoc}", "pdf").replace("{name}", "portal.css")


async def walk(portal: House, browser: Browser, method: str, pattern: str) -> object:
    path = await path_of(portal, pattern)
    is_in = bool(browser.session)
    answer = await (browser.get(path) if method == "GET" else browser.post(path, **FORMS.get(pattern, {})))
    is_log_in = answer.location.startswith("/login") and answer.location != "/login?done=reset"
    is_sent_away = answer.status == 303 and is_log_in and not is_in
    return LOGIN if is_sent_away else answer


def test_every_route_has_a_row() -> None:
    assert {(route.method, route.path) for route in ROUTES} == EXPECTED.keys()


def test_only_the_routes_before_the_log_in_are_for_anyone() -> None:
    open_ones = {route.path for route in ROUTES if route.who == "anyone"}

    assert open_ones == {"/login", "/language", "/forgot", "/reset", "/confirm-email", "/static/{name}"}


@pytest.mark.parametrize(("method", "pattern"), EXPECTED, ids=lambda value: str(value))
async def test_who_comes_in(store: Store, tmp_path: Path, method: str, pattern: str) -> None:
    async with house(store, tmp_path, "extension_days = 7") as portal:
        await issue_document(portal)
        jana, petr = portal.browser(), portal.browser()
        await jana.log_in()
        await petr.log_in("502")
        seen = [await walk(portal, browser, method, pattern) for browser in (portal.browser(), petr, jana)]

    for got, wanted in zip(seen, EXPECTED[method, pattern], strict=True):
        assert (got if got == LOGIN or wanted == LOGIN else got.status) == wanted  # type: ignore[attr-defined]
    other = seen[1]
    if pattern != "/static/{name}" and other != LOGIN:
        assert not [secret for secret in SECRETS if secret in other.text]  # type: ignore[attr-defined]


async def issue_document(portal: House) -> None:
    """Jana's invoice becomes one that Hradlo issued, with a PDF."""
    from billing.invoicing.tables import Invoice, NumberSeries

    async with portal.store.transaction() as session:
        series = NumberSeries(kind="invoice", year=2026, prefix="26", digits=8)
        session.add(series)
        await session.flush()
        invoice = (await session.scalars(select(Invoice).where(Invoice.number == "261001"))).one()
        invoice.series_id = series.id

    async def documents(invoice_id: int, kind: str) -> tuple[bytes, str]:
        return b"%PDF", "application/pdf"

    object.__setattr__(portal.office, "documents", documents)


# ── forms ───────────────────────────────────────────────────────────────────────────────────────────────────────

POSTS = [route.path for route in ROUTES if route.method == "POST"]
SIGNED_IN_POSTS = [route.path for route in ROUTES if route.method == "POST" and route.who == "customer"]


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"},
        {"Origin": ORIGIN, "Sec-Fetch-Site": "same-site"},
        {},
    ],
    ids=["other origin", "null origin", "cross-site", "same-site", "no browser"],
)
async def test_a_form_of_another_page_is_refused(
    portal: House, jana: Browser, path: str, headers: dict[str, str]
) -> None:
    before = await portal.actions()

    answer = await jana.ask("POST", path, {"csrf": jana.csrf, "number": "501", "password": PASSWORD}, headers)

    assert answer.status == 403
    assert await portal.actions() == before


@pytest.mark.parametrize("path", SIGNED_IN_POSTS)
async def test_a_form_without_the_sessions_token_is_refused(portal: House, jana: Browser, path: str) -> None:
    for token in ("", "0" * 64):
        answer = await jana.ask("POST", path, {"csrf": token}, {"Origin": ORIGIN})
        assert answer.status == 403


@pytest.mark.parametrize("path", POSTS)
async def test_nothing_changes_by_get(portal: House, jana: Browser, path: str) -> None:
    before = await portal.actions()

    await jana.get(f"{path}?csrf={jana.csrf}&email=x@y.example&phone=1&contract=1001&agree=yes")

    assert await portal.actions() == before
    assert (await jana.get("/")).status == 200


# ── what every answer carries ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/", "/login", "/nothing-here", "/static/portal.css", "/billing"])
async def test_every_answer_carries_the_security_headers(portal: House, jana: Browser, path: str) -> None:
    for browser in (jana, portal.browser()):
        headers = (await browser.get(path)).headers

        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Strict-Transport-Security"].startswith("max-age=")


@pytest.mark.parametrize("path", ["/", "/billing", "/account", "/login"])
async def test_no_page_is_kept_by_a_browser_or_a_proxy(jana: Browser, path: str) -> None:
    assert (await jana.get(path)).headers["Cache-Control"] == "no-store"


async def test_no_page_names_another_host(portal: House, jana: Browser) -> None:
    for path in ("/", "/services", "/billing", "/notices", "/account", "/login"):
        text = (await jana.get(path)).text
        assert "http://" not in text
        assert 'src="https' not in text
