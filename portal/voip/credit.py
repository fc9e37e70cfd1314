"""Credit: what there is, and topping it up by a coupon.

    coupon chosen ─► "do you really want to …?" ─► Confirm (POST) ─► the page of this top-up (GET)

The confirmation bears a key that is made from the number, the coupon and the last top-up. So a double click, a
reload and the same question open in two browsers bring the same key, and the second finds what the first one did.
A key that is neither known nor of now means that something else happened meanwhile: then it is asked once more.
"""

import hmac
from datetime import timedelta
from http import HTTPStatus

from aiohttp import web

from billing.dunning.payment_order import PaymentOrder
from billing.money import Money
from billing.store import journal
from billing.voip import logins, operations, topping_up
from billing.voip.topping_up import CapReached, TopUp
from config.errors import NotAllowed, NotFound
from config.i18n import N_
from portal.forms import see, text_of
from portal.guard import page
from portal.notice.pages import qr_picture
from portal.voip.booth import BOOTH, Booth, caller_of

TOP_UPS_SHOWN = 12
LATELY = timedelta(minutes=10)
"""Who goes back in the browser after topping up sees the question anew: it says then that it was answered."""
MEANWHILE = N_("Credit was topped up meanwhile. Please look at it, and confirm if you want still more.")


async def credit_page(request: web.Request) -> web.StreamResponse:
    """The number, its credit, what may still be topped up this month, and what was."""
    booth, who = request.app[BOOTH], caller_of(request)
    async with booth.store.reading() as session:
        number = await operations.view(session, who.number_id)
        allowance = await topping_up.allowance(session, who.number_id, booth.settings, booth.now())
        made = await topping_up.top_ups(session, who.number_id)
        suspended = await topping_up.is_suspended(session, number.contract_id)
    coupons = [Money(minor) for minor in booth.settings.voip.coupons_minor]
    return page(
        request,
        "credit.html",
        number=number,
        shown=booth.shown(number.number),
        allowance=allowance,
        made=made[:TOP_UPS_SHOWN],
        coupons=coupons,
        is_suspended=suspended,
    )


async def confirm_page(request: web.Request) -> web.StreamResponse:
    """Do you really want to? Writes nothing."""
    return await _ask(request, _coupon(request.app[BOOTH], request.query.get("amount")))


async def _ask(request: web.Request, amount: Money, said: str = "") -> web.StreamResponse:
    booth, who = request.app[BOOTH], caller_of(request)
    async with booth.store.reading() as session:
        number = await operations.view(session, who.number_id)
        allowance = await topping_up.allowance(session, who.number_id, booth.settings, booth.now())
        made = await topping_up.top_ups(session, who.number_id)
    if amount > allowance.left:
        return _cap_reached(request, amount, allowance)
    key = _key(booth, who.number_id, amount, made)
    lately = made[0] if made and timedelta(0) <= booth.now() - made[0].at < LATELY else None
    status = HTTPStatus.CONFLICT if said else HTTPStatus.OK
    return page(
        request,
        "confirm.html",
        shown=booth.shown(number.number),
        number=number,
        amount=amount,
        key=key,
        said=said,
        lately=lately,
        status=status,
    )


async def confirm(request: web.Request) -> web.StreamResponse:
    """Tops up, once for each key, and leads to the page that says so."""
    booth, form, who = request.app[BOOTH], await request.post(), caller_of(request)
    amount, key = _coupon(booth, form.get("amount")), text_of(form.get("key"), topping_up.KEY_LENGTH_MAX)
    try:
        async with booth.store.transaction() as session:
            await journal.lock(session)  # of two questions at once, the second is overtaken by the first
            made = await topping_up.top_ups(session, who.number_id)
            known = await topping_up.known(session, who.number_id, amount, key)
            if known is None and not hmac.compare_digest(
                key.encode(), _key(booth, who.number_id, amount, made).encode()
            ):
                raise _Meanwhile
            done = known or await topping_up.top_up(
                session, who.number_id, amount, key=key, settings=booth.settings, actor=logins.ACTOR, now=booth.now()
            )
    except _Meanwhile:
        return await _ask(request, amount, MEANWHILE)
    except CapReached as reached:
        return _cap_reached(request, amount, reached.allowance)
    except NotAllowed:  # blocked or suspended meanwhile: the page of the credit says so
        return see("/credit")
    booth.ring()
    return see(f"/top-ups/{done.invoice_number}")


async def topped_up_page(request: web.Request) -> web.StreamResponse:
    """What was topped up, where its invoice is and how to pay it."""
    booth, who = request.app[BOOTH], caller_of(request)
    async with booth.store.reading() as session:
        number = await operations.view(session, who.number_id)
        made = await topping_up.top_ups(session, who.number_id)
    one = next((each for each in made if each.invoice_number == request.match_info["invoice"]), None)
    if one is None:
        raise NotFound("There is no such top-up.")
    order = PaymentOrder.of(booth.settings.isp, who.contract_number, (one.invoice_number,), one.amount)
    picture = qr_picture(order.qr) if order.qr else ""
    payment = {"order": order, "owed": one.amount}
    return page(
        request,
        "topped_up.html",
        number=number,
        shown=booth.shown(number.number),
        one=one,
        payment=payment,
        picture=picture,
    )


class _Meanwhile(Exception):
    """The confirmation is of a page that was overtaken."""


def _cap_reached(request: web.Request, amount: Money, allowance: topping_up.Allowance) -> web.Response:
    return page(request, "cap.html", amount=amount, allowance=allowance, status=HTTPStatus.CONFLICT)


def _coupon(booth: Booth, value: object) -> Money:
    """The coupon that is meant; nobody asks for another but by hand."""
    text = text_of(value, 12)
    found = next((minor for minor in booth.settings.voip.coupons_minor if text == str(Money(minor))), None)
    if found is None:
        raise web.HTTPBadRequest
    return Money(found)


def _key(booth: Booth, number_id: int, amount: Money, made: list[TopUp]) -> str:
    """The same for the same question, and another one after every top-up."""
    last = made[0].invoice_number if made else ""
    said = f"hradlo top-up\0{number_id}\0{amount}\0{len(made)}\0{last}"
    return hmac.digest(booth.settings.signing_key(), said.encode(), "sha256").hex()
