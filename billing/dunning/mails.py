"""The four mails of dunning, as drafts for the outbox. Pure: the caller stores them with their cause.

Each function composes one `Letter`, sentence by sentence, in the customer's language; `templates/letter.txt`
and `templates/letter.html` lay the same letter out twice, so that both parts of a mail say the same. The QR
payment travels as text: whoever sends the mail makes the picture that the HTML shows as ``cid:qr``.

Who has no address that a mail can be sent to gets None.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from billing.customers.mail_address import one_line, sendable
from billing.dunning.payment_order import PaymentOrder
from billing.money import Money
from billing.store.outbox import Draft
from config.i18n import Translator, translator
from config.settings import Isp, Settings

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom a mail is for."""

    contract_id: int
    contract_number: str
    name: str
    email: str
    language: str


class OpenInvoice(Protocol):
    """What a mail says of an invoice; `notices.ShownInvoice` and `facts.InvoiceFact` both do."""

    @property
    def number(self) -> str: ...
    @property
    def due_on(self) -> date: ...
    @property
    def open(self) -> Money: ...


@dataclass(frozen=True, slots=True)
class Link:
    """A way to us: what it is, what to show, and where it leads."""

    label: str
    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says, before it is laid out."""

    tone: str
    """`calm`, `warning`, `stop` or `good`: the colour of the HTML."""
    subject: str
    title: str
    lead: tuple[str, ...]
    asks_to_pay: str = ""
    """Heading of the invoices and of how to pay them; empty = nothing is to be paid."""
    what_next: tuple[str, ...] = ()
    button: Link | None = None
    closing: str = ""


def reminder(
    addressee: Addressee,
    invoices: Sequence[OpenInvoice],
    *,
    settings: Settings,
    anchor_invoice_id: int,
    after_days: int,
    notice_at: datetime | None = None,
) -> Draft | None:
    """Something is overdue; `notice_at`: when the notice will appear if it stays so."""
    _ = _translator(addressee, settings)
    is_enough = _debt(invoices).minor >= settings.dunning.minimum_debt_minor
    what_next = [
        _(
            "Unless your payment arrives sooner, a notice will appear in your web browser from {day}. Your internet "
            "connection will keep working.",
            day=_day(_, notice_at, settings),
        )
        if notice_at and is_enough
        else "",
        _("Have you paid in the meantime? Thank you, then please disregard this message."),
    ]
    letter = Letter(
        tone="calm",
        subject=_("Payment reminder: {amount} overdue", amount=_total(_, invoices, settings.isp)),
        title=_("A friendly reminder"),
        lead=(_overdue_count(_, addressee, len(invoices)), _("Perhaps it just slipped your mind.")),
        asks_to_pay=_("What to pay, and how"),
        what_next=tuple(filter(None, what_next)),
        button=_portal(_, settings.isp),
    )
    key = f"reminder:{addressee.contract_id}:{anchor_invoice_id}:{after_days}"
    return _draft("reminder", key, letter, addressee, invoices, settings)


def notice(
    addressee: Addressee,
    invoices: Sequence[OpenInvoice],
    *,
    settings: Settings,
    notice_id: int,
    suspend_at: datetime | None = None,
) -> Draft | None:
    """The notice that nobody acknowledged in the browser; `suspend_at`: when that alone leads to suspension."""
    _ = _translator(addressee, settings)
    what_next = [
        _("Please open the page linked here from your connection at home, read the notice and confirm it."),
        _.plural(
            "After that you have {n} more day to pay. Only if nothing arrives by then will we suspend your "
            "internet connection.",
            "After that you have {n} more days to pay. Only if nothing arrives by then will we suspend your "
            "internet connection.",
            settings.dunning.grace_days,
        ),
        _("If you neither confirm nor pay, we will suspend the connection on {day}.", day=_day(_, suspend_at, settings))
        if suspend_at
        else "",
        _("Have you paid in the meantime? Thank you, then please disregard this message."),
    ]
    letter = Letter(
        tone="warning",
        subject=_("Important notice: please pay {amount}", amount=_total(_, invoices, settings.isp)),
        title=_("An important notice about your connection"),
        lead=(
            _overdue_count(_, addressee, len(invoices)),
            _("We have been showing you this notice in your web browser, but it has not been confirmed yet."),
        ),
        asks_to_pay=_("What to pay, and how"),
        what_next=tuple(filter(None, what_next)),
        button=Link(_("Read the notice"), settings.notice.url, settings.notice.url),
    )
    return _draft("notice", f"notice:{notice_id}", letter, addressee, invoices, settings)


def suspended(
    addressee: Addressee, invoices: Sequence[OpenInvoice], *, settings: Settings, since_at: datetime
) -> Draft | None:
    """The line was suspended at `since_at`, and how it comes back."""
    _ = _translator(addressee, settings)
    letter = Letter(
        tone="stop",
        subject=_("Your internet connection is suspended"),
        title=_("Your internet connection is suspended"),
        lead=(
            _(
                "On {day} we suspended the internet connection of contract {contract}, because the amount below "
                "has still not been paid.",
                day=_day(_, since_at, settings),
                contract=addressee.contract_number,
            ),
        ),
        asks_to_pay=_("Pay, and you are connected again"),
        what_next=(
            _(
                "As soon as we record your payment, the connection comes back by itself, day or night. There is no "
                "need to call us."
            ),
            _("An instant payment reaches us soonest."),
        ),
        button=_portal(_, settings.isp),
    )
    key = f"suspended:{addressee.contract_id}:{since_at.astimezone(UTC).isoformat()}"
    return _draft("suspended", key, letter, addressee, invoices, settings)


def restored(
    addressee: Addressee,
    invoices: Sequence[OpenInvoice],
    *,
    settings: Settings,
    since_at: datetime,
    promise_until_on: date | None = None,
) -> Draft | None:
    """The line works again since `since_at`; `invoices`: what is overdue all the same, if anything."""
    _ = _translator(addressee, settings)
    back = _(
        "On {day} we restored the internet connection of contract {contract}.",
        day=_day(_, since_at, settings),
        contract=addressee.contract_number,
    )
    if not invoices:
        rest = _("Nothing is overdue any more. Thank you!")
    elif promise_until_on:
        rest = _("As agreed, we will wait for the rest until {day}.", day=_unbroken(_.date(promise_until_on)))
    else:
        rest = _("{amount} is still left to pay.", amount=_total(_, invoices, settings.isp))
    letter = Letter(
        tone="good",
        subject=_("Your internet connection is working again"),
        title=_("You are connected again"),
        lead=(back, rest),
        asks_to_pay=_("What is left to pay, and how") if invoices else "",
        what_next=(_("Should anything not work, switch your router off and on again, or let us know."),),
    )
    key = f"restored:{addressee.contract_id}:{since_at.astimezone(UTC).isoformat()}"
    return _draft("restored", key, letter, addressee, invoices, settings)


def _translator(addressee: Addressee, settings: Settings) -> Translator:
    return translator(addressee.language or settings.isp.language)


def _overdue_count(_: Translator, addressee: Addressee, n: int) -> str:
    return _.plural(
        "We have not yet received payment for {n} invoice of contract {contract}, which is past its due date.",
        "We have not yet received payment for {n} invoices of contract {contract}, which are past their due date.",
        n,
        contract=addressee.contract_number,
    )


def _debt(invoices: Sequence[OpenInvoice]) -> Money:
    return Money.total(invoice.open for invoice in invoices)


def _total(_: Translator, invoices: Sequence[OpenInvoice], isp: Isp) -> str:
    return _.money(_debt(invoices).minor, isp.currency)


def _day(_: Translator, at: datetime, settings: Settings) -> str:
    return _unbroken(_.date(at.astimezone(settings.zone).date()))


def _unbroken(text: str) -> str:
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def _portal(_: Translator, isp: Isp) -> Link | None:
    return Link(_("Open the customer portal"), isp.portal_url, isp.portal_url) if isp.portal_url else None


def _contacts(_: Translator, isp: Isp) -> tuple[Link, ...]:
    phone = Link(_("Phone"), _unbroken(isp.phone), "tel:" + "".join(isp.phone.split()))
    email = Link(_("E-mail"), isp.email, f"mailto:{isp.email}")
    return tuple(link for link in (phone, email) if link.text)


def _draft(
    kind: str,
    dedup_key: str,
    letter: Letter,
    addressee: Addressee,
    invoices: Sequence[OpenInvoice],
    settings: Settings,
) -> Draft | None:
    recipient = sendable(addressee.email)
    if recipient is None:
        return None
    _ = _translator(addressee, settings)
    debt = _debt(invoices)
    numbers = tuple(invoice.number for invoice in invoices)
    order = PaymentOrder.of(settings.isp, addressee.contract_number, numbers, debt)
    shown = {
        "_": _,
        "plural": _.plural,
        "letter": letter,
        "isp": settings.isp,
        "customer": one_line(addressee.name),
        "contract": addressee.contract_number,
        "rows": [(i.number, _unbroken(_.date(i.due_on)), _total(_, [i], settings.isp)) for i in invoices],
        "total": _total(_, invoices, settings.isp),
        "order": order,
        "contacts": _contacts(_, settings.isp),
    }
    return Draft(
        dedup_key=dedup_key,
        contract_id=addressee.contract_id,
        kind=kind,
        recipient=recipient,
        subject=one_line(letter.subject),
        text=_TEMPLATES.get_template("letter.txt").render(shown),
        html=_TEMPLATES.get_template("letter.html").render(shown),
        qr_payment=order.qr,
    )
