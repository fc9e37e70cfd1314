"""Two customers of a portal on loopback: Jana owes something, Petr owes nothing; and a browser without a screen."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from html import unescape
from pathlib import Path
from typing import Protocol

from aiohttp import ClientResponse, ClientSession, DummyCookieJar, web
from sqlalchemy import select

from billing.customers.passwords import hash_password
from billing.customers.tables import Contract, Customer
from billing.invoicing.tables import Invoice
from billing.money import Money
from billing.services.tables import Product, Service, ServiceAddress
from billing.store.engine import Store
from billing.store.tables import JournalEntry, Mail
from config.clock import TestClock
from config.settings import Settings, parse
from portal.customer.app import make_portal_app
from portal.customer.office import Office

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
ORIGIN = "https://portal.isp.example"
VOIP_ORIGIN = "https://voip.isp.example"
PASSWORD = "tri-slova-a-kun"
JANA, PETR = "501", "502"
_HASH = hash_password(PASSWORD)
_CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


def settings_in(folder: Path, extra: str = "", url: str = ORIGIN, voip_url: str = VOIP_ORIGIN) -> Settings:
    """Settings of a portal and a VoIP zone, with a signing key."""
    secrets = folder / "secrets"
    secrets.mkdir(exist_ok=True)
    (secrets / "signing_key").write_text("k" * 43)
    return parse(
        f"""
        [isp]
        name = "Údolní síť"
        phone = "+420 800 555 019"
        email = "podpora@isp.example"
        iban = "CZ6508000000192000145399"
        portal_url = "{url}"
        [secrets]
        directory = "{secrets}"
        [mail]
        sender = "Údolní síť <info@isp.example>"
        [voip]
        url = "{voip_url}"
        [portal]
        {extra}
        """
    )


async def add_customer(store: Store, number: str, contract: str, name: str, network: str, *, owes: bool) -> None:
    """A customer with one contract, an internet line and one invoice."""
    async with store.transaction() as session:
        customer = Customer(
            number=number,
            name=name,
            email=f"{number}@isp.example",
            street=f"Lipová {number}",
            language="en",
            password_hash=_HASH,
        )
        product = await session.scalar(select(Product)) or Product(kind="internet", name="Optika")
        session.add_all([customer, product])
        await session.flush()
        owned = Contract(number=contract, customer_id=customer.id)
        session.add(owned)
        await session.flush()
        service = Service(contract_id=owned.id, product_id=product.id, starts_on=date(2024, 1, 1))
        session.add(service)
        await session.flush()
        session.add(ServiceAddress(service_id=service.id, network=network))
        session.add(
            Invoice(
                number=f"26{contract}",
                contract_id=owned.id,
                issued_on=date(2026, 10, 1),
                due_on=date(2026, 10, 15),
                total=Money(599_00),
                open=Money(599_00 if owes else 0),
                created_at=NOW,
            )
        )


class Written:
    """What came of it in the database."""

    store: Store

    async def mails(self) -> list[Mail]:
        async with self.store.reading() as session:
            return list(await session.scalars(select(Mail).order_by(Mail.id)))

    async def actions(self) -> list[str]:
        async with self.store.reading() as session:
            return list(await session.scalars(select(JournalEntry.action).order_by(JournalEntry.id)))


@asynccontextmanager
async def served(app: web.Application, port: int) -> AsyncIterator[int]:
    """A zone on loopback; its port."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


@dataclass
class House(Written):
    """The running portal."""

    store: Store
    clock: TestClock
    office: Office
    port: int
    rings: list[int] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return self.office.origin

    def browser(self, **headers: str) -> "Browser":
        return Browser(self, headers)

    async def link_in_last_mail(self) -> str:
        """The path of the link, without its host."""
        found = re.search(rf"{ORIGIN}(\S+)", (await self.mails())[-1].text)
        assert found
        return found[1]

    async def customer(self, number: str = JANA) -> Customer:
        async with self.store.reading() as session:
            return (await session.scalars(select(Customer).where(Customer.number == number))).one()


@asynccontextmanager
async def house(
    store: Store, folder: Path, extra: str = "", port: int = 0, demo_login: tuple[str, str] | None = None
) -> AsyncIterator[House]:
    """A portal with Jana (contract 1001, owes 599) and Petr (contract 2002, owes nothing)."""
    await add_customer(store, JANA, "1001", "Jana Nováková", "100.64.0.10", owes=True)
    await add_customer(store, PETR, "2002", "Petr Dvořák", "100.64.0.11", owes=False)
    clock, rings = TestClock(NOW), list[int]()
    url = f"http://127.0.0.1:{port}" if port else ORIGIN
    office = Office(settings_in(folder, extra, url), store, clock, lambda: rings.append(1), demo_login=demo_login)
    async with served(make_portal_app(office), port) as its_port:
        yield House(store, clock, office, its_port, rings)


@dataclass(frozen=True)
class Answer:
    """What came back, read to its end."""

    status: int
    headers: Mapping[str, str]
    html: str
    text: str
    """The same with its entities resolved."""
    cookies: Mapping[str, str]
    raw_cookies: tuple[str, ...]

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")


class Site(Protocol):
    """A zone that runs, as far as a browser needs it."""

    @property
    def port(self) -> int: ...

    @property
    def origin(self) -> str: ...


class Browser:
    """Keeps cookies as a browser does (aiohttp's jar would keep Secure ones from our plain test port)."""

    def __init__(self, site: Site, headers: Mapping[str, str]) -> None:
        self._site = site
        self._headers = {"Accept-Language": "en", **headers}
        self.cookies: dict[str, str] = {}
        self.csrf = ""

    async def ask(
        self,
        method: str,
        path: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> Answer:
        """One request; nothing is followed."""
        sent = {**self._headers, "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()), **(headers or {})}
        url = f"http://127.0.0.1:{self._site.port}{path}"
        async with (
            ClientSession(cookie_jar=DummyCookieJar()) as session,
            session.request(
                method, url, data=data if data is not None else form, headers=sent, allow_redirects=False
            ) as response,
        ):
            return await self._read(response)

    async def _read(self, response: ClientResponse) -> Answer:
        text = await response.text(errors="replace")
        cookies = {name: morsel.value for name, morsel in response.cookies.items()}
        self.cookies |= cookies
        if found := _CSRF.search(text):
            self.csrf = found[1]
        raw = tuple(response.headers.getall("Set-Cookie", []))
        return Answer(response.status, response.headers, text, unescape(text), cookies, raw)

    async def get(self, path: str) -> Answer:
        return await self.ask("GET", path)

    async def post(self, path: str, **form: str) -> Answer:
        """A form of the portal's own page."""
        return await self.ask("POST", path, {"csrf": self.csrf, **form}, {"Origin": self._site.origin})

    async def log_in(self, number: str = JANA, password: str = PASSWORD) -> Answer:
        answer = await self.post("/login", number=number, password=password)
        if answer.status == 303:
            await self.get("/account")
        return answer

    @property
    def session(self) -> str:
        return self.cookies.get(Office.session_cookie, "")
