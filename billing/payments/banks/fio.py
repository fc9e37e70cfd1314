"""Fio's API: the JSON of `/periods/`, `/last/` and `/by-id/`.

Each movement is a table of `columnN`, null or `{name, value, id}`. column22 is the bank's own id of the movement,
column9 the name of the person who entered it, which is nobody's business here and is never read.
Amounts are written as floats: they are read as the decimal text that they are.
"""

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from billing.money import Money
from billing.payments.banks.account import plain
from billing.payments.banks.amounts import exact
from billing.payments.banks.statement import (
    ACCOUNT_CHARACTERS_MAX,
    NUMBER_CHARACTERS_MAX,
    Statement,
    StatementLine,
    check,
    readable,
    rejected,
    symbol,
)
from config.errors import Problem

BOOKED_ON, AMOUNT, COUNTER_ACCOUNT, BANK_CODE = 0, 1, 2, 3
CONSTANT_SYMBOL, VARIABLE_SYMBOL, SPECIFIC_SYMBOL = 4, 5, 6
COUNTER_NAME, CURRENCY, MESSAGE, MOVEMENT_ID = 10, 14, 16, 22

ID_DIGITS_MAX = 30


TABLES_MAX = 2_000_000
"""A movement has some twenty, and a thousand bytes; so many of them would fill the memory before they are looked at."""


class _Unreadable(ValueError):
    """A value is not what its column promises."""


@dataclass(frozen=True, slots=True)
class _Table:
    """A JSON object and the place where it stands."""

    place: str
    values: dict[str, Any]

    def column(self, number: int) -> Any:
        cell = self.values.get(f"column{number}")
        if cell is None:
            return None
        if not isinstance(cell, dict):
            raise _Unreadable(f"column{number} is not an object")
        return cell.get("value")


def parse(data: bytes) -> list[Statement]:
    """The one statement of the file, checked; or `StatementRejected`."""
    account_statement = _table(_document(data), "accountStatement", "file")
    info = _table(account_statement, "info", "accountStatement")
    transactions = _transactions(account_statement)
    problems: list[Problem] = []
    lines = []
    for transaction in transactions:
        try:
            lines.append(_line(transaction, info))
        except _Unreadable as error:
            problems.append(Problem(transaction.place, str(error)))
    if problems:
        raise rejected(problems)
    try:
        statement = _statement(info, tuple(lines))
    except _Unreadable as error:
        raise rejected([Problem(info.place, str(error))]) from None
    check(statement)
    return [statement]


def _document(data: bytes) -> _Table:
    if data.count(b"{") + data.count(b"[") > TABLES_MAX:
        raise rejected([Problem("file", "has more objects and lists than any statement")])
    try:
        document = json.loads(
            data.decode("utf-8-sig"), parse_float=_decimal, parse_constant=_decimal, object_pairs_hook=_unrepeated
        )
    except UnicodeDecodeError as error:
        raise rejected([Problem(f"byte {error.start + 1}", "is not UTF-8")]) from None
    except json.JSONDecodeError as error:
        raise rejected([Problem(f"line {error.lineno}, column {error.colno}", f"not JSON: {error.msg}")]) from None
    except RecursionError:
        raise rejected([Problem("file", "its values are nested too deep for a statement")]) from None
    except ValueError as error:
        raise rejected([Problem("file", readable(str(error)))]) from None
    if not isinstance(document, dict):
        raise rejected([Problem("file", "holds no JSON object")])
    return _Table("file", document)


