"""Topping up by a coupon: credit at once, an invoice for it, and never more in a month than the cap.

    confirm ─► key known? ─► cap of the month (conditional UPDATE) ─► invoice ─► credit ─► ledger, journal, mail

All of it in the caller's one transaction. The key is made by the browser with the form, so a double click, a reload
or a second try after a lost answer finds what the first one did. A coupon is a single-purpose voucher: its VAT is
that of the day it is sold, and later calls have none.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract, Customer
from billing.dunning.facts import Stage
from billing.dunning.tables import Standing
from billing.invoicing import mails, vat
from billing.invoicing.drafting import Item, draft
from billing.invoicing.issuing import issue
from billing.invoicing.tables import Invoice
from billing.money import ZERO, Money
from billing.payments.operations import use_credit
from billing.services.tables import Product
from billing.store import journal
from billing.voip import accounts, months
from billing.voip.credit import Credit
from billing.voip.numbers import shown
from billing.voip.tables import VoipMonth, VoipNumber, VoipTopUp
from config.days import day_of
from config.errors import NotAllowed
from config.i18n import translator
from config.settings import Settings

PRODUCT = "VoIP credit"
"""The product that coupons are sold as; its VAT category can be set like any other's."""
KEY_LENGTH_MIN, KEY_LENGTH_MAX = 16, 64


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a number may still top up by itself in a month."""

    month: str
    """Like 2026-11."""
    cap: Money
    topped_up: Money

    @property
    def left(self) -> Money:
        return max(self.cap - self.topped_up, ZERO)


@dataclass(frozen=True, slots=True)
class TopUp:
    """Credit that was bought."""

    amount: Money
    invoice_number: str
    at: datetime
    is_new: bool
    """False when this key had been confirmed before; nothing happened then."""


class CapReached(NotAllowed):
    """The month's cap does not allow so much."""

    def __init__(self, allowance: Allowance, amount: Money) -> None:
        super().__init__(
            f"{amount} is more than the {allowance.left} that are left of {allowance.cap} in {allowance.month}.",
            "Raise it for this month: hradlo voip allow NUMBER AMOUNT.",
        )
        self.allowance = allowance


async def top_up(
    session: AsyncSession, number_id: int, amount: Money, *, key: str, settings: Settings, actor: str, now: datetime
) -> TopUp:
    """Tops up a number, once for each key; see the module.

    Raises `CapReached`, and `NotAllowed` for an amount that is no coupon, a number that is not active, a contract
    that is suspended, or a key that was used for something else.
    """
    await journal.lock(session)
    before = await known(session, number_id, amount, key)
    if before is not None:
        return before
    await _refuse(session, number_id, amount, key, settings)
    month = months.of(now, settings.zone)
    await _count(session, number_id, amount, month, settings)
    number = await accounts.locked(session, number_id)
    invoice_id, invoice_number = await _invoice(session, number, amount, settings, actor, now)
    row = {"key": key, "number_id": number_id, "amount": amount, "month": month, "invoice_id": invoice_id}
    await session.execute(insert(VoipTopUp).values(**row, at=now, actor=actor))
    await accounts.add(session, number, Credit.of(amount), key=f"voip:top_up:{key}", settings=settings, now=now)
    detail = {"number": number.number, "amount": amount, "invoice": invoice_number}
    await journal.append(
        session, at=now, actor=actor, action="voip.topped_up", contract_id=number.contract_id, detail=detail
    )
    await use_credit(session, {number.contract_id}, day_of(now, settings.zone), now)
    await mails.announce(session, [invoice_id], settings=settings, now=now)
    return TopUp(amount, invoice_number, now, is_new=True)


async def allowance(session: AsyncSession, number_id: int, settings: Settings, now: datetime) -> Allowance:
    """What the number may still top up this month."""
    month = months.of(now, settings.zone)
    row = await session.get(VoipMonth, (number_id, month), populate_existing=True)
    raised_by, topped_up = (row.raised_by, row.topped_up) if row else (ZERO, ZERO)
    return Allowance(month, Money(settings.voip.monthly_cap_minor) + raised_by, topped_up)


async def allow(
    session: AsyncSession, number: VoipNumber, amount: Money, *, month: str, why: str, actor: str, now: datetime
) -> None:
    """Lets a number top up `amount` above the cap in one month; said again, it is the new amount that counts."""
    if amount < ZERO:
        raise NotAllowed(f"{amount} can't be allowed above the cap.", "Use 0.00 to take it back.")
    await journal.lock(session)
    await _ensure_month(session, number.id, month)
    changed = update(VoipMonth).where(VoipMonth.number_id == number.id, VoipMonth.month == month)
    await session.execute(changed.values(raised_by=amount))
    detail = {"number": number.number, "amount": amount, "month": month}
    await journal.append(
        session, at=now, actor=actor, action="voip.allowed", contract_id=number.contract_id, detail=detail, why=why
    )


