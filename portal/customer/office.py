"""What every handler of the customer portal works with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers import logins
from billing.customers.logins import LoggedIn
from config.i18n import LANGUAGES, N_, Language
from portal.limits import Rate, RequestLimit
from portal.zone import OVER, VISITOR, Zone

MAILED_LINKS = Rate(interval_seconds=60, burst=3)
"""Links that are mailed because one address asked for them."""


@dataclass(frozen=True)
class Office(Zone):
    """The zone at `isp.portal_url`."""

    name = "customer"
    session_cookie = "__Host-hradlo"
    sections = (
        ("/", N_("Information")),
        ("/services", N_("Services")),
        ("/billing", N_("Billing")),
        ("/notices", N_("Notices")),
        ("/account", N_("Log-in and password")),
    )
    done = {
        "saved": N_("Your changes are saved."),
        "asked": N_("We have your request and will get in touch."),
        "confirm": N_("We have sent a link to the new address. The change takes effect once you open it."),
        "email": N_("Your new e-mail address is confirmed."),
        "password": N_("Your password is changed. All other browsers were logged out."),
        "ended": N_("All other browsers were logged out."),
        "out": N_("You are logged out."),
        "over": OVER,
        "extended": N_("Your extension is recorded. Your line stays as it is until that day."),
        "reset": N_("If this customer number exists and we know its e-mail address, a link is on its way."),
    }
    password_paths = ("/account", "/password", "/logout")

    documents: Callable[[int, str], Awaitable[tuple[bytes, str]]] | None = None
    """Renders an issued document as `pdf` or `isdoc`; answers its bytes and content type."""
    demo_login: tuple[str, str] | None = None
    """Number and password that the demo's log-in page names."""
    mails: RequestLimit = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "mails", RequestLimit(MAILED_LINKS))

    @property
    def url(self) -> str:
        return self.settings.isp.portal_url.rstrip("/")

    def written(self, language: str) -> Language:
        """The language of a mail to a customer: that of the contract, whoever asked for it and with what browser."""
        return language if language in LANGUAGES else self.settings.isp.language

    async def look_up(self, session: AsyncSession, token: str) -> tuple[LoggedIn, bool] | None:
        return await logins.logged_in(session, token, self.now(), idle=self.idle, lasts=self.lasts)


OFFICE = web.AppKey("office", Office)


def customer_of(request: web.Request) -> LoggedIn:
    """Who is logged in: every query of a page begins with this customer's id."""
    return cast(LoggedIn, request[VISITOR])
