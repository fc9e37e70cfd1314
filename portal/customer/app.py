"""The portal as an aiohttp application."""

from aiohttp import web

from portal.customer.office import OFFICE, Office
from portal.customer.routes import ROUTES
from portal.routing import make_zone_app


def make_portal_app(office: Office) -> web.Application:
    """The portal at `isp.portal_url`."""
    app = make_zone_app(office, ROUTES)
    app[OFFICE] = office
    return app
