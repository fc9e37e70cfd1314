"""What will a call cost? For everybody, without a log-in: as a page, and as JSON for programs."""

from http import HTTPStatus

from aiohttp import web

from billing.voip import decks, numbers
from billing.voip.numbers import Nature
from billing.voip.operations import Price, price_of
from portal.forms import spend, text_of
from portal.guard import page
from portal.voip.booth import BOOTH, caller_of
from portal.zone import VISITOR

_NUMBER_LENGTH_MAX = 40


async def price_page(request: web.Request) -> web.StreamResponse:
    """The question, and below it the answer."""
    typed = text_of(request.query.get("number"), _NUMBER_LENGTH_MAX).strip()
    found, is_wrong = None, False
    if typed:
        try:
            found = await _price(request, typed)
        except ValueError:
            is_wrong = True
    status = HTTPStatus.UNPROCESSABLE_ENTITY if is_wrong else HTTPStatus.OK
    shown = request.app[BOOTH].shown(str(found.called)) if found else ""
    name = _short_name(found, request) if found else ""
    return page(
        request, "price.html", typed=typed, found=found, shown=shown, name=name, is_wrong=is_wrong, status=status
    )


async def price_json(request: web.Request) -> web.StreamResponse:
    """The same for programs; amounts are decimal text in units of `currency`, VAT included."""
    typed = text_of(request.query.get("number"), _NUMBER_LENGTH_MAX).strip()
    try:
        found = await _price(request, typed)
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return web.json_response(_as_json(found, request.app[BOOTH].settings.isp.currency))


async def _price(request: web.Request, typed: str) -> Price:
    """By the tariff of whoever is logged in, else by the standard one; raises `ValueError` for what is no number."""
    booth = request.app[BOOTH]
    spend(booth.prices, booth.source_of(request))
    deck = caller_of(request).deck if VISITOR in request else decks.STANDARD
    async with booth.store.reading() as session:
        return await price_of(session, typed, booth.settings, deck=deck, at=booth.now())


def _short_name(found: Price, request: web.Request) -> str:
    """What a short number is: the fire brigade, directory enquiries …"""
    country = request.app[BOOTH].settings.isp.country
    short = numbers.short_number(found.called.digits, country) if found.called.is_short else None
    return short.names.get(request.app[BOOTH].language_of(request), "") if short else ""


def _as_json(found: Price, currency: str) -> dict[str, object]:
    answer: dict[str, object] = {
        "number": str(found.called),
        "kind": str(found.called.nature),
        "is_callable": found.rate is not None,
        "is_free": found.called.nature in (Nature.EMERGENCY, Nature.FREE) or bool(found.rate and found.rate.is_free),
    }
    if found.rate is not None:
        per_minute, connect, first_seconds, step_seconds = found.rate.prices
        answer |= {
            "destination": found.destination,
            "currency": currency,
            "price_per_minute": str(per_minute),
            "connection_fee": str(connect),
            "first_seconds": first_seconds,
            "step_seconds": step_seconds,
            "examples": [{"minutes": minutes, "price": str(cost)} for minutes, cost in found.examples],
        }
    return answer
