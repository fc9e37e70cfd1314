"""Every address of the portal, and who may come there. A test walks this table with everybody."""

from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from portal.customer import billing, information, notices, services, signing_in, static
from portal.customer.guard import NEEDS_LOGIN, Handler


@dataclass(frozen=True, slots=True)
class Route:
    """One address."""

    method: Literal["GET", "POST"]
    path: str
    handler: Handler
    who: Literal["anyone", "customer"]


ROUTES = (
    Route("GET", "/login", signing_in.login_page, "anyone"),
    Route("POST", "/login", signing_in.login, "anyone"),
    Route("POST", "/logout", signing_in.logout, "customer"),
    Route("POST", "/language", signing_in.choose_language, "anyone"),
    Route("GET", "/forgot", signing_in.forgot_page, "anyone"),
    Route("POST", "/forgot", signing_in.forgot, "anyone"),
    Route("GET", "/reset", signing_in.reset_page, "anyone"),
    Route("POST", "/reset", signing_in.reset, "anyone"),
    Route("GET", "/confirm-email", information.confirm_page, "anyone"),
    Route("POST", "/confirm-email", information.confirm, "anyone"),
    Route("GET", "/", information.information, "customer"),
    Route("GET", "/contacts", information.contacts_page, "customer"),
    Route("POST", "/contacts", information.change_contacts, "customer"),
    Route("GET", "/request", information.request_page, "customer"),
    Route("POST", "/request", information.request_change, "customer"),
    Route("GET", "/services", services.services, "customer"),
    Route("GET", "/services/{id}/data", services.usage_page, "customer"),
    Route("GET", "/services/{id}/data.csv", services.usage_csv, "customer"),
    Route("GET", "/billing", billing.billing, "customer"),
    Route("GET", r"/billing/{number}.{kind:pdf|isdoc}", billing.document, "customer"),
    Route("GET", "/paid", billing.paid_page, "customer"),
    Route("POST", "/extension", billing.ask_extension, "customer"),
    Route("GET", "/notices", notices.notices, "customer"),
    Route("GET", "/account", signing_in.account_page, "customer"),
    Route("POST", "/password", signing_in.change_password, "customer"),
    Route("POST", "/sessions/end", signing_in.end_others, "customer"),
    Route("GET", "/static/{name}", static.static, "anyone"),
)


def add_routes(app: web.Application) -> None:
    """Puts the table into the application."""
    for route in ROUTES:
        handler = _for_customers(route.handler) if route.who == "customer" else route.handler
        app.router.add_route(route.method, route.path, handler)


def _for_customers(handler: Handler) -> Handler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    setattr(guarded, NEEDS_LOGIN, True)
    return guarded
