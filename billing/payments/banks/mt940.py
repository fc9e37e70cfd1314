"""MT940, the statement of SWIFT, as Czech banks export it for MultiCash (`.STA`), mostly in CP852.

    :25:   account            :28C: number of the statement / of the page
    :60F:  old balance        :62F: new balance       (:60M:, :62M: where a page ends and the next one goes on)
    :61:   movement: day, mark (C, D; RC and RD take back a credit and a debit), amount, references
    :86:   what it was for: ?20-?29 text, ?30 and ?31 account, ?32 and ?33 name; or just text
    :90C:  :90D: count and sum of credits and debits

The fields are read by the library `mt-940`, which forgives much and tells little: what it may have left out is counted
here. It takes text alone: given a name, it would open the file.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any

from mt940 import Options
from mt940.models import Balance, SumAmount, Transaction, Transactions

from billing.money import Money
from billing.payments.banks.account import plain
from billing.payments.banks.amounts import exact
from billing.payments.banks.columns import decode
from billing.payments.banks.mt940_details import read_details
from billing.payments.banks.references import References
from billing.payments.banks.statement import (
    ACCOUNT_CHARACTERS_MAX,
    NUMBER_CHARACTERS_MAX,
    PROBLEMS_SHOWN_MAX,
    Reverses,
    Statement,
    StatementLine,
    check,
    readable,
    rejected,
    symbol,
)
from billing.payments.banks.symbols import symbols_in
from config.errors import Problem, StatementRejected

MOVEMENTS_MAX = 100_000
"""In one file: the library keeps every field of every movement."""
FIELDS_PER_MOVEMENT_MAX = 10
FIELD_CHARACTERS_MAX = 64 * 1024

_SIGNS: dict[str, Reverses] = {"C": "", "D": "", "RC": "credit", "RD": "debit"}
_START = re.compile(r"^:20:", re.MULTILINE)
_MOVEMENT = re.compile(r"^:61:", re.MULTILINE)
_TAG = re.compile(r"^:([0-9]{2}[A-Z]?):", re.MULTILINE)
_ENVELOPE = re.compile(r"^(?:\{[^\n]*|-\}[^\n]*|-)$", re.MULTILINE)
"""What SWIFT wraps around a message: {1:…}{2:…}{4: before it, -} after it."""

# It logs what it can't read, which is somebody's payment.
logging.getLogger("mt940").setLevel(logging.CRITICAL + 1)


class _Unreadable(ValueError):
    """A field is not what the standard promises."""


@dataclass(frozen=True, slots=True)
class _Page:
    """A message: a statement, or a page of one."""

    statement: Statement
    begins_within: bool
    ends_within: bool


def parse(data: bytes) -> list[Statement]:
    """Every statement of the file, checked; or `StatementRejected`."""
    text = _ENVELOPE.sub("", decode(data, "cp852", "cp1250").replace("\r\n", "\n").replace("\r", "\n"))
    if text.count("\n:61:") > MOVEMENTS_MAX or text.count("\n:") > FIELDS_PER_MOVEMENT_MAX * MOVEMENTS_MAX:
        raise rejected([Problem("file", f"has more than {MOVEMENTS_MAX} movements")], "Export a shorter period.")
    starts = [match.start() for match in _START.finditer(text)]
    if not starts or text[: starts[0]].strip():
        raise rejected([Problem("line 1", "a statement of MT940 begins with :20:")])
    pages: list[_Page] = []
    problems: list[Problem] = []
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(text)], strict=True), start=1):
        try:
            pages.append(_page(text[start:end]))
        except _Unreadable as error:
            line = text.count("\n", 0, start) + 1
            problems.append(Problem(f"message {number} (line {line})", str(error)))
        if len(problems) > PROBLEMS_SHOWN_MAX:
            break
    if problems:
        raise rejected(problems)
    return _checked(_whole(pages))


def _checked(statements: Sequence[Statement]) -> list[Statement]:
    problems: list[Problem] = []
    for statement in statements:
        try:
            check(statement)
        except StatementRejected as error:
            problems += error.problems
    if problems:
        raise rejected(problems)
    return list(statements)


def _whole(pages: Sequence[_Page]) -> list[Statement]:
    """Pages put together: each must go on where the one before it ended."""
    statements: list[Statement] = []
    goes_on = False
    for page in pages:
        if page.begins_within != goes_on:
            message = "begins in the middle (:60M:)" if page.begins_within else "follows a page that has no end (:62M:)"
            raise rejected([Problem(page.statement.name, f"{message}; a page is missing")])
        if goes_on:
            statements[-1] = _joined(statements[-1], page.statement)
        else:
            statements.append(page.statement)
        goes_on = page.ends_within
    if goes_on:
        raise rejected([Problem(statements[-1].name, "its last page is missing (there is no :62F:)")])
    return [_referenced(statement) for statement in statements]


def _joined(before: Statement, page: Statement) -> Statement:
    for what, is_so, expected in (
        ("account", page.account, before.account),
        ("number", page.number, before.number),
        ("currency", page.currency, before.currency),
        ("old balance", page.old_balance, before.new_balance),
    ):
        if is_so != expected:
            raise rejected([Problem(page.name, f"its {what} is {is_so}, but on the page before it is {expected}")])
    return replace(page, opened_on=before.opened_on, old_balance=before.old_balance, lines=(*before.lines, *page.lines))


def _referenced(statement: Statement) -> Statement:
    """Until now each line carries the bank's own number and the mark instead of a reference."""
    references = References("mt940", statement.old_balance)
    lines = []
    for line in statement.lines:
        document, _, mark = line.bank_ref.rpartition("-")
        lines.append(replace(line, bank_ref=references.of(line, document, mark)))
    return replace(statement, lines=tuple(lines))


