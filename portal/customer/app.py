"""The portal as an aiohttp application."""

from aiohttp import web

from portal.customer.guard import answers, believes_forms, knows_who
from portal.customer.office import OFFICE, Office
from portal.customer.routes import add_routes

FORM_BYTES_MAX = 64 * 1024


def make_portal_app(office: Office) -> web.Application:
    """The portal at `isp.portal_url`."""
    app = web.Application(middlewares=[answers, knows_who, believes_forms], client_max_size=FORM_BYTES_MAX)
    app[OFFICE] = office
    add_routes(app)
    return app
