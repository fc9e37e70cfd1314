"""What stands before every page of the demo: only this machine's browsers, and changes only from our own forms.

The page listens on loopback, but a browser may be led there by any web site: by a name that suddenly points to
127.0.0.1 (so the Host is checked), or by a form on another page (so every POST carries a token and its origin).
"""

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

HOSTS = frozenset({"127.0.0.1", "localhost"})
TOKEN = web.AppKey("token", str)
TURN = web.AppKey("turn", asyncio.Lock)
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
FRAME_POLICY = (
    "sandbox {allowed}; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'self'"
)
"""Of what others wrote and a page shows in a frame: mails, and the pages in a subscriber's browser."""
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    # not "no-referrer": with it, browsers hide the origin of our own forms, too
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": PAGE_POLICY,
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def install(app: web.Application) -> None:
    """Puts the guard before all handlers of an application."""
    app[TOKEN] = secrets.token_urlsafe(24)
    app[TURN] = asyncio.Lock()
    app.middlewares.append(guarded)


@web.middleware
async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses foreign hosts and foreign forms, lets changes happen one after another, and sets the headers."""
    try:
        if _hostname(request.host) not in HOSTS:
            raise web.HTTPMisdirectedRequest(text="This page is at http://127.0.0.1 only.")
        if request.method not in ("GET", "HEAD"):
            await _require_own_form(request)
            async with request.app[TURN]:
                response = await handler(request)
        else:
            response = await handler(request)
    except web.HTTPException as answer:
        answer.headers.update({name: value for name, value in _HEADERS.items() if name not in answer.headers})
        raise
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


async def _require_own_form(request: web.Request) -> None:
    """The token says that the form is ours. A subscriber's page stands in a sandbox, whose origin is "null"."""
    given = str((await request.post()).get("token", ""))
    origin = request.headers.get("Origin", "null")
    if origin not in ("null", f"http://{request.host}") or not hmac.compare_digest(
        given.encode(), request.app[TOKEN].encode()
    ):
        raise web.HTTPForbidden(text="This form did not come from the demo's own page: load the page again.")
