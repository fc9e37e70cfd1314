"""An extension that a customer may take alone: a promise within the limits that the ISP sets.

It is a `Promise` like any other; what makes it an extension is who made it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract
from billing.dunning.operations import promise
from billing.dunning.tables import Promise
from billing.money import Money
from billing.store import journal
from config.errors import NotAllowed
from config.i18n import N_
from config.settings import Portal

MADE_BY = "customer"
COUNTED_WITHIN = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Extension:
    """What a customer may take now; `refused_why` (a message id) says why not."""

    until_on: date
    refused_why: str = ""

    @property
    def is_allowed(self) -> bool:
        return not self.refused_why


def extension(limits: Portal, debt: Money, taken: int, is_running: bool, today: date) -> Extension:
    """The rule, pure: off by default, not on top of another promise, not too often, not for too much."""
    until_on = today + timedelta(days=limits.extension_days)
    if limits.extension_days == 0:
        return Extension(until_on, N_("Please call us if you can't pay just now; we will find a way."))
    if is_running:
        return Extension(until_on, N_("An agreement is running already."))
    if taken >= limits.extensions_per_year:
        return Extension(until_on, N_("You have used all extensions of the last twelve months. Please call us."))
    if debt.minor > int(limits.extension_debt_max * 100):
        return Extension(until_on, N_("The amount is too high for an extension here. Please call us."))
    return Extension(until_on)


async def extensions_for(
    session: AsyncSession, debts: Mapping[str, Money], limits: Portal, today: date, now: datetime
) -> dict[str, Extension]:
    """What the customers of some contracts (number -> overdue debt) may take now."""
    mine, recent = Promise.made_by == MADE_BY, Promise.made_at > now - COUNTED_WITHIN
    running = Promise.released_at.is_(None) & (Promise.until_on >= today)
    query = (
        select(Contract.number, _how_many(mine & recent), _how_many(running))
        .join(Promise, Promise.contract_id == Contract.id)
        .where(Contract.number.in_(debts))
        .group_by(Contract.number)
    )
    counted = {number: (taken, count) for number, taken, count in await session.execute(query)}
    found = {}
    for number, debt in debts.items():
        taken, count = counted.get(number, (0, 0))
        found[number] = extension(limits, debt, taken, count > 0, today)
    return found


def _how_many(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


async def extend(
    session: AsyncSession, contract_number: str, limits: Portal, debt: Money, today: date, now: datetime
) -> Extension:
    """Takes the extension, as a promise; raises `NotAllowed` when the limits say no."""
    await journal.lock(session)  # of two clicks at once, the second one sees the promise of the first
    found = (await extensions_for(session, {contract_number: debt}, limits, today, now))[contract_number]
    if not found.is_allowed or not debt:
        raise NotAllowed(found.refused_why or "Nothing is overdue.", "")
    why = "asked for in the portal"
    await promise(session, contract_number, until_on=found.until_on, actor=MADE_BY, why=why, today=today, now=now)
    return found
