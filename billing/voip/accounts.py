"""The credit of numbers as the database and the ledger keep it: charged, given back, and always in balance.

Whoever changes a balance has locked its row before reading it (SQLite: the whole file), and the database refuses one
below what calls reserve. With it, in the same transaction, goes a
fact of the ledger: `voip` of the contract is what the ISP still owes in calls, `voip_prepaid` its counterpart (what
was invoiced and not called yet). The ledger counts whole minor units, so it has each number's balance rounded up; a
fact moves it from the old rounding to the new one, and the roundings never add up to anything.
"""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.payments import ledger
from billing.voip.credit import PER_MINOR, Credit
from billing.voip.tables import VoipNumber
from config.days import day_of
from config.errors import NotAllowed, NotFound
from config.settings import Settings


@dataclass(frozen=True, slots=True)
class BalanceChange:
    """A number's balance before and after."""

    number_id: int
    contract_id: int
    before: Credit
    after: Credit


def fact(change: BalanceChange, key: str, kind: str, on: date) -> ledger.MoneyFact:
    """What it means for the ledger; nothing when the rounded balance is the same."""
    more = change.after.in_money() - change.before.in_money()
    sides = (ledger.Side(ledger.VOIP, -more, change.contract_id), ledger.Side(ledger.VOIP_PREPAID, more))
    return ledger.MoneyFact(key, kind, on, sides)


async def add(
    session: AsyncSession, number: VoipNumber, amount: Credit, *, key: str, settings: Settings, now: datetime
) -> None:
    """Gives credit to a `locked` number, or takes it (negative), and posts that under the key.

    Raises `NotAllowed` when less is free than shall be taken.
    """
    if number.balance + amount < number.reserved:
        raise NotAllowed(
            f"{number.number} has {number.balance - number.reserved} of free credit, {-amount} can't be taken.",
            "Calls that are going on keep what they reserved.",
        )
    after = number.balance + amount
    given = update(VoipNumber).where(VoipNumber.id == number.id)
    is_low = after < Credit(settings.voip.low_credit_minor * PER_MINOR)
    kept = {} if is_low else {"low_since_at": None}
    await session.execute(given.values(balance=after, **kept).execution_options(synchronize_session=False))
    change = BalanceChange(number.id, number.contract_id, number.balance, after)
    await ledger.post_many(session, [fact(change, key, "voip", day_of(now, settings.zone))], now)


async def locked(session: AsyncSession, number_id: int) -> VoipNumber:
    """The number's row, which nobody else changes until the transaction ends; raises `NotFound`."""
    query = select(VoipNumber).where(VoipNumber.id == number_id).with_for_update()
    found = await session.scalar(query.execution_options(populate_existing=True))
    if found is None:
        raise NotFound(f"There is no telephone number with the id {number_id}.")
    return found
