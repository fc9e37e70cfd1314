"""A zone's table of addresses: each says who may come there, and a test walks the table with everybody."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from aiohttp import hdrs, web
from aiohttp.web_urldispatcher import MaskDomain, MatchedSubAppResource

from portal.guard import NEEDS_LOGIN, Handler, answers, believes_forms, knows_who
from portal.zone import ZONE, Zone

FORM_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Route:
    """One address."""

    method: Literal["GET", "POST"]
    path: str
    handler: Handler
    who: Literal["anyone", "customer"]


def make_zone_app(zone: Zone, routes: Iterable[Route]) -> web.Application:
    """The zone as an application, with the guard before every address of its table."""
    app = web.Application(middlewares=[answers, knows_who, believes_forms], client_max_size=FORM_BYTES_MAX)
    app[ZONE] = zone
    for route in routes:
        handler = _for_customers(route.handler) if route.who == "customer" else route.handler
        methods = ("GET", "HEAD") if route.method == "GET" else (route.method,)
        for method in methods:
            app.router.add_route(method, route.path, handler)
    return app


def by_host(zones: Mapping[str, web.Application], otherwise: web.Application) -> web.Application:
    """Several zones on the same sockets, each for its own host name (as browsers write it into `Host`)."""
    app = web.Application(client_max_size=FORM_BYTES_MAX)
    for host, zone in zones.items():
        app.add_domain(host, zone)
    app.add_domain("*", otherwise)
    app.router.register_resource(MatchedSubAppResource(_NoHost("*"), otherwise))
    return app


class _NoHost(MaskDomain):
    """Who names no host at all, as HTTP/1.0 may; no mask of a name fits that."""

    async def match(self, request: web.Request) -> bool:
        return not request.headers.get(hdrs.HOST)


def _for_customers(handler: Handler) -> Handler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    setattr(guarded, NEEDS_LOGIN, True)
    return guarded
