"""Who the customer is, what is owed and how to pay it; and changing what may be changed."""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus

from aiohttp import web

from billing.customers import logins, portal_changes
from billing.customers.mail_address import one_line, sendable
from billing.customers.portal_mails import email_changed, email_link
from billing.store import outbox
from config.errors import NotAllowed
from config.i18n import LANGUAGES, N_
from portal.customer import overview
from portal.customer.office import OFFICE, customer_of
from portal.customer.signing_in import OVER
from portal.forms import see, spend, text_of
from portal.guard import page
from portal.notice.pages import qr_picture
from portal.zone import VISITOR

_LENGTH_MAX = {"phone": 40, "mailing_street": 200, "mailing_city": 100, "mailing_postal_code": 20, "language": 2}
_REQUEST_LENGTH_MAX = {"name": 200, "street": 200, "city": 100, "postal_code": 20}
_EMAIL_LENGTH_MAX, _NOTE_LENGTH_MAX = 320, 1000


async def information(request: web.Request) -> web.StreamResponse:
    office, who = request.app[OFFICE], customer_of(request)
    async with office.store.reading() as session:
        customer = await overview.customer(session, who.customer_id)
        contracts = await overview.balances(session, who.customer_id, office.settings, office.policy, office.now())
        asked = await portal_changes.requests(session, who.customer_id, is_open=True)
        pending_email = await logins.pending_email(session, who.customer_id, office.now())
    pictures = {each.number: qr_picture(each.order.qr) for each in contracts if each.order.qr}
    return page(
        request,
        "information.html",
        customer=customer,
        contracts=contracts,
        pictures=pictures,
        asked=asked,
        pending_email=pending_email,
    )


async def contacts_page(
    request: web.Request, wrong: str = "", wrong_field: str = "", typed: Mapping[str, str] | None = None
) -> web.StreamResponse:
    """The form; when something in it was wrong, with what was typed."""
    office, who = request.app[OFFICE], customer_of(request)
    async with office.store.reading() as session:
        customer = await overview.customer(session, who.customer_id)
        pending_email = await logins.pending_email(session, who.customer_id, office.now())
    known = {name: getattr(customer, name) for name in ("email", *_LENGTH_MAX)}
    return page(
        request,
        "contacts.html",
        typed={**known, **(typed or {})},
        wrong=wrong,
        wrong_field=wrong_field,
        pending_email=pending_email,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK,
    )


async def change_contacts(request: web.Request) -> web.StreamResponse:
    """Phone and postal address change at once; a new e-mail address once its link was opened."""
    form = await request.post()
    wanted = {name: one_line(text_of(form.get(name), length)) for name, length in _LENGTH_MAX.items() if name in form}
    email_typed = text_of(form.get("email"), _EMAIL_LENGTH_MAX).strip()
    typed = {**wanted, "email": email_typed}
    if any(len(value) > _LENGTH_MAX[name] for name, value in wanted.items()):
        return await contacts_page(request, N_("One of the fields is too long."), typed=typed)
    if wanted.get("language", "") not in (*LANGUAGES, ""):
        raise web.HTTPBadRequest
    if not wanted.get("language"):
        wanted.pop("language", None)
    email = sendable(email_typed)
    if email_typed and email is None:
        wrong = N_("This is not an e-mail address that we can write to.")
        return await contacts_page(request, wrong, "email", typed)
    is_new = await _change(request, wanted, email)
    if is_new:
        request.app[OFFICE].ring()  # a mail waits
    return see("/?done=confirm" if is_new else "/?done=saved")


async def _change(request: web.Request, wanted: dict[str, str], email: str | None) -> bool:
    """Writes the changes; True when a link was sent to a new address."""
    office, who = request.app[OFFICE], customer_of(request)
    async with office.store.transaction() as session:
        customer = await overview.customer(session, who.customer_id)
        await portal_changes.change(session, who.customer_id, wanted, office.now())
        if email is None or email == customer.email:
            return False
        spend(office.mails, office.source_of(request))
        lasts = timedelta(minutes=office.settings.portal.link_minutes)
        token = await logins.make_link(session, "email", who.customer_id, email, lasts=lasts, now=office.now())
        draft = email_link(office.settings, email, office.written(customer.language), token, who.name)
        domain = outbox.sender_domain(office.settings.mail.sender)
        await outbox.put(session, [draft], office.now(), domain=domain)
    return True


async def confirm_page(request: web.Request) -> web.StreamResponse:
    """Behind the link of the mail: a button, as programs that look into mails follow links, too."""
    office, token = request.app[OFFICE], str(request.query.get("t", ""))
    async with office.store.reading() as session:
        found = await logins.link(session, "email", token, office.now())
    status = HTTPStatus.OK if found else HTTPStatus.UNPROCESSABLE_ENTITY
    email = found[1] if found else ""
    return page(
        request, "confirm.html", token=token if found else "", email=email, wrong="" if found else OVER, status=status
    )


async def confirm(request: web.Request) -> web.StreamResponse:
    """The address is the reader's: it becomes the customer's, and the old one is told."""
    office, form = request.app[OFFICE], await request.post()
    token = text_of(form.get("t"), 100)
    async with office.store.transaction() as session:
        used = await logins.use_link(session, "email", token, office.now())
        if used:
            before = await portal_changes.change_email(session, used[0], used[1], office.now())
            if old := sendable(before):
                language = office.written((await overview.customer(session, used[0])).language)
                draft = email_changed(office.settings, old, language, used[1], token)
                domain = outbox.sender_domain(office.settings.mail.sender)
                await outbox.put(session, [draft], office.now(), domain=domain)
    office.ring()
    if used is None:
        return page(request, "confirm.html", token="", email="", wrong=OVER, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return see("/?done=email" if VISITOR in request else "/login?done=email")


async def request_page(
    request: web.Request, wrong: str = "", typed: Mapping[str, str] | None = None
) -> web.StreamResponse:
    """The form; when something in it was wrong, with what was typed."""
    office, who = request.app[OFFICE], customer_of(request)
    async with office.store.reading() as session:
        customer = await overview.customer(session, who.customer_id)
        asked = await portal_changes.requests(session, who.customer_id)
    known = {name: getattr(customer, name) for name in _REQUEST_LENGTH_MAX}
    typed = {**known, "note": "", **(typed or {})}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK
    return page(request, "request.html", typed=typed, asked=asked, wrong=wrong, status=status)


async def request_change(request: web.Request) -> web.StreamResponse:
    """What identifies the contract goes to a person at the ISP."""
    office, who, form = request.app[OFFICE], customer_of(request), await request.post()
    note = text_of(form.get("note"), _NOTE_LENGTH_MAX).strip()
    typed = {name: one_line(text_of(form.get(name), most)) for name, most in _REQUEST_LENGTH_MAX.items()}
    kept = {**typed, "note": note}
    if any(len(value) > _REQUEST_LENGTH_MAX[name] for name, value in typed.items()) or len(note) > _NOTE_LENGTH_MAX:
        return await request_page(request, N_("One of the fields is too long."), kept)
    try:
        async with office.store.transaction() as session:
            customer = await overview.customer(session, who.customer_id)
            wanted = {name: value for name, value in typed.items() if value and value != getattr(customer, name)}
            if wanted or note:
                await portal_changes.ask(session, who.customer_id, wanted, note, office.now())
    except NotAllowed:
        return await request_page(request, N_("We have several requests of yours already and will get in touch."), kept)
    if not wanted and not note:
        return await request_page(request, N_("Nothing is different from what we have."))
    return see("/?done=asked")
