"""What every handler of the portal works with, put together once from the settings."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import cast
from urllib.parse import urlsplit

from aiohttp import web

from billing.customers.logins import LoggedIn
from billing.dunning.policy import Policy
from billing.store.engine import Store
from config.clock import Clock
from config.i18n import LANGUAGES, Language, negotiate
from config.settings import Settings
from portal.client_address import address_behind, source_address
from portal.customer.pages import Pages
from portal.limits import Rate, RequestLimit

SESSION_COOKIE = "__Host-hradlo"
LANGUAGE_COOKIE = "__Host-language"
LOGINS = Rate(interval_seconds=2, burst=20)
"""From one address …"""
GUESSES = Rate(interval_seconds=10, burst=6)
"""… of one customer number from one address …"""
MAILED_LINKS = Rate(interval_seconds=60, burst=3)
"""… and links that are mailed because one address asked for them."""


@dataclass(frozen=True)
class Office:
    """The portal's tools."""

    settings: Settings
    store: Store
    clock: Clock
    ring: Callable[[], None]
    """Tells the engine to look: facts have changed."""
    documents: Callable[[int, str], Awaitable[tuple[bytes, str]]] | None = None
    """Renders an issued document as `pdf` or `isdoc`; answers its bytes and content type."""
    demo_login: tuple[str, str] | None = None
    """Number and password that the demo's log-in page names."""
    policy: Policy = field(init=False)
    pages: Pages = field(init=False)
    logins: RequestLimit = field(init=False)
    guesses: RequestLimit = field(init=False)
    mails: RequestLimit = field(init=False)

    def __post_init__(self) -> None:
        made = {
            "policy": Policy.from_settings(self.settings),
            "pages": Pages(self.settings),
            "logins": RequestLimit(LOGINS),
            "guesses": RequestLimit(GUESSES),
            "mails": RequestLimit(MAILED_LINKS),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)

    @property
    def url(self) -> str:
        """Where customers reach the portal, without a slash at the end."""
        return self.settings.isp.portal_url.rstrip("/")

    @property
    def origin(self) -> str:
        """As browsers write it into the Origin header."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}".lower()

    @property
    def idle(self) -> timedelta:
        return timedelta(minutes=self.settings.portal.session_idle_minutes)

    @property
    def lasts(self) -> timedelta:
        return timedelta(days=self.settings.portal.session_days)

    def now(self) -> datetime:
        return self.clock.now()

    def today(self) -> date:
        return self.now().astimezone(self.settings.zone).date()

    def csrf(self, token: str) -> str:
        """The anti-forgery token of a session: who does not know the session's cookie can't make it."""
        return hmac.digest(self.settings.signing_key(), b"hradlo csrf\0" + token.encode(), "sha256").hex()

    def address_of(self, request: web.Request) -> str:
        """Who asks; a proxy of ours may say for whom."""
        transport = request.transport
        peer = source_address(transport.get_extra_info("peername")) if transport else None
        if peer is None:
            raise web.HTTPBadRequest
        proxies = {str(address) for address in self.settings.portal.trusted_proxies}
        return address_behind(peer, request.headers.getall("X-Forwarded-For", []), proxies)

    def language_of(self, request: web.Request) -> Language:
        """As chosen here, else as in the customer's contract, else as the browser asks."""
        chosen = request.cookies.get(LANGUAGE_COOKIE, "")
        if chosen in LANGUAGES:
            return chosen
        who = request.get(WHO)
        if who is not None and who.language in LANGUAGES:
            return cast(Language, who.language)
        return negotiate(request.headers.get("Accept-Language"), self.settings.isp.language)


OFFICE = web.AppKey("office", Office)
WHO: web.RequestKey[LoggedIn] = web.RequestKey("who", LoggedIn)
"""Who is logged in; missing where nobody is."""
TOKEN: web.RequestKey[str] = web.RequestKey("token", str)
"""The session's token, as the cookie brought it."""


def customer_of(request: web.Request) -> LoggedIn:
    """Who is logged in: every query of a page begins with this customer's id."""
    return request[WHO]


def user_agent_of(request: web.Request) -> str:
    return cast(str, request.headers.get("User-Agent", ""))
