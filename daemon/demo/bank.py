"""The demo's bank: writes a statement in GPC as Fio would, for the demo and the tests to import.

It is the counterpart of `billing.payments.banks.gpc` and shares no code with it, so that each checks the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from billing.money import ZERO, Money

NAME_CHARACTERS = 20
MESSAGE_CHARACTERS = 70
CZECH_CROWNS = "0203"


@dataclass(frozen=True, slots=True)
class Movement:
    """A line of the statement: a credit is positive, a debit negative."""

    amount: Money
    variable_symbol: str = ""
    specific_symbol: str = ""
    constant_symbol: str = ""
    counter_account: str = ""
    """`prefix-number/bank`, as people write it."""
    name: str = ""
    message: str = ""
    document: str = ""
    """Empty: made of the statement's date and number and the line's place, so that it never repeats."""
    code: str = ""
    """Empty: 2 for a credit, 1 for a debit. 3 and 5 are stornos of a debit and of a credit."""
    booked_on: date | None = None
    """None: the day of the statement."""


def gpc_statement(
    account: str,
    account_name: str,
    number: int,
    old_balance: Money,
    movements: Sequence[Movement],
    on: date,
) -> bytes:
    """One statement that adds up, of the day `on`, in cp1250 with CRLF."""
    own = _sixteen(account)
    lines = [_header(own, account_name, number, old_balance, movements, on)]
    for place, movement in enumerate(movements, start=1):
        document = movement.document or f"{on:%y%m%d}{number % 1000:03d}{place % 10000:04d}"
        lines.append(_movement(own, document, movement, movement.booked_on or on))
        if movement.message:
            lines.append(f"078{movement.message:{MESSAGE_CHARACTERS}.{MESSAGE_CHARACTERS}}")
    return "".join(f"{line}\r\n" for line in lines).encode("cp1250", errors="replace")


def _header(own: str, name: str, number: int, old: Money, movements: Sequence[Movement], on: date) -> str:
    credited = Money.total(movement.amount for movement in movements if _code(movement) in "25")
    debited = -Money.total(movement.amount for movement in movements if _code(movement) in "13")
    opened_on = min([on - timedelta(days=1), *(movement.booked_on for movement in movements if movement.booked_on)])
    return (
        f"074{own}{name:{NAME_CHARACTERS}.{NAME_CHARACTERS}}{opened_on:%d%m%y}"
        f"{_signed(old, plus='+')}{_signed(old + credited - debited, plus='+')}"
        f"{_signed(debited, plus='0')}{_signed(credited, plus='0')}{number % 1000:03d}{on:%d%m%y}{'FIO':14}"
    )


def _movement(own: str, document: str, movement: Movement, booked_on: date) -> str:
    counter, _, bank = movement.counter_account.partition("/")
    day = f"{booked_on:%d%m%y}"
    return (
        f"075{own}{_sixteen(counter)}{document:0>13}{abs(movement.amount.minor):012d}{_code(movement)}"
        f"{movement.variable_symbol:0>10}00{bank:0>4}{movement.constant_symbol:0>4}{movement.specific_symbol:0>10}"
        f"{day}{movement.name:{NAME_CHARACTERS}.{NAME_CHARACTERS}}0{CZECH_CROWNS}{day}"
    )


def _code(movement: Movement) -> str:
    return movement.code or ("1" if movement.amount < ZERO else "2")


def _signed(amount: Money, plus: str) -> str:
    return f"{abs(amount.minor):014d}{'-' if amount < ZERO else plus}"


def _sixteen(account: str) -> str:
    """Prefix and number as sixteen digits; the bank's code is left out."""
    prefix, _, number = account.partition("/")[0].rpartition("-")
    return f"{prefix:0>6}{number:0>10}"
