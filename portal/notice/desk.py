"""What every handler of the notice server works with, put together once from the settings."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from aiohttp import web

from billing.dunning.policy import Policy
from billing.store.engine import Store
from config.clock import Clock
from config.i18n import LANGUAGES, Language, negotiate
from config.settings import Settings
from portal.client_address import source_address
from portal.notice.counters import Counters
from portal.notice.openings import Openings
from portal.notice.pages import Asking, Pages
from portal.notice.reception import receptions
from portal.notice.requests import netloc_of
from portal.notice.tokens import Tokens


@dataclass(frozen=True)
class Desk:
    """The notice server's tools, at one of its addresses."""

    settings: Settings
    store: Store
    clock: Clock
    ring: Callable[[], None]
    """Tells the engine to look: an acknowledgement was written."""
    counters: Counters
    url: str
    """Where subscribers reach these pages."""
    site: str
    """Whose subscribers they are."""
    policy: Policy = field(init=False)
    pages: Pages = field(init=False)
    tokens: Tokens = field(init=False)
    openings: Openings = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "policy", Policy.from_settings(self.settings))
        object.__setattr__(self, "pages", Pages(self.settings))
        object.__setattr__(self, "tokens", make_tokens(self.settings, self.site))
        object.__setattr__(self, "openings", Openings(self.store, self.site))

    @property
    def base(self) -> str:
        """The path of `url`: mostly empty."""
        return urlsplit(self.url).path.rstrip("/")

    @property
    def origin(self) -> str:
        """As browsers write it into the Origin header."""
        return f"{urlsplit(self.url).scheme}://{netloc_of(self.url)}"

    def language_of(self, request: web.Request) -> Language:
        chosen = request.query.get("lang", "")
        if chosen in LANGUAGES:
            return chosen
        return negotiate(request.headers.get("Accept-Language"), self.settings.isp.language)

    def asking(self, request: web.Request) -> Asking:
        return Asking(self.language_of(request), self.base)

    def wanted(self, asking: Asking, token: str, address: str, contract_id: int, now: datetime) -> Asking:
        """The same, with the page to go on to, if the token is good; a bad one is dropped without a word."""
        url = self.tokens.wanted(token, address, contract_id, now)
        return Asking(asking.language, asking.base, token, url) if url else asking


def make_tokens(settings: Settings, site: str) -> Tokens:
    """Signs with the installation's key for one site; nobody is sent back to one of Hradlo's own hosts."""
    urls = [settings.captive_api.url, settings.isp.portal_url, *(each.url for each in receptions(settings))]
    hosts = [urlsplit(url).hostname or "" for url in urls if url]
    return Tokens(settings.signing_key(), [*hosts, *map(str, settings.notice.addresses)], site)


def own_hosts(*urls: str) -> frozenset[str]:
    """The Host headers under which the pages themselves are asked for."""
    return frozenset(netloc_of(url) for url in urls if url)


def peer_of(request: web.Request) -> str:
    """Who is asking; raises `HTTPBadRequest` when the connection is gone already."""
    transport = request.transport
    address = source_address(transport.get_extra_info("peername")) if transport else None
    if address is None:
        raise web.HTTPBadRequest
    return address
