"""The four mails of dunning, as drafts for the outbox. Pure: the caller stores them with their cause.

Each function composes one `Letter`, sentence by sentence, in the customer's language. Who has no address that a
mail can be sent to gets None.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from billing.letters.layout import draft
from billing.letters.letter import (
    Addressee,
    Letter,
    Link,
    OpenInvoice,
    debt,
    language_of,
    portal_button,
    total,
    unbroken,
)
from billing.store.outbox import Draft
from config.days import day_of
from config.i18n import Translator
from config.settings import Settings


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
    _ = language_of(addressee, settings)
    is_enough = debt(invoices).minor >= settings.dunning.minimum_debt_minor
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
        subject=_("Payment reminder: {amount} overdue", amount=total(_, invoices, settings.isp)),
        title=_("A friendly reminder"),
        lead=(_overdue_count(_, addressee, len(invoices)), _("Perhaps it just slipped your mind.")),
        asks_to_pay=_("What to pay, and how"),
        what_next=tuple(filter(None, what_next)),
        button=portal_button(_, settings.isp),
    )
    key = f"reminder:{addressee.contract_id}:{anchor_invoice_id}:{after_days}"
    return draft("reminder", key, letter, addressee, invoices, settings)


def notice(
    addressee: Addressee,
    invoices: Sequence[OpenInvoice],
    *,
    settings: Settings,
    notice_id: int,
    suspend_at: datetime | None = None,
) -> Draft | None:
    """The notice that nobody acknowledged in the browser; `suspend_at`: when that alone leads to suspension."""
    _ = language_of(addressee, settings)
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
        subject=_("Important notice: please pay {amount}", amount=total(_, invoices, settings.isp)),
        title=_("An important notice about your connection"),
        lead=(
            _overdue_count(_, addressee, len(invoices)),
            _("We have been showing you this notice in your web browser, but it has not been confirmed yet."),
        ),
        asks_to_pay=_("What to pay, and how"),
        what_next=tuple(filter(None, what_next)),
        button=Link(_("Read the notice"), settings.notice.url, settings.notice.url),
    )
    return draft("notice", f"notice:{notice_id}", letter, addressee, invoices, settings)


def suspended(
    addressee: Addressee, invoices: Sequence[OpenInvoice], *, settings: Settings, since_at: datetime
) -> Draft | None:
    """The line was suspended at `since_at`, and how it comes back."""
    _ = language_of(addressee, settings)
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
        button=portal_button(_, settings.isp),
    )
    key = f"suspended:{addressee.contract_id}:{since_at.astimezone(UTC).isoformat()}"
    return draft("suspended", key, letter, addressee, invoices, settings)


def restored(
    addressee: Addressee,
    invoices: Sequence[OpenInvoice],
    *,
    settings: Settings,
    since_at: datetime,
    promise_until_on: date | None = None,
) -> Draft | None:
    """The line works again since `since_at`; `invoices`: what is overdue all the same, if anything."""
    _ = language_of(addressee, settings)
    back = _(
        "On {day} we restored the internet connection of contract {contract}.",
        day=_day(_, since_at, settings),
        contract=addressee.contract_number,
    )
    if not invoices:
        rest = _("Nothing is overdue any more. Thank you!")
    elif promise_until_on:
        rest = _("As agreed, we will wait for the rest until {day}.", day=unbroken(_.date(promise_until_on)))
    else:
        rest = _("{amount} is still left to pay.", amount=total(_, invoices, settings.isp))
    letter = Letter(
        tone="good",
        subject=_("Your internet connection is working again"),
        title=_("You are connected again"),
        lead=(back, rest),
        asks_to_pay=_("What is left to pay, and how") if invoices else "",
        what_next=(_("Should anything not work, switch your router off and on again, or let us know."),),
    )
    key = f"restored:{addressee.contract_id}:{since_at.astimezone(UTC).isoformat()}"
    return draft("restored", key, letter, addressee, invoices, settings)


def _overdue_count(_: Translator, addressee: Addressee, n: int) -> str:
    return _.plural(
        "We have not yet received payment for {n} invoice of contract {contract}, which is past its due date.",
        "We have not yet received payment for {n} invoices of contract {contract}, which are past their due date.",
        n,
        contract=addressee.contract_number,
    )


def _day(_: Translator, at: datetime, settings: Settings) -> str:
    return unbroken(_.date(day_of(at, settings.zone)))
