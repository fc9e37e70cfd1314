"""The calls of a number, month by month: a table, and everything as CSV."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from aiohttp import web

from billing.voip import calls_csv, months, operations
from billing.voip.credit import Credit
from billing.voip.tables import VoipCall
from portal.forms import text_of
from portal.guard import page
from portal.voip.booth import BOOTH, Booth, caller_of

MONTHS_LISTED = 24
ROWS_MAX = 1000
_SEARCH_LENGTH_MAX = 60


@dataclass(frozen=True, slots=True)
class Month:
    """One of the list."""

    text: str
    """Like 2026-11."""
    starts_at: datetime


async def calls_page(request: web.Request) -> web.StreamResponse:
    booth = request.app[BOOTH]
    month, search, found = await _found(request)
    return page(
        request,
        "calls.html",
        listed=_listed(booth),
        month=month,
        search=search,
        calls=found[:ROWS_MAX],
        count=len(found),
        total=Credit.total(call.charged for call in found),
        shown=booth.shown,
    )


async def calls_csv_file(request: web.Request) -> web.StreamResponse:
    """The same as a file, for a spreadsheet."""
    month, _, found = await _found(request)
    headers = {"Content-Disposition": f'attachment; filename="calls-{month}.csv"'}
    text = calls_csv.as_csv(found, request.app[BOOTH].settings.zone)
    return web.Response(text=text, content_type="text/csv", charset="utf-8", headers=headers)


async def _found(request: web.Request) -> tuple[str, str, Sequence[VoipCall]]:
    """Month and search as asked for, and the calls; nonsense becomes this month."""
    booth = request.app[BOOTH]
    search = text_of(request.query.get("q"), _SEARCH_LENGTH_MAX).strip()
    month = text_of(request.query.get("month"), 7)
    if month not in (each.text for each in _listed(booth)):
        month = months.of(booth.now(), booth.settings.zone)
    from_at, until_at = months.bounds(months.first_day(month), booth.settings.zone)
    async with booth.store.reading() as session:
        found = await operations.calls(session, caller_of(request).number_id, from_at=from_at, until_at=until_at)
    return month, search, [call for call in found if _matches(call, search)]


def _matches(call: VoipCall, search: str) -> bool:
    """Digits are looked for in the other party's number, words in the destination."""
    digits = "".join(filter(str.isdigit, search))
    other = call.caller if call.is_incoming else call.called
    return not search or bool(digits and digits in other) or search.lower() in call.destination.lower()


def _listed(booth: Booth) -> list[Month]:
    """This month and those before it."""
    first_on, listed = booth.today().replace(day=1), list[Month]()
    for _ in range(MONTHS_LISTED):
        listed.append(_month(first_on, booth))
        first_on = months.before(first_on)
    return listed


def _month(first_on: date, booth: Booth) -> Month:
    return Month(f"{first_on:%Y-%m}", months.bounds(first_on, booth.settings.zone)[0])
