"""The notice server's own pages (aiohttp): the notice, its acknowledgement, and what there is to say otherwise.

Requests come through the `Door`, whole and within their limits; requests for other people's hosts never come
here. There is no session and no cookie: who is asking is asked anew with every request. GET changes nothing; that
a notice was shown is kept as evidence after it was sent, and only when a person may have seen it.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from secrets import token_bytes

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError
from structlog import get_logger

from billing.dunning import notices
from billing.services.operations import contract_of
from billing.store.engine import Store
from config.clock import Clock
from config.settings import Settings
from portal.client_address import user_agent_of
from portal.notice import acknowledging
from portal.notice.counters import Counters
from portal.notice.desk import Desk, peer_of
from portal.notice.head import BODY_BYTES_MAX
from portal.notice.pages import SECURITY_HEADERS, Page
from portal.notice.reception import Reception
from portal.notice.requests import Request
from portal.notice.tokens import NONCE_BYTES, ShownNotice

DESK = web.AppKey("desk", Desk)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = get_logger(__name__)


def make_notice_app(
    settings: Settings, reception: Reception, store: Store, clock: Clock, ring: Callable[[], None], counters: Counters
) -> web.Application:
    """The pages of one site; to be served behind a `Door` (see `portal.server`)."""
    return make_app(Desk(settings, store, clock, ring, counters, reception.url, reception.site))


def make_app(desk: Desk, home: Handler | None = None) -> web.Application:
    """The pages of one desk; `home` answers at its first page instead of `show`."""
    app = web.Application(middlewares=[_guarded], client_max_size=BODY_BYTES_MAX)
    app[DESK] = desk
    app.router.add_get(f"{desk.base}/", home or show)
    app.router.add_post(f"{desk.base}/acknowledge", acknowledge)
    app.router.add_get(f"{desk.base}/acknowledge", _home)
    return app


async def show(request: web.Request) -> web.StreamResponse:
    """The page for whoever asks; to an address that is nobody's, a page without data."""
    desk, address = request.app[DESK], peer_of(request)
    now, asking = desk.clock.now(), desk.asking(request)
    desk.counters.pages += 1
    async with desk.store.reading() as session:
        contract_id = await contract_of(session, desk.site, address)
        view = await notices.view(session, contract_id, desk.policy, now, desk.site) if contract_id else None
    if view is None:
        return _html(desk.pages.unknown(asking).html, asking.language)
    asking = desk.wanted(asking, request.query.get("w", ""), address, view.contract_id, now)
    return await _send(request, desk.pages.of(view, asking, now), view)


async def acknowledge(request: web.Request) -> web.StreamResponse:
    """Takes the form of the notice; the browser goes on to the page it wanted, if the line is open for it."""
    desk = request.app[DESK]
    try:
        outcome = await acknowledging.acknowledge(desk, request)
    except acknowledging.ReadAgain as again:
        return await _send(request, again.page, again.view, HTTPStatus.CONFLICT)
    except acknowledging.Refused as refused:
        raise web.HTTPForbidden from refused
    asking = outcome.asking
    if asking.wanted_url and await acknowledging.is_open(desk, outcome.contract_id):
        return _redirect(asking.wanted_url)
    return _redirect(f"{desk.url}/?w={asking.wanted_token}" if asking.wanted_url else f"{desk.url}/")


async def _home(request: web.Request) -> web.StreamResponse:
    """Somebody reloads the address of the form: it shows nothing and does nothing by GET."""
    return _redirect(f"{request.app[DESK].url}/")


async def _send(
    request: web.Request, page: Page, view: notices.NoticeView, status: HTTPStatus = HTTPStatus.OK
) -> web.StreamResponse:
    """Sends a page with a token of its own, then keeps that it was shown."""
    desk, address, now = request.app[DESK], peer_of(request), request.app[DESK].clock.now()
    token = ""
    if view.notice_id is not None and page.text:
        shown = ShownNotice(view.notice_id, page.language, page.text_sha256)
        token = desk.tokens.sign_shown(shown, address, token_bytes(NONCE_BYTES), now)
    response = _html(page.with_token(token), page.language, status)
    await response.prepare(request)
    await response.write_eof()
    if view.notice_id is not None and page.text and _may_be_seen(request):
        await _keep_showing(desk, view.notice_id, page.text, address, user_agent_of(request.headers))
    return response


async def _keep_showing(desk: Desk, notice_id: int, text: str, address: str, user_agent: str) -> None:
    """The page is out already: a failure here is a gap in the evidence, not an error for the reader."""
    try:
        async with desk.store.transaction() as session:
            await notices.record_showing(
                session,
                notice_id=notice_id,
                source_address=address,
                user_agent=user_agent,
                text=text,
                now=desk.clock.now(),
            )
    except (SQLAlchemyError, OSError) as error:
        log.error("showing.failed", notice_id=notice_id, error=str(error))


def _may_be_seen(request: web.Request) -> bool:
    """HEAD, prefetch and the probes of operating systems show nothing to anybody."""
    asked = Request(request.method, request.path, {name.lower(): value for name, value in request.headers.items()})
    return request.method != "HEAD" and not asked.is_prefetch and not asked.is_probe


def _html(text: str, language: str, status: int = HTTPStatus.OK) -> web.Response:
    headers = {**SECURITY_HEADERS, "Content-Language": language, "Vary": "Accept-Language"}
    response = web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=headers)
    response.force_close()
    return response


def _redirect(location: str) -> web.Response:
    response = web.Response(status=HTTPStatus.SEE_OTHER, headers={**SECURITY_HEADERS, "Location": location})
    response.force_close()
    return response


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error becomes a page: a stranger's doing one of 400 to 499, ours 503 with a line in the log."""
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        return _error(request, refusal.status)
    except ConnectionError:
        raise  # the reader has gone: there is nobody to answer
    except Exception as error:
        log.exception("notice.failed", method=request.method, path=request.path, error=str(error))
        return _error(request, HTTPStatus.SERVICE_UNAVAILABLE)


def _error(request: web.Request, status: int) -> web.Response:
    desk = request.app[DESK]
    page = desk.pages.error(desk.asking(request), status)
    response = _html(page.html, page.language, status)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = "5"
    return response