def _decimal(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise ValueError(f"a number is out of range: {text[:40]}")
    return value


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("an object names the same key twice")
    return table


def _table(outer: _Table, key: str, place: str) -> _Table:
    inner = outer.values.get(key)
    if not isinstance(inner, dict):
        raise rejected([Problem(place, f"has no object {key!r}")])
    return _Table(key, inner)


def _transactions(account_statement: _Table) -> list[_Table]:
    """The movements; Fio writes null instead of an empty list."""
    listed = account_statement.values.get("transactionList")
    rows = listed.get("transaction") if isinstance(listed, dict) else listed
    rows = [] if rows is None else rows
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise rejected([Problem("accountStatement", "transactionList.transaction is not a list of objects")])
    return [_Table(f"transaction {number}", row) for number, row in enumerate(rows, start=1)]


def _statement(info: _Table, lines: tuple[StatementLine, ...]) -> Statement:
    values = info.values
    account, bank = _text(values.get("accountId"), "accountId"), _text(values.get("bankId"), "bankId")
    if not account:
        raise _Unreadable("accountId is missing")
    number, year = _text(values.get("idList"), "idList"), _text(values.get("yearList"), "yearList")
    return Statement(
        account=_account(account, bank),
        number=(f"{year}/{number}" if number and year else number)[:NUMBER_CHARACTERS_MAX],
        opened_on=_day(values.get("dateStart"), "dateStart"),
        closed_on=_day(values.get("dateEnd"), "dateEnd"),
        old_balance=_money(values.get("openingBalance"), "openingBalance"),
        new_balance=_money(values.get("closingBalance"), "closingBalance"),
        lines=lines,
        currency=_text(values.get("currency"), "currency"),
    )


def _line(transaction: _Table, info: _Table) -> StatementLine:
    column = transaction.column
    currency = _text(column(CURRENCY), "column14 (currency)")
    if currency and currency != info.values.get("currency"):
        raise _Unreadable(f"column14: the currency {currency!r} is not the account's")
    symbols, strays = _symbols(transaction)
    texts = [_text(column(number), f"column{number}") for number in (COUNTER_NAME, MESSAGE)]
    counter = _text(column(COUNTER_ACCOUNT), "column2 (counter-account)")
    return StatementLine(
        bank_ref=f"fio-{_movement_id(column(MOVEMENT_ID))}",
        booked_on=_day(column(BOOKED_ON), "column0 (date)"),
        amount=_money(column(AMOUNT), "column1 (amount)"),
        variable_symbol=symbols[VARIABLE_SYMBOL],
        specific_symbol=symbols[SPECIFIC_SYMBOL],
        constant_symbol=symbols[CONSTANT_SYMBOL],
        counter_account=_account(counter, _text(column(BANK_CODE), "column3 (bank code)")),
        message=readable(" ".join([*texts, *strays])),
    )


def _symbols(transaction: _Table) -> tuple[dict[int, str], list[str]]:
    """The symbols by column. What a payer abroad put there and is no symbol becomes text for a person to read."""
    symbols, strays = {}, []
    for number in (CONSTANT_SYMBOL, VARIABLE_SYMBOL, SPECIFIC_SYMBOL):
        text = _text(transaction.column(number), f"column{number}")
        try:
            symbols[number] = symbol(text)
        except ValueError:
            symbols[number] = ""
            strays.append(text)
    return symbols, strays


def _movement_id(value: Any) -> str:
    text = _text(value, "column22 (id)")
    if not (text.isascii() and text.isdigit() and len(text) <= ID_DIGITS_MAX):
        raise _Unreadable(f"column22: the id is not a number of at most {ID_DIGITS_MAX} digits: {text[:40]!r}")
    return text.lstrip("0") or "0"


def _text(value: Any, what: str) -> str:
    """Text, or a whole number as Fio writes some of them; null is empty."""
    if value is None:
        return ""
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise _Unreadable(f"{what} is neither text nor a whole number")


def _account(number: str, bank: str) -> str:
    return plain(f"{number}/{bank}" if bank and number else number)[:ACCOUNT_CHARACTERS_MAX]


def _day(value: Any, what: str) -> date:
    """`2016-08-03+0200`: the day in the bank's own zone, which is the day that counts."""
    text = value if isinstance(value, str) else ""
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise _Unreadable(f"{what} is not a date like 2026-11-03+0100: {text[:40]!r}") from None


def _money(value: Any, what: str) -> Money:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _Unreadable(f"{what} is not a number")
    try:
        return exact(value)
    except ValueError as error:
        raise _Unreadable(f"{what} {error}") from None
