"""The VoIP zone as an aiohttp application."""

from aiohttp import web

from portal.routing import make_zone_app
from portal.voip.booth import BOOTH, Booth
from portal.voip.routes import ROUTES


def make_voip_app(booth: Booth) -> web.Application:
    """The zone at `voip.url`."""
    app = make_zone_app(booth, ROUTES)
    app[BOOTH] = booth
    return app
