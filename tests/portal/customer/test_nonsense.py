"""Nonsense to every route: paths, queries, forms and bodies of chance, by nobody and by a customer. Never a failure.

`make fuzz` sends 20,000 requests.
"""

import random
import string
from http.cookies import SimpleCookie
from pathlib import Path

import hypothesis
import pytest
from aiohttp import ClientSession, DummyCookieJar

from billing.store.engine import Store
from portal.customer.office import Office
from portal.customer.routes import ROUTES
from tests.portal.customer.house import JANA, ORIGIN, PASSWORD, House, house

NONSENSE = (
    "", "0", "-1", "9" * 40, "../../etc/passwd", "%00", "'--", "<script>", "ž", "1e9", "2026-02-30", "\udcff",
    "{{7*7}}", "a" * 5000, "٣", "\r\nX: y", "//evil.example", "yes", "all", JANA, "1001", "261001", "true", "NaN",
    "9999-12-31",
)  # fmt: skip
NAMES = (
    "year", "q", "skip", "span", "from", "until", "t", "to", "done", "number", "password", "email", "phone", "language",
    "mailing_street", "mailing_city", "name", "street", "note", "new", "old", "contract", "agree", "csrf",
)  # fmt: skip
PLACES = ("{id}", "{number}", "{name}")
TYPES = ("multipart/form-data; boundary=x", "text/plain", "application/json", "application/x-www-form-urlencoded")
IS_FUZZ = hypothesis.settings.get_current_profile_name() == "fuzz"
TRIES = 20_000 if IS_FUZZ else 600


class Nobody:
    """Somebody without a browser who sends what comes into their mind; sometimes with Jana's session."""

    def __init__(self, portal: House, session: ClientSession) -> None:
        self._portal = portal
        self._session = session
        self._chance = random.Random(20261124)  # the same every time: what is found can be found again
        self._token = ""

    async def send(self) -> tuple[str, int]:
        """One request; says what it was and how it was answered."""
        route = self._chance.choice(ROUTES)
        path = route.path
        for place in PLACES:
            path = path.replace(place, encoded(self._word()) or "x")
        path = path.replace("{kind:pdf|isdoc}", self._chance.choice(("pdf", "isdoc", "exe")))
        fields = {name: self._word() for name in self._chance.sample(NAMES, 4)}
        target = f"{path}?" + "&".join(f"{name}={encoded(value)}" for name, value in fields.items())
        body = await self._body(fields) if route.method == "POST" else None
        headers = {"Cookie": f"{Office.session_cookie}={self._token}"} if self._chance.random() < 0.8 else {}
        if route.method == "POST":
            headers |= {"Origin": ORIGIN, "Content-Type": self._chance.choice(TYPES)}
        url = f"http://127.0.0.1:{self._portal.port}{target}"
        async with self._session.request(
            route.method, url, data=body, headers=headers, allow_redirects=False
        ) as answer:
            await answer.read()
            return f"{route.method} {target} {body!r}", answer.status

    async def log_in(self) -> None:
        """As Jana; what others did to her password or the limits is taken back."""
        for limit in (self._portal.office.logins, self._portal.office.guesses, self._portal.office.mails):
            limit._tats.clear()
        form = {"number": JANA, "password": PASSWORD}
        url = f"http://127.0.0.1:{self._portal.port}/login"
        async with self._session.post(url, data=form, headers={"Origin": ORIGIN}, allow_redirects=False) as answer:
            cookies = SimpleCookie(answer.headers.get("Set-Cookie", ""))
            self._token = cookies[Office.session_cookie].value

    def _word(self) -> str:
        if self._chance.random() < 0.2:
            return "".join(self._chance.choices(string.printable, k=self._chance.randrange(30)))
        return self._chance.choice(NONSENSE)

    async def _body(self, fields: dict[str, str]) -> bytes:
        if self._chance.random() < 0.3:
            return self._chance.randbytes(self._chance.randrange(300))
        named = {**fields, "csrf": self._portal.office.csrf(self._token)} if self._chance.random() < 0.8 else fields
        return "&".join(f"{name}={encoded(value)}" for name, value in named.items()).encode()


def encoded(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "replace"))


@pytest.mark.hypothesis  # so that `make fuzz` finds it
async def test_nonsense_is_never_answered_with_a_failure(portal: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.customer.signing_in.verify_password", lambda password, _: password == PASSWORD)
    monkeypatch.setattr("portal.customer.signing_in.hash_password", lambda _: "x")
    failed, seen = list[str](), set[int]()
    async with ClientSession(cookie_jar=DummyCookieJar()) as session:
        nobody = Nobody(portal, session)
        for n in range(TRIES):
            if n % 20 == 0:
                await nobody.log_in()
            what, status = await nobody.send()
            seen.add(status)
            if status >= 500:
                failed.append(f"{status}: {what}")

    assert failed == []
    assert seen >= {200, 303, 400, 403, 404, 422}


@pytest.mark.postgres
async def test_a_nul_anywhere_is_no_failure_on_postgresql_which_can_not_store_one(
    postgres_url: str, tmp_path: Path
) -> None:
    store, seen = Store.open(postgres_url), dict[str, int]()
    async with house(store, tmp_path) as portal:
        for route in ROUTES:
            jana = portal.browser()
            await jana.log_in()
            path = route.path.replace("{kind:pdf|isdoc}", "pdf")
            for place in PLACES:
                path = path.replace(place, "x%00")
            fields = {name: "x\0" for name in NAMES if name != "csrf"}
            target = f"{path}?" + "&".join(f"{name}=%00" for name in NAMES)
            answer = await (jana.get(target) if route.method == "GET" else jana.post(path, **fields))
            seen[f"{route.method} {route.path}"] = answer.status
            for limit in (portal.office.logins, portal.office.guesses, portal.office.mails):
                limit._tats.clear()
    await store.close()

    assert {route: status for route, status in seen.items() if status >= 500} == {}
