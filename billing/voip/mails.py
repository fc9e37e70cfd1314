"""The mails about telephone credit: it runs low, and what was called last month."""

from collections.abc import Collection, Sequence
from datetime import date, datetime

from sqlalchemy import Row, Select, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract, Customer
from billing.importing import in_chunks
from billing.letters.layout import draft
from billing.letters.letter import Addressee, Letter, language_of, portal_button, unbroken
from billing.store import outbox
from billing.store.outbox import Draft
from billing.voip.credit import PER_MINOR, Credit
from billing.voip.numbers import shown
from billing.voip.tables import VoipCall, VoipNumber
from config.i18n import Translator
from config.settings import Settings

CALLS_SHOWN_MAX = 300


async def warn_of_low_credit(
    session: AsyncSession, number_ids: Collection[int], settings: Settings, now: datetime
) -> int:
    """Writes a mail for each of these numbers whose credit has just fallen below the threshold; how many those were.

    A number remembers that it is low until credit is there again, so each dip is told once.
    """
    threshold = Credit(settings.voip.low_credit_minor * PER_MINOR)
    if not threshold:
        return 0
    fallen: list[int] = []
    for ids in in_chunks(sorted(number_ids)):
        is_news = VoipNumber.low_since_at.is_(None) & (VoipNumber.balance < threshold)
        told = update(VoipNumber).where(VoipNumber.id.in_(ids), is_news).values(low_since_at=now)
        rows = await session.scalars(told.returning(VoipNumber.id).execution_options(synchronize_session=False))
        fallen += rows
    count = 0
    for ids in in_chunks(sorted(fallen)):
        rows_of = (await session.execute(owners().where(VoipNumber.id.in_(ids)))).all()
        drafts = [low_credit(row, settings, now) for row in rows_of]
        count += await _put(session, drafts, settings, now)
    return count


def low_credit(row: "Owned", settings: Settings, now: datetime) -> Draft | None:
    """Credit has fallen below the threshold."""
    addressee = addressee_of(row, settings)
    _ = language_of(addressee, settings)
    number, currency = unbroken(shown(row.number, settings.isp.country)), settings.isp.currency
    left = _.money(row.balance.in_money().minor, currency)
    letter = Letter(
        tone="calm",
        subject=_("Low telephone credit: {amount} left", amount=left),
        title=_("Your telephone credit is running low"),
        lead=(
            _("The number {number} has {amount} of credit left.", number=number, amount=left),
            _("When it is used up, you can still be called, and you can call emergency and free numbers.")
            if row.balance
            else _("You can still be called, and you can call emergency and free numbers."),
        ),
        what_next=(_("You can top up at any time in the telephone zone; the credit is there at once."),),
        button=portal_button(_, settings.isp),
    )
    return draft("voip_low_credit", f"voip_low_credit:{row.id}:{now.isoformat()}", letter, addressee, (), settings)


async def put_statement(
    session: AsyncSession, row: "Owned", calls: Sequence[VoipCall], month_on: date, settings: Settings, now: datetime
) -> int:
    """Writes the mail of a month's calls, once for each number and month; `month_on` is its first day."""
    return await _put(session, [statement(row, calls, month_on, settings)], settings, now)


def statement(row: "Owned", calls: Sequence[VoipCall], month_on: date, settings: Settings) -> Draft | None:
    """The calls that were made in a month; the oldest first, as many as a mail can hold."""
    addressee = addressee_of(row, settings)
    _ = language_of(addressee, settings)
    total = _.price(Credit.total(call.charged for call in calls).e4, settings.isp.currency)
    month = _.month(month_on)
    rest = len(calls) - CALLS_SHOWN_MAX
    letter = Letter(
        tone="calm",
        subject=_("Telephone calls in {month}: {amount}", month=month, amount=total),
        title=_("Your calls in {month}", month=month),
        lead=(
            _(
                "This is what was called from the number {number}.",
                number=unbroken(shown(row.number, settings.isp.country)),
            ),
            _.plural("{n} call", "{n} calls", len(calls))
            + f", {duration(sum(call.billed_seconds for call in calls))}, {total}",
        ),
        columns=(_("When"), _("Number"), _("Duration"), _("Price")),
        rows=tuple(_call(_, call, settings) for call in calls[:CALLS_SHOWN_MAX]),
        what_next=(
            _.plural("{n} more call is in the telephone zone.", "{n} more calls are in the telephone zone.", rest),
        )
        if rest > 0
        else (),
        button=portal_button(_, settings.isp),
    )
    key = f"voip_statement:{row.id}:{month_on:%Y-%m}"
    return draft("voip_statement", key, letter, addressee, (), settings)


def _call(_: Translator, call: VoipCall, settings: Settings) -> tuple[str, ...]:
    return (
        _.datetime(call.started_at, settings.zone),
        shown(call.called, settings.isp.country),
        duration(call.billed_seconds),
        _.price(call.charged.e4, settings.isp.currency),
    )


def duration(seconds: int) -> str:
    """As a telephone shows it: 0:07, 12:34, 1:02:03."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


Owned = Row[int, str, Credit, int, str, str, str, str]
"""A number with its credit and whose it is, as `owners` reads them."""


def owners() -> Select[int, str, Credit, int, str, str, str, str]:
    """Numbers with whom their mails are for."""
    return (
        select(
            VoipNumber.id,
            VoipNumber.number,
            VoipNumber.balance,
            VoipNumber.contract_id,
            Contract.number.label("contract_number"),
            Customer.name,
            Customer.email,
            Customer.language,
        )
        .join(Contract, Contract.id == VoipNumber.contract_id)
        .join(Customer, Customer.id == Contract.customer_id)
        .order_by(VoipNumber.id)
    )


def addressee_of(row: Owned, settings: Settings) -> Addressee:
    return Addressee(row.contract_id, row.contract_number, row.name, row.email, row.language or settings.isp.language)


async def _put(session: AsyncSession, drafts: Sequence[Draft | None], settings: Settings, now: datetime) -> int:
    domain = outbox.sender_domain(settings.mail.sender)
    return await outbox.put(session, [each for each in drafts if each], now, domain=domain)
