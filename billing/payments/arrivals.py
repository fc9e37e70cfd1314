"""Payments and their returns as they arrive: which are new, which are known, and which look like one that came before.

Each is known by its account and the bank's reference. Whatever else its line says is compared: the same
reference with another amount means that one of the two statements is wrong, and nothing is imported.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.money import ZERO, Money
from billing.payments import open_items
from billing.payments.banks.account import same_account
from billing.payments.banks.statement import Statement, StatementLine, rejected
from billing.payments.tables import Payment, PaymentReturn
from config.errors import Problem

Kind = type[Payment] | type[PaymentReturn]
Key = tuple[str, str]
"""Account and the bank's reference."""
Identity = tuple[date, Money, str]
"""Day, amount, variable symbol: the same whenever a movement comes again."""
Likeness = tuple[date, Money, str, str]
"""Day, amount, variable and specific symbol: what two formats say alike about one movement."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A line that is to be stored, its amount positive, and where it came from."""

    account: str
    statement: int
    line: StatementLine

    @property
    def key(self) -> Key:
        return self.account, self.line.bank_ref

    @property
    def identity(self) -> Identity:
        return self.line.booked_on, self.line.amount, self.line.variable_symbol

    @property
    def likeness(self) -> Likeness:
        return *self.identity, self.line.specific_symbol

    @property
    def format(self) -> str:
        return _format(self.line.bank_ref)


def arrivals(statements: Sequence[Statement]) -> Iterator[Arrival]:
    """The credit lines of the statements."""
    for index, statement in enumerate(statements):
        for line in statement.lines:
            if line.amount > ZERO:
                yield Arrival(statement.account, index, line)


def withdrawals(statements: Sequence[Statement]) -> Iterator[Arrival]:
    """The lines by which the bank takes payments back, with what they take back as a positive amount."""
    for index, statement in enumerate(statements):
        for line in statement.lines:
            if line.amount < ZERO and line.reverses == "credit":
                yield Arrival(statement.account, index, replace(line, amount=-line.amount))


async def unknown(session: AsyncSession, arrivals: Sequence[Arrival], table: Kind) -> list[Arrival]:
    """The arrivals that are not in the table yet; one that is known with other content is refused."""
    known = await _known_identities(session, arrivals, table)
    new: list[Arrival] = []
    problems: list[Problem] = []
    for arrival in arrivals:
        if arrival.key not in known:
            known[arrival.key] = arrival.identity
            new.append(arrival)
        elif known[arrival.key] != arrival.identity:
            problems.append(_contradiction(arrival, known[arrival.key]))
    if problems:
        raise rejected(problems, "Find out at the bank which is right; nothing was changed.")
    return new


def _contradiction(arrival: Arrival, known: Identity) -> Problem:
    return Problem(
        f"movement {arrival.line.bank_ref!r} of account {arrival.account}",
        f"says {_words(arrival.identity)}, but was imported before with {_words(known)}",
    )


def _words(identity: Identity) -> str:
    booked_on, amount, variable_symbol = identity
    return f"{amount} on {booked_on}, variable symbol {variable_symbol or 'none'}"


async def _known_identities(session: AsyncSession, arrivals: Iterable[Arrival], table: Kind) -> dict[Key, Identity]:
    refs: dict[str, list[str]] = {}
    for arrival in arrivals:
        refs.setdefault(arrival.account, []).append(arrival.line.bank_ref)
    known: dict[Key, Identity] = {}
    columns = (table.bank_ref, table.booked_on, table.amount, table.variable_symbol)
    for account, of_account in refs.items():
        for chunk in open_items.chunks(of_account):
            rows = await session.execute(select(*columns).where(table.account == account, table.bank_ref.in_(chunk)))
            known.update({(account, ref): (booked_on, amount, vs) for ref, booked_on, amount, vs in rows})
    return known


async def twins(session: AsyncSession, new: Sequence[Arrival], table: Kind) -> Counter[Likeness]:
    """How many movements of each likeness came by another format of statement more often than by this one.

    The formats of one bank number the same movement differently. Who imports a day as GPC and again as Fio's
    JSON would credit it twice; so the second one waits until a person has looked.
    """
    found: Counter[Likeness] = Counter()
    if not new:
        return found
    formats = {arrival.format for arrival in new}
    is_ours = {arrival.account: True for arrival in new}
    days = sorted(arrival.line.booked_on for arrival in new)
    columns = (table.booked_on, table.amount, table.variable_symbol, table.specific_symbol)
    rows = await session.execute(
        select(table.account, table.bank_ref, *columns).where(table.booked_on.between(days[0], days[-1]))
    )
    for account, bank_ref, booked_on, amount, vs, ss in rows:
        if account not in is_ours:
            is_ours[account] = any(same_account(account, arrival.account) for arrival in new)
        if is_ours[account]:
            found[booked_on, amount, vs, ss] += -1 if _format(bank_ref) in formats else 1
    return found


def _format(bank_ref: str) -> str:
    """References begin with the format that they come from (`banks/`)."""
    return bank_ref.partition("-")[0]
