"""What a zone is: a web application on a host name of its own that people log in to, as the customer portal is.

A zone says how it finds who is asking (`look_up`) and which sections it has; the guard, the forms, the pages
and the limits are the same for all. One zone's cookie, token and limits are worth nothing in another.
"""

import hmac
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import ClassVar, Protocol, cast
from urllib.parse import urlsplit

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.logins import touch
from billing.dunning.policy import Policy
from billing.store.engine import Store
from config.clock import Clock
from config.days import day_of
from config.i18n import LANGUAGES, N_, Language, negotiate
from config.settings import Settings
from portal.client_address import address_behind, limit_key, source_address
from portal.limits import Rate, RequestLimit
from portal.pages import Pages, Section

LANGUAGE_COOKIE = "__Host-language"
LOGINS = Rate(interval_seconds=2, burst=20)
"""From one address …"""
GUESSES = Rate(interval_seconds=10, burst=6)
"""… of one account from one address …"""
STRANGERS = Rate(interval_seconds=30, burst=60)
"""… and of one account from all addresses together from which nobody has logged in to it: many who guess at once are
slowed down, and its owner at home is not."""


OVER = N_("You were logged out meanwhile, so nothing was saved. Please log in and send it once more.")
"""To whoever sends a form after their session has ended."""


class Visitor(Protocol):
    """Whoever is logged in, as far as every zone needs to know."""

    @property
    def session_id(self) -> int: ...

    @property
    def language(self) -> str: ...

    @property
    def must_change_password(self) -> bool:
        """Came in by a one-time password: sees nothing before there is another."""


@dataclass(frozen=True)
class Zone(ABC):
    """The tools that every handler of a zone works with, put together once from the settings."""

    name: ClassVar[str]
    """Of its folder of templates; also keeps the tokens of zones apart."""
    session_cookie: ClassVar[str]
    sections: ClassVar[tuple[Section, ...]]
    done: ClassVar[Mapping[str, str]]
    """What a page says above its content after something was done; named in the address by its key."""
    password_paths: ClassVar[tuple[str, ...]]
    """Where to choose a new password (the first), and what else is open until then."""

    settings: Settings
    store: Store
    clock: Clock
    ring: Callable[[], None]
    """Tells the engine to look: facts have changed."""
    policy: Policy = field(init=False)
    pages: Pages = field(init=False)
    logins: RequestLimit = field(init=False)
    guesses: RequestLimit = field(init=False)
    strangers: RequestLimit = field(init=False)

    def __post_init__(self) -> None:
        made = {
            "policy": Policy.from_settings(self.settings),
            "pages": Pages(self.settings, self.name, self.sections),
            "logins": RequestLimit(LOGINS),
            "guesses": RequestLimit(GUESSES),
            "strangers": RequestLimit(STRANGERS),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)

    @property
    @abstractmethod
    def url(self) -> str:
        """Where it is reached, without a slash at the end."""

    @abstractmethod
    async def look_up(self, session: AsyncSession, token: str) -> tuple[Visitor, bool] | None:
        """Whose session a token is, and whether it is time to say that it is used; None for one that is over."""

    async def find_visitor(self, token: str) -> Visitor | None:
        """Whose session this is; None for one that is over or never was."""
        async with self.store.reading() as session:
            found = await self.look_up(session, token)
        if found is None:
            return None
        who, is_stale = found
        if is_stale:
            async with self.store.transaction() as session:
                await touch(session, who.session_id, self.now())
        return who

    @property
    def origin(self) -> str:
        """As browsers write it into the Origin header."""
        return f"{urlsplit(self.url).scheme}://{self.host}".lower()

    @property
    def host(self) -> str:
        """Its host name, with a port where it is not the usual one."""
        return urlsplit(self.url).netloc.lower()

    @property
    def idle(self) -> timedelta:
        return timedelta(minutes=self.settings.portal.session_idle_minutes)

    @property
    def lasts(self) -> timedelta:
        return timedelta(days=self.settings.portal.session_days)

    def now(self) -> datetime:
        return self.clock.now()

    def today(self) -> date:
        return day_of(self.now(), self.settings.zone)

    def csrf(self, token: str) -> str:
        """The anti-forgery token of a session: who does not know the session's cookie can't make it."""
        said = b"hradlo csrf " + self.name.encode() + b"\0" + token.encode()
        return hmac.digest(self.settings.signing_key(), said, "sha256").hex()

    def address_of(self, request: web.Request) -> str:
        """Who asks; a proxy of ours may say for whom."""
        transport = request.transport
        peer = source_address(transport.get_extra_info("peername")) if transport else None
        if peer is None:
            raise web.HTTPBadRequest
        proxies = {str(address) for address in self.settings.portal.trusted_proxies}
        return address_behind(peer, request.headers.getall("X-Forwarded-For", []), proxies)

    def source_of(self, request: web.Request) -> str | bytes:
        """What limits count as one source: an IPv4 address, or an IPv6 subscriber's whole /64."""
        return limit_key(self.address_of(request))

    def language_of(self, request: web.Request) -> Language:
        """As chosen here, else as in the customer's contract, else as the browser asks."""
        chosen = request.cookies.get(LANGUAGE_COOKIE, "")
        if chosen in LANGUAGES:
            return chosen
        visitor = request.get(VISITOR)
        if visitor is not None and visitor.language in LANGUAGES:
            return cast(Language, visitor.language)
        return negotiate(request.headers.get("Accept-Language"), self.settings.isp.language)


ZONE = web.AppKey("zone", Zone)
VISITOR: web.RequestKey[Visitor] = web.RequestKey("visitor", Visitor)
"""Who is logged in; missing where nobody is."""
TOKEN: web.RequestKey[str] = web.RequestKey("token", str)
"""The session's token, as the cookie brought it."""
