"""Payments that no entry of the journal tells of.

A payment and its entry are written in one transaction. Where the entry is missing, entries were cut off at the
journal's end, where a chain shows no gap; or somebody wrote the payment past Hradlo.
"""

import json

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.payments import ledger
from billing.payments.importing import ACTOR
from billing.payments.tables import Payment
from billing.store.tables import JournalEntry
from config.errors import Problem

ARRIVED = ("payment.matched", "payment.waiting", "payment.recorded")
"""Each payment has one of these, from when it came …"""
IGNORED = "payment.ignored"
"""… or this one, if it was the import that ignored it; a person ignores what waited before."""
_ROWS_AT_ONCE = 1000
_TELLS = JournalEntry.action.in_(ARRIVED) | ((JournalEntry.action == IGNORED) & (JournalEntry.actor == ACTOR))
_CAME = Payment.account != ledger.OPENING  # credit from before Hradlo came by a file, which the journal tells of


async def verify(session: AsyncSession) -> list[Problem]:
    """The first payment that no entry tells of; empty when all have theirs."""
    told = select(func.count()).select_from(JournalEntry).where(_TELLS)
    came = select(func.count()).select_from(Payment).where(_CAME)
    if await session.scalar(told) == await session.scalar(came):
        return []
    known = set()
    details = select(JournalEntry.detail).where(_TELLS)
    async for detail in await session.stream_scalars(details.execution_options(yield_per=_ROWS_AT_ONCE)):
        known.add(json.loads(detail)["payment_id"])
    payments = select(Payment.id, Payment.amount, Payment.booked_on).where(_CAME).order_by(Payment.id)
    async for payment_id, amount, on in await session.stream(payments.execution_options(yield_per=_ROWS_AT_ONCE)):
        if payment_id not in known:
            words = "no journal row tells of it: rows were cut off, or somebody made it outside Hradlo"
            return [Problem(f"payment {payment_id} of {amount} on {on}", words)]
    return []