async def top_ups(session: AsyncSession, number_id: int) -> list[TopUp]:
    """Every top-up of a number, the newest first."""
    query = select(VoipTopUp.amount, Invoice.number, VoipTopUp.at).join(Invoice, Invoice.id == VoipTopUp.invoice_id)
    rows = await session.execute(query.where(VoipTopUp.number_id == number_id).order_by(VoipTopUp.id.desc()))
    return [TopUp(amount, number, at, is_new=False) for amount, number, at in rows]


async def known(session: AsyncSession, number_id: int, amount: Money, key: str) -> TopUp | None:
    """What this key did already; raises `NotAllowed` when that was something else."""
    query = select(VoipTopUp, Invoice.number).join(Invoice, Invoice.id == VoipTopUp.invoice_id)
    row = (await session.execute(query.where(VoipTopUp.key == key))).one_or_none()
    if row is None:
        return None
    done, invoice_number = row
    if (done.number_id, done.amount) != (number_id, amount):
        raise NotAllowed("This confirmation was used for another top-up.", "Choose the coupon again.")
    return TopUp(done.amount, invoice_number, done.at, is_new=False)


async def _refuse(session: AsyncSession, number_id: int, amount: Money, key: str, settings: Settings) -> None:
    if not KEY_LENGTH_MIN <= len(key) <= KEY_LENGTH_MAX:
        raise NotAllowed(f"A key has {KEY_LENGTH_MIN} to {KEY_LENGTH_MAX} characters.")
    if amount.minor not in settings.voip.coupons_minor:
        coupons = ", ".join(str(Money(minor)) for minor in settings.voip.coupons_minor)
        raise NotAllowed(f"{amount} is no coupon.", f"Choose one of {coupons}.")
    number = await accounts.locked(session, number_id)
    if number.state != "active":
        raise NotAllowed(f"{number.number} is {number.state}.", "Only an active number can be topped up.")
    if await is_suspended(session, number.contract_id):
        raise NotAllowed("The contract is suspended.", "What is overdue must be paid first.")


async def is_suspended(session: AsyncSession, contract_id: int) -> bool:
    """Whether dunning has suspended the contract: then nothing more is sold on invoice, and no paid call passes."""
    stage = await session.scalar(select(Standing.stage).where(Standing.contract_id == contract_id))
    return stage == Stage.SUSPENDED.value


async def _count(session: AsyncSession, number_id: int, amount: Money, month: str, settings: Settings) -> None:
    """Counts the amount for the month, in the one statement that also holds it to the cap."""
    await _ensure_month(session, number_id, month)
    cap = Money(settings.voip.monthly_cap_minor)
    more = VoipMonth.topped_up + amount
    counted = (
        update(VoipMonth)
        .where(VoipMonth.number_id == number_id, VoipMonth.month == month, more <= VoipMonth.raised_by + cap)
        .values(topped_up=more, cap=VoipMonth.raised_by + cap)
        .returning(VoipMonth.topped_up)
    )
    if (await session.execute(counted)).one_or_none() is None:
        row = await session.get_one(VoipMonth, (number_id, month), populate_existing=True)
        raise CapReached(Allowance(month, cap + row.raised_by, row.topped_up), amount)


async def _ensure_month(session: AsyncSession, number_id: int, month: str) -> None:
    # under the journal's lock: nobody else makes it meanwhile
    if await session.get(VoipMonth, (number_id, month)) is None:
        session.add(VoipMonth(number_id=number_id, month=month))
        await session.flush()


async def _invoice(
    session: AsyncSession, number: VoipNumber, amount: Money, settings: Settings, actor: str, now: datetime
) -> tuple[int, str]:
    """Issues the coupon's invoice; its id and number."""
    issued_on = day_of(now, settings.zone)
    product = await _product(session)
    language = await session.scalar(
        select(Customer.language)
        .join(Contract, Contract.customer_id == Customer.id)
        .where(Contract.id == number.contract_id)
    )
    _ = translator(language or settings.isp.language)
    item = Item(
        text=_("Telephone credit for {number}", number=shown(number.number, settings.isp.country)),
        product_id=product.id,
        vat_category=product.vat_category,
        quantity=1,
        unit_price=amount,
    )
    made = draft(number.contract_id, [item], vat.rates_on(issued_on, settings))
    assert made is not None  # a coupon is never for nothing
    issued = await issue(session, [made], settings, issued_on=issued_on, actor=actor, now=now)
    return issued[0].id, issued[0].number


async def _product(session: AsyncSession) -> Product:
    query = select(Product).where(Product.kind == "voip", Product.name == PRODUCT)
    found = await session.scalar(query)
    if found is None:
        session.add(Product(kind="voip", name=PRODUCT))
        await session.flush()
        found = (await session.scalars(query)).one()
    return found
