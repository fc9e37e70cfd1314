"""The customer's services, and the data that they transferred."""

import csv
import io
from datetime import date, timedelta

from aiohttp import web

from billing.services.usage import UsageRow, usage
from config.errors import NotFound
from portal.customer import overview
from portal.customer.chart import chart, filled
from portal.customer.office import OFFICE, customer_of
from portal.guard import page

DAYS_SHOWN = {"day": 31, "month": 366, "hour": 2}
"""What can be chosen, and how many days it shows when no period is given …"""
DAYS_MAX = {"day": 400, "month": 3660, "hour": 31}
"""… and at most: a page of more rows says less."""


async def services(request: web.Request) -> web.StreamResponse:
    office, who = request.app[OFFICE], customer_of(request)
    async with office.store.reading() as session:
        found = await overview.services(session, who.customer_id)
        phones = await overview.phones(session, who.customer_id, office.settings.isp.country)
        contracts = await overview.balances(session, who.customer_id, office.settings, office.policy, office.now())
    by_number = {each.number: each for each in contracts}
    voip_url = office.settings.voip.url.rstrip("/")
    return page(request, "services.html", services=found, phones=phones, contracts=by_number, voip_url=voip_url)


async def usage_page(request: web.Request) -> web.StreamResponse:
    service, span, period, rows = await _usage(request)
    rows = filled(rows, span, request.app[OFFICE].settings.zone)
    return page(
        request,
        "usage.html",
        service=service,
        span=span,
        spans=list(DAYS_SHOWN),
        period=period,
        rows=rows,
        chart=chart(rows),
    )


async def usage_csv(request: web.Request) -> web.StreamResponse:
    """The same as a file: plain bytes, for a spreadsheet."""
    service, span, period, rows = await _usage(request)
    text = io.StringIO()
    written = csv.writer(text)
    written.writerow(("starts_at", "down_bytes", "up_bytes"))
    zone = request.app[OFFICE].settings.zone
    written.writerows((row.starts_at.astimezone(zone).isoformat(), row.down_bytes, row.up_bytes) for row in rows)
    name = f"data-{service.contract_number}-{span}-{period[0]}-{period[1]}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(text=text.getvalue(), content_type="text/csv", charset="utf-8", headers=headers)


async def _usage(
    request: web.Request,
) -> tuple[overview.ServiceView, str, tuple[date, date], list[UsageRow]]:
    office, who = request.app[OFFICE], customer_of(request)
    span, period = _chosen(request)
    async with office.store.reading() as session:
        mine = {str(each.id): each for each in await overview.services(session, who.customer_id)}
        service = mine.get(request.match_info["id"])
        if service is None or service.kind != "internet":
            raise NotFound("There is no such service.", "")
        rows = await usage(session, service.id, span, *period, zone=office.settings.zone)
    return service, span, period, rows


def _chosen(request: web.Request) -> tuple[str, tuple[date, date]]:
    """Span and period as asked for; nonsense becomes what is usual."""
    span = request.query.get("span", "day")
    span = span if span in DAYS_SHOWN else "day"
    today = request.app[OFFICE].today()
    until_on = min(_day(request.query.get("until", "")) or today, today)
    from_on = _day(request.query.get("from", "")) or until_on - timedelta(days=DAYS_SHOWN[span] - 1)
    if not timedelta(0) <= until_on - from_on < timedelta(days=DAYS_MAX[span]):
        from_on = until_on - timedelta(days=DAYS_SHOWN[span] - 1)
    return span, (from_on, until_on)


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2000 <= found.year < 2200 else None
