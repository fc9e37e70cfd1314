"""Log-in, a new password, and a forgotten one.

Customer numbers can be guessed, so nothing here tells whether one exists: a wrong number is answered like a wrong
password, with the same work done. Tries are limited for each address, for each number *from* an address, and for each
number from all addresses together that it was never used from; so strangers slow down strangers, be they many, and
never the owner at home. A link by mail works in any case.
"""

import asyncio
from dataclasses import asdict
from datetime import timedelta
from http import HTTPStatus

from aiohttp import web
from aiohttp.web import HTTPSeeOther
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers import logins
from billing.customers.mail_address import sendable
from billing.customers.passwords import hash_password, password_problem, verify_password
from billing.customers.portal_mails import password_link
from billing.store import outbox
from config.i18n import N_
from portal.client_address import limit_key, user_agent_of
from portal.customer.browsers import browser_name
from portal.customer.office import OFFICE, Office, customer_of
from portal.forms import own_path, see, spend, text_of
from portal.guard import page
from portal.sessions import change_problem, enter
from portal.zone import VISITOR

_NUMBER_LENGTH_MAX = 20
_PASSWORD_LENGTH_MAX = 200
_NOBODY = 0
FORGOT_SECONDS = 0.3
"""A mail is written in less, so who measures the answer learns nothing."""
_VERIFIED_AT_ONCE = asyncio.Semaphore(4)
"""Each takes 19 MiB and a core for some 20 ms."""

WRONG = N_("The customer number or the password is not right.")
OVER = N_("This link was used already, or it is too old. Please ask for a new one.")


async def login_page(request: web.Request) -> web.StreamResponse:
    if VISITOR in request:
        raise HTTPSeeOther("/")
    return _login(request, own_path(request.query.get("to")))


def _login(request: web.Request, wanted: str, wrong: str = "", number: str = "") -> web.Response:
    """The form, which remembers the page that was wanted; with what was wrong about the try before."""
    status, demo = HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK, request.app[OFFICE].demo_login
    return page(request, "login.html", wrong=wrong, number=number, to=wanted, demo=demo, status=status)


async def login(request: web.Request) -> web.StreamResponse:
    """Checks number and password; the session is new, whatever cookie the browser brought."""
    office, form = request.app[OFFICE], await request.post()
    number = text_of(form.get("number"), _NUMBER_LENGTH_MAX)
    password, wanted = text_of(form.get("password"), _PASSWORD_LENGTH_MAX), own_path(form.get("to"))
    source, account = office.source_of(request), number.strip().lower()
    spend(office.logins, source)
    spend(office.guesses, (account, source))
    async with office.store.reading() as session:
        found = await logins.credentials(session, number)
        known = await logins.addresses_of(session, found.customer_id if found else _NOBODY)
    if source not in {limit_key(address) for address in known}:
        spend(office.strangers, account)
    async with _VERIFIED_AT_ONCE:
        is_right = await asyncio.to_thread(verify_password, password, found.password_hash if found else "")
    if found is None or not is_right:
        return _login(request, wanted, WRONG, number)
    return await _enter(request, found.customer_id, wanted or "/")


async def _enter(request: web.Request, customer_id: int, path: str) -> web.StreamResponse:
    office = request.app[OFFICE]

    async def open_session(session: AsyncSession) -> str:
        source_address, user_agent = office.address_of(request), user_agent_of(request.headers)
        return await logins.open_session(
            session, customer_id, source_address=source_address, user_agent=user_agent, now=office.now()
        )

    return await enter(request, path, open_session)


async def forgot_page(request: web.Request) -> web.StreamResponse:
    return page(request, "forgot.html")


async def forgot(request: web.Request) -> web.StreamResponse:
    """Mails a link to the address that we know; says the same, and no sooner, when there is none."""
    office, form = request.app[OFFICE], await request.post()
    spend(office.mails, office.source_of(request))
    number = text_of(form.get("number"), _NUMBER_LENGTH_MAX)
    await asyncio.gather(_mail_link(office, number), asyncio.sleep(FORGOT_SECONDS))
    return see("/login?done=reset")