def _page(text: str) -> _Page:
    collection = _collection(text)
    fields = collection.data
    old, begins_within = _balance(fields, "opening")
    new, ends_within = _balance(fields, "closing")
    lines = tuple(_line(number, each) for number, each in enumerate(collection.transactions, start=1))
    credited, debited = _sum(fields, "credit"), _sum(fields, "debit")
    counted = credited is not None and debited is not None
    statement = Statement(
        account=_account(fields),
        number=readable(str(fields.get("statement_number") or ""))[:NUMBER_CHARACTERS_MAX],
        opened_on=_day(old.date),
        closed_on=_day(new.date),
        old_balance=_money(old.amount, "the old balance"),
        new_balance=_money(new.amount, "the new balance"),
        lines=lines,
        credits=_money(credited, ":90C:") if credited else None,
        debits=-_money(debited, ":90D:") if debited else None,
        line_count=_count(credited) + _count(debited) if counted else None,
        currency=_currency(old, new),
    )
    return _Page(statement, begins_within, ends_within)


def _collection(text: str) -> Transactions:
    """The message as the library reads it, with nothing left out."""
    for tag, times in (("25", "account"), ("60", "old balance"), ("62", "new balance")):
        if len([found for found in _TAG.findall(text) if found.startswith(tag)]) != 1:
            raise _Unreadable(f":{tag}: the {times} must be there once")
    begins = [match.start() for match in _TAG.finditer(text)]
    if any(end - begin > FIELD_CHARACTERS_MAX for begin, end in pairwise([*begins, len(text)])):
        raise _Unreadable(f"a field is longer than {FIELD_CHARACTERS_MAX} characters")
    # Its own way to take :86: apart depends on a code before it that not every bank writes.
    collection = Transactions(processors={"post_transaction_details": []}, options=Options.all())
    try:
        collection.parse(text)
    except RuntimeError as error:
        tag = error.args[1] if len(error.args) > 1 else ""
        value = error.args[2] if len(error.args) > 2 else ""
        raise _Unreadable(f":{getattr(tag, 'id', '?')}: can't be read: {readable(str(value))[:80]!r}") from None
    except Exception as error:
        raise _Unreadable(f"can't be read: {readable(str(error))[:80] or type(error).__name__}") from None
    movements = len(_MOVEMENT.findall(text))
    if len(collection.transactions) != movements:
        raise _Unreadable(f":61: of {movements} movements only {len(collection.transactions)} can be read")
    return collection


