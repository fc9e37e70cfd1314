"""What was shown to the customer and acknowledged, and the mails that were sent."""

from aiohttp import web

from portal.customer import overview
from portal.customer.office import OFFICE, customer_of
from portal.guard import page

NOTICES_SHOWN, MAILS_SHOWN = 50, 100


async def notices(request: web.Request) -> web.StreamResponse:
    office, who = request.app[OFFICE], customer_of(request)
    async with office.store.reading() as session:
        found = await overview.notices(session, who.customer_id, NOTICES_SHOWN)
        mails = await overview.mails(session, who.customer_id, MAILS_SHOWN)
    return page(request, "notices.html", notices=found, mails=mails)
