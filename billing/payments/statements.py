"""Whether the statements of an account follow each other: the old balance of each is the new one of that before.

Where it is not, a statement in between was never imported, and payments with it. That is a warning, not an error:
the missing one may still come, and filling the gap ends the warning.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.money import Money
from billing.payments.banks.account import same_account
from billing.payments.tables import BankStatement


@dataclass(frozen=True, slots=True)
class Balances:
    """A statement as a link of the chain."""

    account: str
    number: str
    opened_on: date | None
    closed_on: date
    old: Money
    new: Money

    @property
    def begins_on(self) -> date:
        return self.opened_on or self.closed_on


def gaps(statements: Iterable[Balances]) -> Iterator[tuple[Balances, Balances]]:
    """Of one account: where a statement begins with a balance that none before it ended with.

    The first ones have nothing before them, and one that begins within another (downloads overlap) is asked nothing.
    Several may end on one day, and banks date the old balance by that day or by the end of the one before.
    """
    ordered = sorted(statements, key=lambda each: each.begins_on)
    ends: dict[date, list[Balances]] = defaultdict(list)
    for each in ordered:
        ends[each.closed_on].append(each)
    days = sorted(ends)
    covered_until: date | None = None
    for begins_on, group in groupby(ordered, key=lambda each: each.begins_on):
        beginning = list(group)
        if covered_until is not None and covered_until <= begins_on:
            near = days[bisect_left(days, begins_on) - 1 : bisect_right(days, begins_on)]
            yield from _unlinked(beginning, [each for day in near for each in ends[day]])
        covered_until = max(covered_until or date.min, *(each.closed_on for each in beginning))


def _unlinked(beginning: Iterable[Balances], before: Sequence[Balances]) -> Iterator[tuple[Balances, Balances]]:
    for each in beginning:
        others = [other for other in before if other is not each]
        if others and all(other.new != each.old for other in others):
            yield others[0], each


async def missing_statements(
    session: AsyncSession, accounts: Collection[str] = (), since_on: date = date.min
) -> list[str]:
    """Each gap in words; of these accounts, or of all; of all times, or those that ended since a day."""
    rows = await session.execute(
        select(
            BankStatement.account,
            BankStatement.number,
            BankStatement.opened_on,
            BankStatement.closed_on,
            BankStatement.old_balance,
            BankStatement.new_balance,
        )
        .where(BankStatement.has_balances.is_(True))
        .order_by(BankStatement.account, BankStatement.id)
    )
    of_accounts: dict[str, list[Balances]] = {}
    for written, of_account in groupby((Balances(*row) for row in rows), key=lambda each: each.account):
        # Formats write one account differently: with its bank's code and without.
        name = next((known for known in of_accounts if same_account(known, written)), written)
        of_accounts.setdefault(name, []).extend(of_account)
    wanted = [
        chain
        for name, chain in of_accounts.items()
        if not accounts or any(same_account(name, account) for account in accounts)
    ]
    return [_words(*gap) for chain in wanted for gap in gaps(chain) if gap[1].begins_on >= since_on]


def _words(earlier: Balances, later: Balances) -> str:
    return (
        f"account {later.account}: between {earlier.closed_on} ({earlier.new}) and {later.begins_on} ({later.old}) "
        f"movements of {later.old - earlier.new} are missing"
    )
