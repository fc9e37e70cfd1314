"""An extension that a customer may take alone: a promise within the limits that the ISP sets.

It is a `Promise` like any other; what makes it an extension is who made it.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning.operations import contract_id_of, promise
from billing.dunning.tables import Promise
from billing.money import Money
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


async def extension_for(
    session: AsyncSession, contract_number: str, limits: Portal, debt: Money, today: date, now: datetime
) -> Extension:
    """What the customer of a contract may take now."""
    contract_id = await contract_id_of(session, contract_number)
    mine = (Promise.contract_id == contract_id) & (Promise.made_by == MADE_BY)
    recent = select(func.count()).select_from(Promise).where(mine, Promise.made_at > now - COUNTED_WITHIN)
    running = select(func.count()).select_from(Promise)
    running = running.where(
        Promise.contract_id == contract_id, Promise.released_at.is_(None), Promise.until_on >= today
    )
    taken, is_running = await session.scalar(recent) or 0, bool(await session.scalar(running))
    return extension(limits, debt, taken, is_running, today)


async def extend(
    session: AsyncSession, contract_number: str, limits: Portal, debt: Money, today: date, now: datetime
) -> Extension:
    """Takes the extension, as a promise; raises `NotAllowed` when the limits say no."""
    found = await extension_for(session, contract_number, limits, debt, today, now)
    if not found.is_allowed or not debt:
        raise NotAllowed(found.refused_why or "Nothing is overdue.", "")
    why = "asked for in the portal"
    await promise(session, contract_number, until_on=found.until_on, actor=MADE_BY, why=why, today=today, now=now)
    return found
