"""Payments that wait for a person, and whose they may be."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.money import Money
from billing.payments.tables import Payment


@dataclass(frozen=True, slots=True)
class WaitingPayment:
    """A payment that a person must assign."""

    id: int
    booked_on: date
    amount: Money
    account: str
    counter_account: str
    variable_symbol: str
    specific_symbol: str
    message: str
    why: str


async def unmatched(session: AsyncSession) -> list[WaitingPayment]:
    """The payments that wait for a person, the oldest first."""
    rows = await session.execute(
        select(
            Payment.id,
            Payment.booked_on,
            Payment.amount,
            Payment.account,
            Payment.counter_account,
            Payment.variable_symbol,
            Payment.specific_symbol,
            Payment.message,
            Payment.why,
        )
        .where(Payment.state == "waiting")
        .order_by(Payment.booked_on, Payment.id)
    )
    return [WaitingPayment(*row) for row in rows]
