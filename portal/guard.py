"""What stands before every handler of a zone: who is logged in, whether a form is ours, the headers of every answer.

The order of the layers, from the outside: headers and errors; the session; the origin and the form's token. A
handler that needs somebody to be logged in is never called without (the zone's routes say which those are).
"""

import hmac
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import urlencode

from aiohttp import web
from structlog import get_logger

from config.errors import NotFound
from config.i18n import N_
from portal.forms import own_path, read_form
from portal.pages import SECURITY_HEADERS
from portal.zone import TOKEN, VISITOR, ZONE, Zone

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
NEEDS_LOGIN = "needs_login"
"""Attribute of a handler's route: nobody else is let in (set by `routing.py`)."""
_TOKEN_LENGTH_MAX = 100

log = get_logger(__name__)

_ERRORS = {
    400: (N_("We did not understand that"), N_("Your browser sent something that we can't read.")),
    403: (N_("Please try that once more"), N_("The form was open for too long, or it did not come from this page.")),
    404: (N_("There is no such page"), N_("The address may be mistyped, or it belongs to somebody else.")),
    405: (N_("That can't be done here"), N_("Please go back and use the buttons of the page.")),
    413: (N_("That is too much"), N_("What you sent is larger than anything we ask for.")),
    429: (N_("A little slower, please"), N_("There were many requests from your connection. Try again in a minute.")),
    503: (N_("Please try again in a moment"), N_("We can't show you the page just now. Nothing is lost.")),
}


@web.middleware
async def answers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error becomes a page, and every answer carries the security headers."""
    try:
        response = await handler(request)
    except web.HTTPException as refusal:
        response = _refused(request, refusal)
        if isinstance(refusal, web.HTTPTooManyRequests) or refusal.status == HTTPStatus.SERVICE_UNAVAILABLE:
            response.headers["Retry-After"] = refusal.headers.get("Retry-After", "60")
    except NotFound:
        response = _error(request, HTTPStatus.NOT_FOUND)
    except ConnectionError:
        raise  # the reader has gone: there is nobody to answer
    except Exception as error:
        zone = request.app[ZONE].name
        log.exception("zone.failed", zone=zone, method=request.method, path=request.path, error=str(error))
        response = _error(request, HTTPStatus.SERVICE_UNAVAILABLE)
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _refused(request: web.Request, refusal: web.HTTPException) -> web.StreamResponse:
    """A redirect as it is, anything else as a page."""
    if refusal.status < HTTPStatus.BAD_REQUEST:
        return web.Response(status=refusal.status, headers={"Location": refusal.headers["Location"]})
    return _error(request, refusal.status)


def _error(request: web.Request, status: int) -> web.Response:
    title, text = _ERRORS.get(status, _ERRORS[400])
    return page(request, "error.html", status=status, title_text=title, text=text)


@web.middleware
async def knows_who(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Finds the session, and sends whoever has none to the log-in."""
    zone = request.app[ZONE]
    token = request.cookies.get(zone.session_cookie, "")
    if token and len(token) <= _TOKEN_LENGTH_MAX and token.isascii():
        visitor = await zone.find_visitor(token)
        if visitor is not None:
            request[VISITOR], request[TOKEN] = visitor, token
    if getattr(request.match_info.handler, NEEDS_LOGIN, False):
        if VISITOR not in request:
            raise web.HTTPSeeOther(_login_path(request))
        if request[VISITOR].must_change_password and request.path not in zone.password_paths:
            raise web.HTTPSeeOther(zone.password_paths[0])
    return await handler(request)


def _login_path(request: web.Request) -> str:
    """The log-in, and then the page that was wanted; a form is not sent again by itself, so there it is said."""
    is_form = request.method not in ("GET", "HEAD")
    wanted = _here(request, request.app[ZONE]) if is_form else request.path_qs
    query = {"done": "out" if request.path == "/logout" else "over"} if is_form else {}
    query |= {"to": wanted} if wanted != "/" else {}
    return f"/login?{urlencode(query)}" if query else "/login"


@web.middleware
async def believes_forms(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A change needs our own page behind it: by origin, and once logged in by the session's token, too."""
    is_known = request.match_info.http_exception is None
    if is_known and request.method not in ("GET", "HEAD"):
        zone = request.app[ZONE]
        if not _is_own_page(request, zone):
            raise web.HTTPForbidden
        form = await read_form(request)
        if TOKEN in request and not hmac.compare_digest(
            str(form.get("csrf", "")).encode(), zone.csrf(request[TOKEN]).encode()
        ):
            raise web.HTTPForbidden
    return await handler(request)


def _is_own_page(request: web.Request, zone: Zone) -> bool:
    """Browsers name the page that a form stands on; one that names none is no browser of these fifteen years."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if site not in (None, "same-origin"):
        return False
    return origin.lower() == zone.origin if origin is not None else site == "same-origin"


def _here(request: web.Request, zone: Zone) -> str:
    """The page to come back to after another language was chosen; after a form, the page that it stands on."""
    if request.method in ("GET", "HEAD"):
        return own_path(request.path_qs) or "/"
    came_from = request.headers.get("Referer", "")
    return own_path(came_from[len(zone.origin) :]) if came_from.startswith(f"{zone.origin}/") else "/"


def page(
    request: web.Request,
    template: str,
    *,
    status: int = HTTPStatus.OK,
    headers: dict[str, str] | None = None,
    **values: object,
) -> web.Response:
    """A page for whoever asks, in their language."""
    zone, who = request.app[ZONE], request.get(VISITOR)
    language = zone.language_of(request)
    text = zone.pages.render(
        template,
        language,
        who=who,
        csrf=zone.csrf(request[TOKEN]) if who is not None else "",
        path=request.path,
        here=_here(request, zone),
        done=zone.done.get(request.query.get("done", ""), ""),
        is_over=request.query.get("done") == "over",
        today=zone.today(),
        **values,
    )
    kept = {"Content-Language": language, **(headers or {})}
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=kept)