async def _mail_link(office: Office, number: str) -> None:
    async with office.store.transaction() as session:
        found = await logins.credentials(session, number)
        email = sendable(found.email) if found else None
        if found and email and await logins.may_mail_password_link(session, found.customer_id, office.now()):
            token = await logins.make_link(
                session, "password", found.customer_id, email, lasts=_link_lasts(office), now=office.now()
            )
            draft = password_link(office.settings, email, office.written(found.language), token, number)
            domain = outbox.sender_domain(office.settings.mail.sender)
            await outbox.put(session, [draft], office.now(), domain=domain)
    office.ring()  # whether there is a mail to send or not


async def reset_page(request: web.Request) -> web.StreamResponse:
    """The form behind the link of the mail; opening it uses nothing up (programs look into mails, too)."""
    return await _reset(request, str(request.query.get("t", "")))


async def _reset(request: web.Request, token: str, wrong: str = "") -> web.StreamResponse:
    office = request.app[OFFICE]
    async with office.store.reading() as session:
        found = await logins.link(session, "password", token, office.now())
    status = HTTPStatus.OK if found and not wrong else HTTPStatus.UNPROCESSABLE_ENTITY
    return page(request, "reset.html", token=token if found else "", wrong=wrong if found else OVER, status=status)


async def reset(request: web.Request) -> web.StreamResponse:
    office, form = request.app[OFFICE], await request.post()
    token, new = text_of(form.get("t"), 100), text_of(form.get("new"), _PASSWORD_LENGTH_MAX + 1)
    if wrong := password_problem(new):
        return await _reset(request, token, wrong)
    spend(office.logins, office.source_of(request))
    new_hash = await asyncio.to_thread(hash_password, new)
    async with office.store.transaction() as session:
        used = await logins.use_link(session, "password", token, office.now())
        if used:
            await logins.set_password(session, used[0], new_hash, office.now(), one_time=False)
    if used is None:
        return await _reset(request, token)
    return await _enter(request, used[0], "/?done=password")


async def change_password(request: web.Request) -> web.StreamResponse:
    """A new password needs the old one; every other browser is logged out, this one gets a new session."""
    office, form, who = request.app[OFFICE], await request.post(), customer_of(request)
    old, new = (text_of(form.get(name), _PASSWORD_LENGTH_MAX + 1) for name in ("old", "new"))
    spend(office.guesses, (who.customer_number.lower(), office.source_of(request)))
    async with office.store.reading() as session:
        found = await logins.credentials(session, who.customer_number)
    if wrong := await change_problem(old, new, found.password_hash if found else ""):
        return await account_page(request, wrong)
    new_hash = await asyncio.to_thread(hash_password, new)
    async with office.store.transaction() as session:
        await logins.set_password(session, who.customer_id, new_hash, office.now(), one_time=False)
    return await _enter(request, who.customer_id, "/account?done=password")


async def account_page(request: web.Request, wrong: str = "") -> web.StreamResponse:
    """The password, and the browsers that are logged in."""
    office, who = request.app[OFFICE], customer_of(request)
    async with office.store.reading() as session:
        found = await logins.sessions_of(session, who.customer_id, office.now() - office.idle)
    browsers = [{**asdict(one), "name": browser_name(one.user_agent)} for one in found]
    status = HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK
    return page(request, "account.html", wrong=wrong, browsers=browsers, status=status)


async def end_others(request: web.Request) -> web.StreamResponse:
    office, who = request.app[OFFICE], customer_of(request)
    async with office.store.transaction() as session:
        await logins.end_sessions(session, who.customer_id, office.now(), but=who.session_id)
    return see("/account?done=ended")


def _link_lasts(office: Office) -> timedelta:
    return timedelta(minutes=office.settings.portal.link_minutes)
