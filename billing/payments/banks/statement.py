"""A bank statement as Hradlo understands it, whichever format it came in, and the check that it adds up.

A parser of this folder turns bytes into `Statement`s and has one invariant: it returns statements or raises
`StatementRejected`, nothing else. `check` is the other half of the promise: a statement whose sums do not
agree is refused whole, because a single shifted column or a sign read wrongly would post money that isn't there.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Literal

from billing.money import Money
from config.counting import counted
from config.errors import Problem, StatementRejected

PROBLEMS_SHOWN_MAX = 20
BOOKED_OUTSIDE_DAYS_MAX = 31
"""Banks book corrections and due dates a little outside the period that they print."""
EARLIEST, LATEST = date(2000, 1, 1), date(2099, 12, 31)
MESSAGE_CHARACTERS_MAX = 500
ACCOUNT_CHARACTERS_MAX = NUMBER_CHARACTERS_MAX = 40
COUNTER_CHARACTERS_MAX = 60
"""What the tables have room for."""

Reverses = Literal["", "credit", "debit"]

_SYMBOL = re.compile(r"0*([0-9]{0,10})")


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One movement. A credit is positive, a debit negative, and so is what reverses the other kind."""

    bank_ref: str
    """The bank's stable id of the movement, or what stands for one; unique within the account."""
    booked_on: date
    amount: Money
    variable_symbol: str = ""
    specific_symbol: str = ""
    constant_symbol: str = ""
    counter_account: str = ""
    message: str = ""
    reverses: Reverses = ""
    """What the bank takes back with it (a storno, a return): an earlier `credit`, so that money which had come in
    leaves again and the amount is negative; or an earlier `debit`, so that the amount is positive and yet
    no payment of anybody. `check` holds the sign to it."""

    batch_ref: str = ""
    """The bank's reference of the batch that this movement is a part of, or the sum of."""
    is_batch_total: bool = False
    """The sum of a batch whose parts this file does not tell: a camt.054 tells them, with the same `batch_ref`."""

    @property
    def is_storno(self) -> bool:
        return bool(self.reverses)


@dataclass(frozen=True, slots=True)
class Statement:
    """The movements of one account between two balances. What a format does not state is None or empty."""

    account: str
    number: str
    opened_on: date | None
    closed_on: date
    old_balance: Money
    new_balance: Money
    lines: tuple[StatementLine, ...]
    credits: Money | None = None
    """The turnover of credits that the bank states; a storno lowers the turnover that it corrects."""
    debits: Money | None = None
    """The turnover of debits, stated as a positive amount."""
    line_count: int | None = None
    currency: str = ""
    """ISO code, or empty where the format does not say."""
    has_balances: bool = True
    """False for a notification (camt.054, mostly 052), which tells movements only; it is then written as if the
    account had begun with nothing, and says nothing about what is on it."""

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"statement {self.number or 'without a number'} of account {self.account or '?'} to {self.closed_on}"


def rejected(
    problems: Sequence[Problem],
    remedy: str = "Download the statement from the bank again and import it as it is, without opening it in an editor.",
) -> StatementRejected:
    """The error of this folder: the first problems with their places, and what to do."""
    shown = list(problems[:PROBLEMS_SHOWN_MAX])
    if len(problems) > len(shown):
        shown.append(Problem("further on", "there are more problems"))
    return StatementRejected("The bank statement was refused whole; nothing of it was stored:", shown, remedy)


def symbol(text: str) -> str:
    """A payment symbol without its leading zeros, empty if there is none; `ValueError` if it is not 1-10 digits."""
    match = _SYMBOL.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"is not a symbol of at most 10 digits: {text!r}")
    return match[1]


def readable(text: str) -> str:
    """A stranger's text as one line: printable characters only, single spaces, bounded."""
    printable = text if text.isprintable() else "".join(each if each.isprintable() else " " for each in text)
    return " ".join(printable.split())[:MESSAGE_CHARACTERS_MAX].rstrip()


def check(statement: Statement) -> None:
    """Raises `StatementRejected` that names each sum, count and date which does not agree."""
    messages = islice(_disagreements(statement), PROBLEMS_SHOWN_MAX + 1)
    problems = [Problem(statement.name, message) for message in messages]
    if problems:
        raise rejected(problems)


def _disagreements(statement: Statement) -> Iterator[str]:
    yield from _wrong_balance(statement)
    yield from _wrong_turnovers(statement)
    if statement.line_count is not None and statement.line_count != len(statement.lines):
        yield f"it says that it has {counted(statement.line_count, 'movement')}, but {len(statement.lines)} are there"
    yield from _wrong_signs(statement)
    yield from _repeated_refs(statement)
    yield from _wrong_dates(statement)


def _wrong_balance(statement: Statement) -> Iterator[str]:
    moved = Money.total(line.amount for line in statement.lines)
    expected = statement.old_balance + moved
    if expected != statement.new_balance:
        yield (
            f"old balance {statement.old_balance} and movements of {moved} make {expected}, "
            f"but the new balance is {statement.new_balance}"
        )


def _wrong_turnovers(statement: Statement) -> Iterator[str]:
    net, gross = (_turnovers(statement.lines, storno_lowers=lowers) for lowers in (True, False))
    stated = (statement.credits, statement.debits)
    if _fits(stated, net) or _fits(stated, gross):
        return
    for what, says, found in zip(("credits", "debits"), stated, net, strict=True):
        if says is not None and says != found:
            yield f"its {what} are {found} in sum, but it states {says}"


def _fits(stated: tuple[Money | None, Money | None], found: tuple[Money, Money]) -> bool:
    return all(says is None or says == is_so for says, is_so in zip(stated, found, strict=True))


def _turnovers(lines: Sequence[StatementLine], *, storno_lowers: bool) -> tuple[Money, Money]:
    """Credits and debits. Banks differ: a storno of a debit lowers the debits, or counts as a credit."""
    credited = debited = 0
    for line in lines:
        is_credit = (line.amount.minor > 0) != (line.is_storno and storno_lowers)
        if is_credit:
            credited += line.amount.minor
        else:
            debited -= line.amount.minor
    return Money(credited), Money(debited)


def _wrong_signs(statement: Statement) -> Iterator[str]:
    for line in statement.lines:
        takes_in = line.amount.minor > 0
        if line.amount and line.reverses == ("credit" if takes_in else "debit"):
            yield f"the movement {line.bank_ref!r} takes back a {line.reverses}, but its amount is {line.amount}"


def _repeated_refs(statement: Statement) -> Iterator[str]:
    for bank_ref, times in Counter(line.bank_ref for line in statement.lines).items():
        if times > 1:
            yield f"the movement {bank_ref!r} is in it {times} times"


def _wrong_dates(statement: Statement) -> Iterator[str]:
    opened_on, closed_on = statement.opened_on or EARLIEST, statement.closed_on
    if not EARLIEST <= opened_on <= closed_on <= LATEST:
        yield f"it runs from {opened_on} to {closed_on}, which is no period between {EARLIEST} and {LATEST}"
        return
    for line in statement.lines:
        days_outside = max((opened_on - line.booked_on).days, (line.booked_on - closed_on).days)
        if days_outside > BOOKED_OUTSIDE_DAYS_MAX:
            yield f"the movement {line.bank_ref!r} is booked on {line.booked_on}, far outside the statement's period"
