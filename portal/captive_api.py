"""The captive portal API (RFC 8908): a device asks whether its line is restricted, and where to read why.

Devices that once learned the address keep asking, so the answer must be right when nothing is wrong, too. It is
served over TLS alone, together with the notice pages, because `user-portal-url` must be https.
"""

import json
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Any

from aiohttp import web

from billing.dunning import notices
from billing.dunning.facts import Stage
from billing.dunning.notices import NoticeView
from billing.services.operations import contract_of
from billing.store.engine import Store
from config.clock import Clock
from config.settings import Settings
from portal.notice.app import DESK, make_app, show
from portal.notice.counters import Counters
from portal.notice.desk import Desk, peer_of
from portal.notice.pages import SECURITY_HEADERS

API_PATH = "/captive-api"
"""DHCP option 114 names `captive_api.url` with this path; the bare `url` serves it, too, to whoever accepts it."""
CONTENT_TYPE = "application/captive+json"


def make_captive_app(
    settings: Settings, store: Store, clock: Clock, ring: Callable[[], None], counters: Counters | None = None
) -> web.Application:
    """The API and the notice pages at `settings.captive_api.url`."""
    url, site = settings.captive_api.url, settings.enforcement.site
    desk = Desk(settings, store, clock, ring, counters or Counters(), url, site)
    app = make_app(desk, home=_show_or_tell)
    app.router.add_get(f"{desk.base}{API_PATH}", tell)
    return app


def state_of(view: NoticeView | None, portal_url: str, now: datetime) -> dict[str, Any]:
    """The JSON of RFC 8908 §5. What counts is what the network does to the line, not what it will do. Pure.

    An address that is nobody's is not captive as far as anybody knows, and gets no data.
    """
    if view is None:
        return {"captive": False}
    state: dict[str, Any] = {"captive": view.line != "open", "user-portal-url": portal_url}
    if view.debt.minor > 0:
        state["can-extend-session"] = True  # by paying
    if view.line == "open" and view.stage is Stage.ACKNOWLEDGED and view.suspend_at and view.suspend_at > now:
        state["seconds-remaining"] = int((view.suspend_at - now).total_seconds())
    return state


async def tell(request: web.Request) -> web.StreamResponse:
    """The state of whoever asks."""
    desk, address = request.app[DESK], peer_of(request)
    now = desk.clock.now()
    async with desk.store.reading() as session:
        contract_id = await contract_of(session, desk.site, address)
        view = await notices.view(session, contract_id, desk.policy, now, desk.site) if contract_id else None
    text = json.dumps(state_of(view, f"{desk.url}/", now))
    headers = {**SECURITY_HEADERS, "Cache-Control": "private, no-store"}
    response = web.Response(text=text, status=HTTPStatus.OK, content_type=CONTENT_TYPE, headers=headers)
    response.force_close()
    return response


async def _show_or_tell(request: web.Request) -> web.StreamResponse:
    accepts = request.headers.get("Accept", "")
    return await (tell(request) if CONTENT_TYPE in accepts else show(request))
