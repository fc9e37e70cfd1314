"""A letter: what a mail says, sentence by sentence, before it is laid out. Pure.

`templates/letter.txt` and `templates/letter.html` lay the same letter out twice, so that both parts of a mail say
the same. The QR payment travels as text: whoever sends the mail makes the picture that the HTML shows as ``cid:qr``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from billing.customers.mail_address import one_line
from billing.dunning.payment_order import PaymentOrder
from billing.money import Money
from config.i18n import Translator, translator
from config.settings import Isp, Settings


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
    columns: tuple[str, ...] = ()
    """Headings of a table that follows the lead, the last column to the right; none = no table."""
    rows: tuple[tuple[str, ...], ...] = ()


def language_of(addressee: Addressee, settings: Settings) -> Translator:
    """The addressee's; the ISP's where that is not known."""
    return translator(addressee.language or settings.isp.language)


def payment_order(addressee: Addressee, invoices: Sequence[OpenInvoice], isp: Isp) -> PaymentOrder:
    """How what is open of these invoices is paid in one payment."""
    numbers = tuple(invoice.number for invoice in invoices)
    return PaymentOrder.of(isp, addressee.contract_number, numbers, debt(invoices))


def shown(letter: Letter, addressee: Addressee, invoices: Sequence[OpenInvoice], settings: Settings) -> dict[str, Any]:
    """The names that a template may use."""
    _ = language_of(addressee, settings)
    return {
        "_": _,
        "plural": _.plural,
        "letter": letter,
        "isp": settings.isp,
        "customer": one_line(addressee.name),
        "contract": addressee.contract_number,
        "rows": [(i.number, unbroken(_.date(i.due_on)), total(_, [i], settings.isp)) for i in invoices],
        "total": total(_, invoices, settings.isp),
        "order": payment_order(addressee, invoices, settings.isp),
        "contacts": _contacts(_, settings.isp),
    }


def debt(invoices: Sequence[OpenInvoice]) -> Money:
    return Money.total(invoice.open for invoice in invoices)


def total(_: Translator, invoices: Sequence[OpenInvoice], isp: Isp) -> str:
    """What is open of them together, as people read it."""
    return _.money(debt(invoices).minor, isp.currency)


def portal_button(_: Translator, isp: Isp) -> Link | None:
    return Link(_("Open the customer portal"), isp.portal_url, isp.portal_url) if isp.portal_url else None


def unbroken(text: str) -> str:
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def _contacts(_: Translator, isp: Isp) -> tuple[Link, ...]:
    phone = Link(_("Phone"), unbroken(isp.phone), "tel:" + "".join(isp.phone.split()))
    email = Link(_("E-mail"), isp.email, f"mailto:{isp.email}")
    return tuple(link for link in (phone, email) if link.text)
