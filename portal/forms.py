"""What handlers do with forms: read a field, spend a limit, lead on to a page, keep a cookie."""

import asyncio
from collections.abc import Hashable, Mapping
from http import HTTPStatus

from aiohttp import hdrs, web

from config.clock import monotonic_seconds
from config.i18n import LANGUAGES
from portal.limits import RequestLimit
from portal.zone import LANGUAGE_COOKIE

_PATH_LENGTH_MAX = 1000
_YEAR_SECONDS = 365 * 86_400
_FORM_TYPE = "application/x-www-form-urlencoded"
FORM_SECONDS_MAX = 20.0
"""So long a form may be on its way: who sends it in drops keeps a connection and a descriptor."""


async def read_form(request: web.Request) -> Mapping[str, object]:
    """The fields of our own pages' forms, which are URL-encoded and UTF-8; afterwards `request.post()` has them, too.

    Raises `HTTPBadRequest` for a body of any other kind: nobody has to decode what no browser sends.
    """
    charset = (request.charset or "utf-8").lower()
    if request.content_type != _FORM_TYPE or charset != "utf-8" or hdrs.CONTENT_ENCODING in request.headers:
        raise web.HTTPBadRequest
    try:
        async with asyncio.timeout(FORM_SECONDS_MAX):
            return await request.post()
    except (TimeoutError, ValueError) as error:  # or a body that is not what its head says
        raise web.HTTPBadRequest from error


def text_of(value: object, length_max: int) -> str:
    """A form's field, cut one character beyond its longest, so that too long is seen; a file is no text."""
    text = value if isinstance(value, str) else ""
    return text[: length_max + 1].replace("\0", "")


def own_path(value: object) -> str:
    """The path if it is one of this host, else nothing: nobody is sent elsewhere after a log-in."""
    wanted = text_of(value, _PATH_LENGTH_MAX)
    is_own = len(wanted) <= _PATH_LENGTH_MAX and wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return wanted if is_own and wanted.isprintable() and wanted.isascii() else ""


def spend(limit: RequestLimit, source: Hashable) -> None:
    """One try of this source; raises 429, which says when to come again, when it has none left."""
    verdict = limit.ask(source, monotonic_seconds())
    if not verdict.is_allowed:
        raise web.HTTPTooManyRequests(headers={"Retry-After": str(int(verdict.retry_after_seconds) + 1)})


def see(path: str) -> web.Response:
    """On to a page, by GET: a reload repeats nothing."""
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": path})


def keep(response: web.Response, name: str, value: str, *, max_age_seconds: int | None = None) -> None:
    """Sets a cookie that is of this host alone, sent by HTTPS only and unseen by scripts."""
    response.set_cookie(name, value, max_age=max_age_seconds, path="/", secure=True, httponly=True, samesite="Lax")


async def choose_language(request: web.Request) -> web.StreamResponse:
    """The button in the frame of every page."""
    form = await request.post()
    language = str(form.get("language", ""))
    response = see(own_path(form.get("to")) or "/")
    if language in LANGUAGES:
        keep(response, LANGUAGE_COOKIE, language, max_age_seconds=_YEAR_SECONDS)
    return response
