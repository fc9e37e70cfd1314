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
    """The references of one statement's movements, given in their order."""

    def __init__(self, format: str, balance: Money | None) -> None:  # noqa: A002 - as everywhere in this folder
        self._format = format
        self._balance = balance
        self._given: Counter[str] = Counter()

    def of(self, line: StatementLine, own_id: str, code: str) -> str:
        """The reference of the next movement, which the bank calls `own_id` and marks with `code`."""
        own_id = compact(own_id)
        parts = [self._format, f"{line.booked_on:%Y%m%d}", own_id or "0"]
        parts += [str(abs(line.amount.minor)), code, line.variable_symbol or "0"]
        if self._balance is not None:
            if not is_own_id(own_id):
                parts.append(f"at{self._balance.minor}")
            self._balance += line.amount
        return self.numbered("-".join(parts))

    def numbered(self, stem: str) -> str:
        self._given[stem] += 1
        return f"{stem}-{self._given[stem]}"


def is_own_id(text: str) -> bool:
    """Whether the bank can mean one movement by it."""
    meant = compact(text).lstrip("0")
    return len(meant) >= MEANT_CHARACTERS_MIN and meant.upper() not in _NONE


def compact(own_id: str) -> str:
    return "".join(readable(own_id).split())[:OWN_ID_CHARACTERS_MAX]
