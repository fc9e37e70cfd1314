"""How much is known of what was paid: how old the last statement is, what is missing, which days are too thin.

A bank import that fails looks like "nobody paid". So whoever restricts lines asks here first.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning.workdays import is_working_day
from billing.payments.banks.account import same_account
from billing.payments.statements import missing_statements
from billing.payments.tables import BankStatement, Payment
from config.counting import counted

LOOKED_BACK_DAYS = 31
"""An account without a statement for so long is not in use any more, and a gap so old will not be filled."""
LONG_AGO_DAYS = 100
"""Older than that needs no exact figure."""
WEEKS_COMPARED = 8
WEEKS_COMPARED_MIN = 4
PAYMENTS_MEDIAN_MIN = 10
"""Below that a day with few payments is chance."""
DAYS_ASKED = 7


@dataclass(frozen=True, slots=True)
class BankNews:
    """What the bank's statements cover."""

    age_days: int | None
    """Working days that have passed since the last one, today not counted; None = there is none."""
    gaps: tuple[str, ...] = ()
    thin: tuple[str, ...] = ()


def age_days(covered_until_on: date, today: date, country: str) -> int:
    """Whole working days that no statement covers; today is not over."""
    passed = min((today - covered_until_on).days, LONG_AGO_DAYS)
    return sum(is_working_day(today - timedelta(days=back), country) for back in range(1, passed))


def thin_days(counts: Mapping[date, int], until_on: date, country: str, percent_min: int) -> list[str]:
    """Working days up to `until_on` with far fewer payments than that weekday mostly has, in words."""
    found = []
    for back in range(DAYS_ASKED):
        day = until_on - timedelta(days=back)
        usual = [
            counts[earlier]
            for week in range(1, WEEKS_COMPARED + 1)
            if (earlier := day - timedelta(weeks=week)) in counts and is_working_day(earlier, country)
        ]
        if not is_working_day(day, country) or len(usual) < WEEKS_COMPARED_MIN:
            continue
        middle, came = median(usual), counts.get(day, 0)
        if middle >= PAYMENTS_MEDIAN_MIN and came * 100 < middle * percent_min:
            found.append(
                f"on {day} there came {counted(came, 'payment')}; on that weekday there are mostly {middle:.0f}"
            )
    return found


async def bank_news(
    session: AsyncSession, *, accounts: Collection[str], country: str, today: date, thin_percent: int
) -> BankNews:
    """What is known on a day; of these accounts, or of all that had a statement lately."""
    ends = await _last_days(session, accounts, today)
    if not ends:
        return BankNews(None)
    until_on = min(*ends.values(), today - timedelta(days=1))
    counts = await _counts(session, until_on)
    return BankNews(
        age_days(min(ends.values()), today, country),
        tuple(await missing_statements(session, since_on=today - timedelta(days=LOOKED_BACK_DAYS))),
        tuple(thin_days(counts, until_on, country, thin_percent)),
    )


async def newest_statement_id(session: AsyncSession) -> int:
    """Changes whenever a new statement was imported."""
    return await session.scalar(select(func.max(BankStatement.id))) or 0


async def _last_days(session: AsyncSession, accounts: Collection[str], today: date) -> dict[str, date]:
    """The last day that is covered, of each account; no day to come counts."""
    query = select(BankStatement.account, func.max(BankStatement.closed_on)).group_by(BankStatement.account)
    found: dict[str, date] = {}
    for written, closed_on in await session.execute(query):
        name = next((known for known in (*accounts, *found) if same_account(known, written)), written)
        found[name] = max(found.get(name, date.min), min(closed_on, today))
    if not found:
        return {}
    if accounts:  # one that never had a statement is as blind as one that has none any more
        return {name: found.get(name, today - timedelta(days=LONG_AGO_DAYS)) for name in accounts}
    newest = max(found.values())
    return {name: day for name, day in found.items() if (newest - day).days <= LOOKED_BACK_DAYS}


async def _counts(session: AsyncSession, until_on: date) -> dict[date, int]:
    since_on = until_on - timedelta(weeks=WEEKS_COMPARED, days=DAYS_ASKED)
    query = (
        select(Payment.booked_on, func.count())
        .where(Payment.booked_on.between(since_on, until_on), Payment.statement_id.is_not(None))
        .group_by(Payment.booked_on)
    )
    return dict(iter((await session.execute(query)).all()))
