"""`POST /voip/calls`: call records in any format of `billing/voip/calls`, as the body; one bad line refuses it whole.

An exchange that got no 200 keeps its records and sends them again; what is known already is not counted twice. The
format is told by the content, or named: `/voip/calls?format=kamailio`.
"""

import asyncio
from http import HTTPStatus

from aiohttp import web

from billing.voip.calls.detect import FORMATS, Format, read
from billing.voip.calls.importing import record_in_turns
from billing.voip.settling import COUNTS
from config.errors import CallsRejected
from portal.exchange.desk import DESK

BODY_BYTES_MAX = 8 * 1024 * 1024


async def receive_calls(request: web.Request) -> web.StreamResponse:
    """Stores, rates and charges what the exchange sends."""
    desk = request.app[DESK]
    data = await request.read()
    format = _format(request.query.get("format", "auto"))  # noqa: A001 - the word of the address
    try:
        records = await asyncio.to_thread(read, data, desk.settings.zone, format)
    except CallsRejected as error:
        problems = [{"place": problem.place, "message": problem.message} for problem in error.problems]
        return web.json_response({"problems": problems}, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    recorded = await record_in_turns(desk.store, records, desk.settings, desk.clock.now())
    desk.ring()
    return web.json_response({name: getattr(recorded, name) for name in COUNTS})


def _format(name: str) -> Format:
    for known in FORMATS:
        if name == known:
            return known
    raise web.HTTPBadRequest
