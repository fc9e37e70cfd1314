"""What every handler of the VoIP zone works with."""

from dataclasses import dataclass, field
from typing import cast

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from billing.voip import logins, numbers
from billing.voip.logins import Caller
from config.i18n import N_
from portal.limits import Rate, RequestLimit
from portal.zone import OVER, VISITOR, Zone

PRICES = Rate(interval_seconds=1, burst=40)
"""Questions for a price from one address."""


@dataclass(frozen=True)
class Booth(Zone):
    """The zone at `voip.url`."""

    name = "voip"
    session_cookie = "__Host-hradlo-voip"
    sections = (
        ("/", N_("Price of a call")),
        ("/credit", N_("Credit")),
        ("/calls", N_("Calls")),
        ("/account", N_("Password")),
    )
    done = {
        "out": N_("You are logged out."),
        "over": OVER,
        "password": N_("Your password is changed. All other browsers were logged out."),
    }
    password_paths = ("/account",)

    demo_login: tuple[str, str] | None = None
    """Ending and password that the demo's log-in page names."""
    prices: RequestLimit = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "prices", RequestLimit(PRICES))

    @property
    def url(self) -> str:
        return self.settings.voip.url.rstrip("/")

    def shown(self, number: str) -> str:
        """A number as people here write it."""
        return numbers.shown(number, self.settings.isp.country)

    async def look_up(self, session: AsyncSession, token: str) -> tuple[Caller, bool] | None:
        return await logins.logged_in(session, token, self.now(), idle=self.idle, lasts=self.lasts)


BOOTH = web.AppKey("booth", Booth)


def caller_of(request: web.Request) -> Caller:
    """Who is logged in: every query of a page begins with this number's id."""
    return cast(Caller, request[VISITOR])
