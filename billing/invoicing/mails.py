"""The mails about invoices, credit notes and payments.

A billing run announces a hundred thousand documents in its own transactions, so `announce` writes short rows: whom,
and which document. What such a mail says is composed from the document when its turn comes to be sent (`compose`),
in the customer's language and with what is still open at that moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.mail_address import one_line, sendable
from billing.customers.tables import Contract, Customer
from billing.importing import in_chunks
from billing.invoicing.documents.document import Document
from billing.invoicing.tables import Invoice
from billing.letters.layout import LaidOut, draft, lay_out
from billing.letters.letter import Addressee, Letter, language_of, portal_button, unbroken
from billing.money import ZERO, Money
from billing.payments.tables import Payment
from billing.store import outbox
from billing.store.outbox import Draft
from config.i18n import Translator, translator
from config.settings import Settings


@dataclass(frozen=True, slots=True)
class _ToPay:
    """What is still open of an invoice, as a letter shows it."""

    number: str
    due_on: date
    open: Money


async def announce(session: AsyncSession, invoice_ids: Sequence[int], *, settings: Settings, now: datetime) -> int:
    """Writes a mail for each issued document whose customer has an address; returns how many were new.

    Call it in the transaction that issues them. What another program issued has no document here, and no mail.
    """
    count = 0
    domain = outbox.sender_domain(settings.mail.sender)
    for ids in in_chunks(invoice_ids):
        rows = (await session.execute(_issued().where(Invoice.id.in_(ids)).order_by(Invoice.id))).all()
        drafts = [written for row in rows if (written := _announcement(row, settings))]
        count += await outbox.put(session, drafts, now, domain=domain)
    return count


async def compose(session: AsyncSession, document: Document, settings: Settings) -> LaidOut:
    """What the mail that encloses a document says now."""
    row = (await session.execute(_issued().where(Invoice.number == document.number))).one()
    addressee = _addressee(row, settings)
    if document.kind == "credit_note":
        return lay_out("credit_note", credit_note(document, addressee, settings), addressee, (), settings)
    to_pay = (_ToPay(document.number, document.due_on, row.open),) if row.open > ZERO else ()
    return lay_out("invoice", invoice(document, row.open, addressee, settings), addressee, to_pay, settings)


async def thank(session: AsyncSession, payment_ids: Sequence[int], *, settings: Settings, now: datetime) -> int:
    """Writes a mail for each matched payment, when the ISP wants that (`mail.payment_received`)."""
    if not settings.mail.payment_received:
        return 0
    count = 0
    domain = outbox.sender_domain(settings.mail.sender)
    query = (
        select(Payment, Contract.id, Contract.number, Customer)
        .join(Contract, Contract.id == Payment.contract_id)
        .join(Customer, Customer.id == Contract.customer_id)
        .where(Payment.state == "matched")
        .order_by(Payment.id)
    )
    for ids in in_chunks(payment_ids):
        rows = (await session.execute(query.where(Payment.id.in_(ids)))).all()
        drafts = [
            payment_received(
                Addressee(contract_id, number, customer.name, customer.email, customer.language),
                payment_id=payment.id,
                amount=payment.amount,
                booked_on=payment.booked_on,
                settings=settings,
            )
            for payment, contract_id, number, customer in rows
        ]
        count += await outbox.put(session, [each for each in drafts if each], now, domain=domain)
    return count


def invoice(document: Document, open_amount: Money, addressee: Addressee, settings: Settings) -> Letter:
    """An invoice was issued; `open_amount`: what is left to pay of it."""
    _ = language_of(addressee, settings)
    if open_amount <= ZERO:
        rest = _("It is paid already, so nothing is left to pay. Thank you!")
    elif open_amount < document.total:
        amount = _.money(open_amount.minor, document.currency)
        rest = _("A part of it is paid already; {amount} is left to pay.", amount=amount)
    else:
        rest = _("Please pay it by {day}.", day=unbroken(_.date(document.due_on)))
    return Letter(
        tone="good" if open_amount <= ZERO else "calm",
        subject=_subject(_, document.kind, document.number, document.total, document.currency),
        title=_("Your invoice {number}", number=document.number),
        lead=(
            _(
                "Here is your invoice for {amount}, contract {contract}. It is attached as a PDF, and as ISDOC for "
                "accounting programs.",
                amount=_.money(document.total.minor, document.currency),
                contract=addressee.contract_number,
            ),
            rest,
        ),
        asks_to_pay=_("What to pay, and how") if open_amount > ZERO else "",
        button=portal_button(_, settings.isp),
    )


def credit_note(document: Document, addressee: Addressee, settings: Settings) -> Letter:
    """A credit note was issued."""
    _ = language_of(addressee, settings)
    amount = _.money(-document.total.minor, document.currency)
    return Letter(
        tone="good",
        subject=_subject(_, document.kind, document.number, document.total, document.currency),
        title=_("Credit note {number}", number=document.number),
        lead=(
            _(
                "We have corrected invoice {invoice} of contract {contract} by {amount} in your favour. The credit "
                "note is attached as a PDF, and as ISDOC for accounting programs.",
                invoice=document.corrects_number,
                contract=addressee.contract_number,
                amount=amount,
            ),
            *([_("The reason: {why}", why=one_line(document.why))] if document.why else []),
            _("You owe us that much less. What is left of it pays your next invoices."),
        ),
        button=portal_button(_, settings.isp),
    )


def payment_received(
    addressee: Addressee, *, payment_id: int, amount: Money, booked_on: date, settings: Settings
) -> Draft | None:
    """A payment arrived and is matched."""
    _ = language_of(addressee, settings)
    letter = Letter(
        tone="good",
        subject=_("We have received your payment of {amount}", amount=_.money(amount.minor, settings.isp.currency)),
        title=_("Your payment has arrived"),
        lead=(
            _(
                "On {day} we received {amount} for contract {contract}. Thank you!",
                day=unbroken(_.date(booked_on)),
                amount=_.money(amount.minor, settings.isp.currency),
                contract=addressee.contract_number,
            ),
        ),
        button=portal_button(_, settings.isp),
    )
    return draft("payment_received", f"payment:{payment_id}:received", letter, addressee, (), settings)


def _issued() -> Select[int, str, str, Money, Money, int, str, str, str, str]:
    """Issued documents with whom they are for."""
    return (
        select(
            Invoice.id,
            Invoice.number,
            Invoice.kind,
            Invoice.total,
            Invoice.open,
            Invoice.contract_id,
            Contract.number.label("contract_number"),
            Customer.name,
            Customer.email,
            Customer.language,
        )
        .join(Contract, Contract.id == Invoice.contract_id)
        .join(Customer, Customer.id == Contract.customer_id)
        .where(Invoice.series_id.is_not(None))
    )


_Issued = Row[int, str, str, Money, Money, int, str, str, str, str]


def _addressee(row: _Issued, settings: Settings) -> Addressee:
    return Addressee(row.contract_id, row.contract_number, row.name, row.email, row.language or settings.isp.language)


def _announcement(row: _Issued, settings: Settings) -> Draft | None:
    recipient = sendable(row.email)
    if recipient is None:
        return None
    _ = translator(row.language or settings.isp.language)
    return Draft(
        dedup_key=f"{row.kind}:{row.number}:issued",
        contract_id=row.contract_id,
        kind=row.kind,
        recipient=recipient,
        subject=one_line(_subject(_, row.kind, row.number, row.total, settings.isp.currency)),
        text="",
        html="",
        attaches=row.number,
    )


def _subject(_: Translator, kind: str, number: str, total: Money, currency: str) -> str:
    if kind == "credit_note":
        return _("Credit note {number}: {amount}", number=number, amount=_.money(-total.minor, currency))
    return _("Invoice {number}: {amount}", number=number, amount=_.money(total.minor, currency))
