"""What a movement is called, so that it is known when it comes again, and never taken for another.

The same movement comes in the statement of the day, of the month, and in the same file imported twice; then its
reference must be the same. Two payments of one person may be alike in every column; then it must not be.

    the bank numbers its movements     the bank's number, the amount and what else must not change. A movement
                                       alike in all of this is told apart by its order in the statement.
    the bank does not                  … and the balance of the account before the movement. It is the same in
                                       the statement of the day and of the month, and, however alike two payments
                                       are, the second one finds more on the account than the first.

A "number" with less than six digits or letters that mean something is none: banks let such counters begin again with
every statement. What remains possible without a number: a bank that writes the month in another order than the
days would have its movements counted twice, which the balances of the account show; and two payments alike, on
one day, in two statements, between which exactly their amount left the account, would be taken for one.
"""

from collections import Counter

from billing.money import Money
from billing.payments.banks.statement import StatementLine, readable

MEANT_CHARACTERS_MIN = 6
OWN_ID_CHARACTERS_MAX = 40
_NONE = frozenset({"NONREF", "NOTPROVIDED", "NOTAVAILABLE"})


class References:
    """The references of one statement's movements, given in their order.

    Without a `balance` (a notification tells none), `within`, the name of the statement, has to do.
    """

    def __init__(self, format: str, balance: Money | None, within: str = "") -> None:  # noqa: A002 - as everywhere
        self._format = format
        self._balance = balance
        self._within = within
        self._given: Counter[str] = Counter()

    def of(self, line: StatementLine, document: str, code: str) -> str:
        """The reference of the next movement, of which the bank's number is unique on its day at best."""
        document = compact(document)
        parts = [self._format, f"{line.booked_on:%Y%m%d}", document or "0"]
        parts += [str(abs(line.amount.minor)), code, line.variable_symbol or "0"]
        if not is_own_id(document):
            parts.append(self._within if self._balance is None else f"at{self._balance.minor}")
        return self._numbered(parts, line)

    def by_id(self, line: StatementLine, own_id: str, code: str) -> str:
        """The reference of the next movement, which the bank calls by the same id in whatever it sends."""
        return self._numbered([self._format, compact(own_id), str(abs(line.amount.minor)), code], line)

    def _numbered(self, parts: list[str], line: StatementLine) -> str:
        if self._balance is not None:
            self._balance += line.amount
        stem = "-".join(parts)
        self._given[stem] += 1
        return f"{stem}-{self._given[stem]}"


def is_own_id(text: str) -> bool:
    """Whether the bank can mean one movement by it."""
    meant = compact(text).lstrip("0")
    return len(meant) >= MEANT_CHARACTERS_MIN and meant.upper() not in _NONE


def compact(own_id: str) -> str:
    return "".join(readable(own_id).split())[:OWN_ID_CHARACTERS_MAX]
