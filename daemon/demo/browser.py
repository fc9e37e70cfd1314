"""A subscriber's browser, and the network between it and the pages it wants.

The network does what the driver remembers of the line, as the packet rules of `enforcement/nftables` would: plain
HTTP of a restricted line is led to the notice server, TLS of a suspended one is rejected, and the bank stays
reachable. What reaches the notice server is a real request from the subscriber's own address.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

from aiohttp import ClientSession, ClientTimeout, TCPConnector

from config.settings import Settings
from daemon.demo.cables import plug_of
from enforcement.driver import Driver
from enforcement.state import Address, LineState

REDIRECTS_MAX = 5
PATIENCE = ClientTimeout(total=10)
AGENT = "Mozilla/5.0 (Linux; Android 14; Mobile) AppleWebKit/537.36 Chrome/143.0 Mobile Safari/537.36"


@dataclass(frozen=True, slots=True)
class Hop:
    """One request, where the network led it, and what came back."""

    method: str
    url: str
    way: str
    """`notice server`, `internet`, or `rejected`."""
    answer: str


@dataclass(frozen=True, slots=True)
class Screen:
    """What the browser shows in the end."""

    url: str
    kind: str
    """`hradlo`: a page of the notice server; `internet`: the wanted page; `error`: the connection was rejected."""
    status: int
    html: str
    hops: tuple[Hop, ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    location: str
    html: str


@dataclass(frozen=True, slots=True)
class Browser:
    """Lends every subscriber a browser."""

    settings: Settings
    driver: Driver
    notice_port: int
    """Of the notice server on 127.0.0.1."""

    async def visit(self, address: str, url: str, language: str = "cs") -> Screen:
        """Types a URL and follows where it leads; raises `ValueError` for what is no http(s) URL."""
        return await self._follow(address, url, language, None)

    async def submit(self, address: str, url: str, form: Mapping[str, str], language: str = "cs") -> Screen:
        """Presses the button of a form."""
        return await self._follow(address, url, language, form)

    async def acknowledge(self, address: str, wanted: str, language: str = "cs") -> Screen:
        """Opens a page, and presses "I have read this" if that is what is shown instead."""
        screen = await self.visit(address, wanted, language)
        found = form_of(screen.html) if screen.kind == "hradlo" else None
        if found is None:
            return screen
        return await self.submit(address, urljoin(screen.url, found.action), found.fields, language)

    async def way(self, address: str, url: str) -> str:
        """Where the network leads a request of this line now."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not an address like http://example.com/page")
        if parts.hostname == urlsplit(self.settings.notice.url).hostname:
            return "notice server"
        line = Address.parse(address)
        state = (await self.driver.look_at([line]))[line]
        is_in_garden = parts.hostname in self.settings.enforcement.garden
        if state is LineState.OPEN or (state is LineState.SUSPENDED and is_in_garden):
            return "internet"
        if parts.scheme == "http":
            return "notice server"
        return "rejected" if state is LineState.SUSPENDED else "internet"

    async def _follow(self, address: str, url: str, language: str, form: Mapping[str, str] | None) -> Screen:
        hops: list[Hop] = []
        for _ in range(REDIRECTS_MAX):
            method = "GET" if form is None else "POST"
            way = await self.way(address, url)
            if way != "notice server":
                hops.append(Hop(method, url, way, "200 the page itself" if way == "internet" else "reset at once"))
                kind = "internet" if way == "internet" else "error"
                return Screen(url, kind, 200 if way == "internet" else 0, "", tuple(hops))
            answer = await self._ask(address, method, url, language, form)
            hops.append(Hop(method, url, way, f"{answer.status} {'→' if answer.location else ''}".strip()))
            if not answer.location:
                return Screen(url, "hradlo", answer.status, answer.html, tuple(hops))
            url, form = urljoin(url, answer.location), None
        return Screen(url, "error", 0, "", tuple(hops))

    async def _ask(self, address: str, method: str, url: str, language: str, form: Mapping[str, str] | None) -> _Answer:
        """A real request to the notice server, from the subscriber's address."""
        parts = urlsplit(url)
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        headers = {"Host": parts.netloc, "User-Agent": AGENT, "Accept": "text/html", "Accept-Language": language}
        data = None
        if form is not None:
            headers |= {
                "Origin": f"{parts.scheme}://{parts.netloc}",
                "Content-Type": "application/x-www-form-urlencoded",
            }
            data = urlencode(form)
        async with (
            _calling_from(address) as session,
            session.request(
                method,
                f"http://127.0.0.1:{self.notice_port}{target}",
                headers=headers,
                data=data,
                allow_redirects=False,
            ) as response,
        ):
            return _Answer(response.status, response.headers.get("Location", ""), await response.text())


@asynccontextmanager
async def _calling_from(address: str) -> AsyncIterator[ClientSession]:
    connector = TCPConnector(local_addr=(plug_of(address), 0), force_close=True)
    async with ClientSession(connector=connector, timeout=PATIENCE) as session:
        yield session


# ── reading a page ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Form:
    """The form of a page: where it goes, and what it carries unseen."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)


def form_of(html: str) -> Form | None:
    """The first form of a page, if it has one."""
    reader = _FormReader()
    reader.feed(html)
    return reader.form


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.form: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "form" and self.form is None:
            self.form = Form(named.get("action", ""))
        if tag == "input" and self.form is not None and "name" in named:
            self.form.fields[named["name"]] = named.get("value", "")
