"""Invoices, what paid them, their PDF and ISDOC; and asking for an extension."""

from aiohttp import web

from billing.dunning.extensions import extend, extensions_for
from billing.money import Money
from billing.store import journal
from config.errors import NotAllowed
from portal.customer import accounts, overview
from portal.customer.office import OFFICE, customer_of
from portal.forms import see, text_of
from portal.guard import page

PAYMENTS_SHOWN = 60
_SEARCH_LENGTH_MAX = 100
_NUMBER_LENGTH_MAX = 40


async def billing(request: web.Request) -> web.StreamResponse:
    office, who = request.app[OFFICE], customer_of(request)
    search = text_of(request.query.get("q"), _SEARCH_LENGTH_MAX)
    async with office.store.reading() as session:
        years = await accounts.years(session, who.customer_id)
        chosen = request.query.get("year", "")
        year = int(chosen) if chosen in {str(each) for each in years} else None
        if year is None and not chosen and not search and years:
            year = years[0]
        skip = _skip(request.query.get("skip", ""))
        invoices, count = await accounts.invoices(session, who.customer_id, year=year, search=search, skip=skip)
        payments = await accounts.payments(session, who.customer_id, PAYMENTS_SHOWN, year=year)
        contracts = await overview.balances(session, who.customer_id, office.settings, office.policy, office.now())
    return page(
        request,
        "billing.html",
        invoices=invoices,
        count=count,
        first=skip + 1,
        newer=max(skip - accounts.INVOICES_PER_PAGE, 0) if skip else None,
        older=skip + len(invoices) if skip + len(invoices) < count and invoices else None,
        chosen=chosen,
        years=years,
        year=year,
        search=search,
        payments=payments,
        contracts=contracts,
    )


def _skip(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 0


async def paid_page(request: web.Request) -> web.StreamResponse:
    """ "I have paid": what happens next, and how to put the suspension off meanwhile."""
    office, who = request.app[OFFICE], customer_of(request)
    async with office.store.reading() as session:
        contracts = await overview.balances(session, who.customer_id, office.settings, office.policy, office.now())
        overdue = [each for each in contracts if each.overdue > Money()]
        debts = {each.number: each.overdue for each in overdue}
        limits = office.settings.portal
        extensions = await extensions_for(session, debts, limits, office.today(), office.now())
    return page(request, "paid.html", contracts=overdue, extensions=extensions)


async def ask_extension(request: web.Request) -> web.StreamResponse:
    """Records a promise for one of the customer's own contracts, within the ISP's limits."""
    office, who, form = request.app[OFFICE], customer_of(request), await request.post()
    number = text_of(form.get("contract"), 10)
    async with office.store.transaction() as session:
        await journal.lock(session)  # the debt that is looked at is the one that the promise is given for
        contracts = await overview.balances(session, who.customer_id, office.settings, office.policy, office.now())
        mine = next((each for each in contracts if each.number == number), None)
        if mine is None:
            raise web.HTTPNotFound
        if form.get("agree") != "yes":
            raise web.HTTPBadRequest
        try:
            await extend(session, number, office.settings.portal, mine.overdue, office.today(), office.now())
        except NotAllowed:
            return see("/paid")
    office.ring()
    return see("/billing?done=extended")


async def document(request: web.Request) -> web.StreamResponse:
    """The PDF or the ISDOC of one of the customer's own invoices."""
    office, who = request.app[OFFICE], customer_of(request)
    number, kind = text_of(request.match_info["number"], _NUMBER_LENGTH_MAX), request.match_info["kind"]
    async with office.store.reading() as session:
        found = await accounts.invoice(session, who.customer_id, number)
    if not found.has_document or office.documents is None:
        raise web.HTTPNotFound
    body, content_type = await office.documents(found.id, kind)
    headers = {"Content-Disposition": f'attachment; filename="{found.number}.{kind}"'}
    return web.Response(body=body, content_type=content_type, headers=headers)