def _balance(fields: dict[str, Any], which: str) -> tuple[Balance, bool]:
    """The balance, and whether the statement goes on on another page."""
    final, intermediate = fields.get(f"final_{which}_balance"), fields.get(f"intermediate_{which}_balance")
    found = final or intermediate or fields.get(f"{which}_balance")
    if not isinstance(found, Balance):
        raise _Unreadable(f"the {which} balance is missing")
    return found, found is intermediate


def _account(fields: dict[str, Any]) -> str:
    """`0800/19-2000145399`, `19-2000145399/0800`, `CZ65…`: SWIFT writes the bank first, people write it last."""
    written = "".join(readable(str(fields.get("account_identification") or "")).split())
    bank, _, number = written.partition("/")
    if len(bank) == 4 and bank.isdigit() and len(number) > 4:
        written = f"{number}/{bank}"
    elif bank.isalnum() and not bank.isdigit() and number:
        written = number  # the bank by its BIC
    account = plain(written)
    if not account or len(account) > ACCOUNT_CHARACTERS_MAX:
        raise _Unreadable(":25: the account is missing, or too long for one")
    return account


def _currency(old: Balance, new: Balance) -> str:
    stated = {str(getattr(balance.amount, "currency", "")) for balance in (old, new)}
    if len(stated) != 1:
        raise _Unreadable(f":60:, :62: two currencies: {' and '.join(sorted(stated))}")
    currency = stated.pop().upper()
    if not (currency.isascii() and currency.isalpha()):
        raise _Unreadable(f":60: is no currency: {currency!r}")
    return currency


def _sum(fields: dict[str, Any], which: str) -> SumAmount | None:
    found = fields.get(f"sum_{which}_entries")
    return found if isinstance(found, SumAmount) else None


def _count(entries: SumAmount | None) -> int:
    written = str(entries.number) if entries else "0"
    if not (written.isascii() and written.isdigit() and len(written) < 10):
        raise _Unreadable(f":90: is no number of movements: {written[:20]!r}")
    return int(written)


def _money(amount: Any, what: str) -> Money:
    number = getattr(amount, "amount", None)
    if not isinstance(number, Decimal) or not number.is_finite():
        raise _Unreadable(f"{what} is no amount")
    try:
        return exact(number)
    except ValueError as error:
        raise _Unreadable(f"{what} {error}") from None


def _day(value: Any) -> date:
    if not isinstance(value, date):
        raise _Unreadable("a date is missing")
    return date(value.year, value.month, value.day)


def _line(number: int, transaction: Transaction) -> StatementLine:
    fields: dict[str, Any] = transaction.data
    mark = str(fields.get("status") or "").upper()
    if mark not in _SIGNS:
        raise _Unreadable(f":61: number {number}: unknown mark {mark!r}")
    details = read_details(str(fields.get("transaction_details") or ""))
    reference = readable(str(fields.get("customer_reference") or ""))
    found = symbols_in([details.purpose], [reference])
    return StatementLine(
        bank_ref=f"{readable(str(fields.get('bank_reference') or ''))}-{mark}",
        booked_on=_day(fields.get("entry_date") or fields.get("date")),
        amount=_money(fields.get("amount"), f":61: number {number}"),
        variable_symbol=found.variable or _bare_symbol(reference),
        specific_symbol=found.specific,
        constant_symbol=found.constant if len(found.constant) <= 4 else "",
        counter_account=details.counter_account,
        message=readable(f"{details.name} {details.purpose}"),
        reverses=_SIGNS[mark],
    )


def _bare_symbol(reference: str) -> str:
    """Some banks write the variable symbol into the customer reference, as a number and nothing else."""
    try:
        return symbol(reference)
    except ValueError:
        return ""
