"""Log-in by the last three digits (or the whole number) and the VoIP password; a new password.

Several numbers may share an ending, then the password decides. Nothing tells whether a number or an ending exists:
the same words, and the same work for none as for one. Tries are limited for each address, for each ending or number
*from* an address, and for each ending from everywhere, because a thousand endings are soon tried by many; the whole
number is not concerned by the last, so nobody can be locked out.
"""

import asyncio
from http import HTTPStatus

from aiohttp import web
from aiohttp.web import HTTPSeeOther
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.passwords import hash_password
from billing.voip import logins, operations
from billing.voip.operations import ENDING_DIGITS
from billing.voip.tables import VoipNumber
from config.i18n import N_
from portal.client_address import user_agent_of
from portal.forms import own_path, spend, text_of
from portal.guard import page
from portal.sessions import change_problem, enter
from portal.voip.booth import BOOTH, caller_of
from portal.zone import VISITOR

_NUMBER_LENGTH_MAX, _PASSWORD_LENGTH_MAX = 40, 200
_VERIFIED_AT_ONCE = asyncio.Semaphore(2)

WRONG = N_("The number or the password is not right.")


async def login_page(request: web.Request) -> web.StreamResponse:
    if VISITOR in request:
        raise HTTPSeeOther("/credit")
    return _login(request, own_path(request.query.get("to")))


def _login(request: web.Request, wanted: str, wrong: str = "", number: str = "") -> web.Response:
    """The form, which remembers the page that was wanted; with what was wrong about the try before."""
    status, demo = HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK, request.app[BOOTH].demo_login
    return page(request, "login.html", wrong=wrong, number=number, to=wanted, demo=demo, status=status)


async def login(request: web.Request) -> web.StreamResponse:
    """Checks number and password; the session is new, whatever cookie the browser brought."""
    booth, form = request.app[BOOTH], await request.post()
    number = text_of(form.get("number"), _NUMBER_LENGTH_MAX)
    password, wanted = text_of(form.get("password"), _PASSWORD_LENGTH_MAX), own_path(form.get("to"))
    name, source = operations.log_in_name(number, booth.settings.isp.country), booth.source_of(request)
    spend(booth.logins, source)
    spend(booth.guesses, (name, source))
    if len(name) == ENDING_DIGITS:
        spend(booth.strangers, name)
    async with booth.store.reading() as session:
        candidates = await operations.log_in_candidates(session, name)
    async with _VERIFIED_AT_ONCE:
        number_id = await asyncio.to_thread(operations.logged_in, candidates, password)
    if number_id is None:
        return _login(request, wanted, WRONG, number)
    return await _enter(request, number_id, wanted or "/credit")


async def _enter(request: web.Request, number_id: int, path: str) -> web.StreamResponse:
    booth = request.app[BOOTH]

    async def open_session(session: AsyncSession) -> str:
        number = await session.get_one(VoipNumber, number_id)
        source_address, user_agent = booth.address_of(request), user_agent_of(request.headers)
        return await logins.open_session(
            session, number, source_address=source_address, user_agent=user_agent, now=booth.now()
        )

    return await enter(request, path, open_session)


async def account_page(request: web.Request, wrong: str = "") -> web.StreamResponse:
    """The form for a new password."""
    status = HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK
    return page(request, "account.html", wrong=wrong, status=status)


async def change_password(request: web.Request) -> web.StreamResponse:
    """A new password needs the old one; every other browser is logged out, this one gets a new session."""
    booth, form, who = request.app[BOOTH], await request.post(), caller_of(request)
    old, new = (text_of(form.get(name), _PASSWORD_LENGTH_MAX + 1) for name in ("old", "new"))
    spend(booth.guesses, (who.number, booth.source_of(request)))
    async with booth.store.reading() as session:
        hashed = (await session.get_one(VoipNumber, who.number_id)).password_hash
    if wrong := await change_problem(old, new, hashed):
        return await account_page(request, wrong)
    new_hash = await asyncio.to_thread(hash_password, new)
    async with booth.store.transaction() as session:
        number = await session.get_one(VoipNumber, who.number_id)
        await operations.set_password_hash(session, number, new_hash, actor=logins.ACTOR, now=booth.now())
    return await _enter(request, who.number_id, "/account?done=password")
