"""The exchange's side as an aiohttp application: who may ask at all, and errors as JSON."""

import base64
import binascii
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus

from aiohttp import web
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from structlog import get_logger

from billing.store.engine import Store
from config.clock import Clock
from config.errors import HradloError
from config.settings import Settings
from portal.client_address import source_address
from portal.exchange.authorizing import authorize_call
from portal.exchange.desk import DESK, Desk
from portal.exchange.receiving import BODY_BYTES_MAX, receive_calls

AUTHORIZE_PATH = "/voip/authorize"
CALLS_PATH = "/voip/calls"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = get_logger(__name__)


def make_exchange_app(settings: Settings, store: Store, clock: Clock, ring: Callable[[], None]) -> web.Application:
    """The application at `voip.exchange_listen`; raises `SettingsError` without the token."""
    app = web.Application(middlewares=[_fails_closed, _knows_exchanges], client_max_size=BODY_BYTES_MAX)
    app[DESK] = Desk(settings, store, clock, ring)
    app.cleanup_ctx.append(_finishes)
    app.router.add_post(AUTHORIZE_PATH, authorize_call)
    app.router.add_post(CALLS_PATH, receive_calls)
    return app


async def _finishes(app: web.Application) -> AsyncIterator[None]:
    yield
    await app[DESK].close()


@web.middleware
async def _fails_closed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong is an answer that allows nothing and tells no secret."""
    try:
        response = await handler(request)
    except web.HTTPException as refusal:
        response = _refused(HTTPStatus(refusal.status), "bad_request")
        if "Allow" in refusal.headers:
            response.headers["Allow"] = refusal.headers["Allow"]
    except ConnectionError:
        raise  # who asked has gone: there is nobody to answer
    except (HradloError, DBAPIError, PoolTimeout, OSError) as error:
        log.error("exchange.unavailable", path=request.path, error=str(error))
        response = _refused(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable")
    except Exception as error:
        log.exception("exchange.failed", path=request.path, error=str(error))
        response = _refused(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable")
    response.headers.update({"Cache-Control": "no-store", "Server": "Hradlo"})
    return response


@web.middleware
async def _knows_exchanges(request: web.Request, handler: Handler) -> web.StreamResponse:
    """By the address and by the token; what headers say about the address is never read."""
    desk = request.app[DESK]
    peer = source_address(request.transport.get_extra_info("peername")) if request.transport else None
    if peer not in desk.addresses:
        return _refused(HTTPStatus.FORBIDDEN, "unknown_exchange")
    if not desk.knows(_token(request.headers.get("Authorization", ""))):
        response = _refused(HTTPStatus.UNAUTHORIZED, "wrong_token")
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
    return await handler(request)


def _token(header: str) -> str:
    """Of `Bearer TOKEN`; or the password of `Basic`, which is all that some exchanges can send."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() == "bearer":
        return text.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace").partition(":")[2]
    except binascii.Error:
        return ""


def _refused(status: HTTPStatus, reason: str) -> web.Response:
    return web.json_response({"allowed": False, "max_seconds": None, "reason": reason}, status=status)
