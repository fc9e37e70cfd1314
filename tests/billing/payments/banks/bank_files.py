"""Statements that never happened: Hypothesis strategies for the tests of the bank parsers.

GPC is written by the demo's bank (`daemon.demo.bank`), Fio's JSON here.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from billing.money import ZERO, Money
from billing.payments.banks.statement import Statement, StatementLine
from daemon.demo.bank import Movement, gpc_statement

ACCOUNT = "1000000005"
VALID_ACCOUNTS = ["1000000005", "19-2000145399", "51"]

symbols = st.one_of(st.just(""), st.integers(1, 9_999_999_999).map(str))
constant_symbols = st.one_of(st.just(""), st.integers(1, 9999).map(str))
words = st.text("abcXYZ 019,.áčďéěíňóřšťúůýžŠŽŘÍ", max_size=20).map(lambda text: " ".join(text.split()))
counter_accounts = st.one_of(
    st.just(""), st.sampled_from(["2000145399/0800", "19-2000145399/0800", "123/2010", "7-5/0300"])
)
days = st.dates(date(2001, 1, 1), date(2098, 12, 31))


@dataclass(frozen=True)
class Day:
    """What the demo's bank needs to write one statement."""

    account: str
    number: int
    old_balance: Money
    movements: tuple[Movement, ...]
    on: date

    def gpc(self) -> bytes:
        return gpc_statement(self.account, "Síť pro všechny", self.number, self.old_balance, self.movements, self.on)


@st.composite
def movements(draw: st.DrawFn, on: date) -> Movement:
    code = draw(st.sampled_from(["", "", "", "1", "2", "3", "5"]))
    minor = draw(st.integers(1, 999_999_999_999))
    sign = {"1": -1, "2": 1, "3": 1, "5": -1, "": draw(st.sampled_from([1, -1]))}[code]
    return Movement(
        amount=Money(sign * minor),
        variable_symbol=draw(symbols),
        specific_symbol=draw(symbols),
        constant_symbol=draw(constant_symbols),
        counter_account=draw(counter_accounts),
        name=draw(words),
        message=draw(words),
        code=code,
        booked_on=draw(st.one_of(st.none(), st.integers(0, 20).map(lambda back: on - timedelta(days=back)))),
    )


@st.composite
def bank_days(draw: st.DrawFn) -> Day:
    on = draw(days)
    return Day(
        account=draw(st.sampled_from(VALID_ACCOUNTS)),
        number=draw(st.integers(1, 999)),
        old_balance=Money(draw(st.integers(-10_000_000_000, 10_000_000_000))),
        movements=tuple(draw(st.lists(movements(on), max_size=6))),
        on=on,
    )


@st.composite
def fio_statements(draw: st.DrawFn) -> Statement:
    closed_on = draw(days)
    opened_on = closed_on - timedelta(days=draw(st.integers(0, 60)))
    ids = draw(st.lists(st.integers(1, 10**12), unique=True, max_size=6))
    lines = tuple(
        StatementLine(
            bank_ref=f"fio-{number}",
            booked_on=draw(st.dates(opened_on, closed_on)),
            amount=Money(draw(st.integers(-(10**11), 10**11))),
            variable_symbol=draw(symbols),
            specific_symbol=draw(symbols),
            constant_symbol=draw(constant_symbols),
            counter_account=draw(counter_accounts),
            message=draw(words),
        )
        for number in ids
    )
    old_balance = Money(draw(st.integers(-(10**11), 10**11)))
    return Statement(
        account="1000000005/2010",
        number=draw(st.sampled_from(["", "2026/9"])),
        opened_on=opened_on,
        closed_on=closed_on,
        old_balance=old_balance,
        new_balance=old_balance + Money.total(line.amount for line in lines),
        lines=lines,
        currency="CZK",
    )


def fio_transaction(line: StatementLine) -> dict[str, Any]:
    """A movement as Fio's API writes it, with the name of the person who entered it."""
    number, _, bank = line.counter_account.partition("/")
    values: dict[int, Any] = {
        0: f"{line.booked_on}+0100",
        1: line.amount,
        2: number or None,
        3: bank or None,
        4: line.constant_symbol.zfill(4) if line.constant_symbol else None,
        5: line.variable_symbol or "0",
        6: line.specific_symbol or None,
        8: "Příjem převodem uvnitř banky",
        9: "Tajná, Osoba",
        14: "CZK",
        16: line.message or None,
        22: int(line.bank_ref.removeprefix("fio-")),
        25: None,
    }
    return {
        f"column{number}": None if value is None else {"name": "?", "value": value, "id": number}
        for number, value in values.items()
    }


def fio_document(statement: Statement) -> dict[str, Any]:
    year, _, number = statement.number.partition("/")
    return {
        "accountStatement": {
            "info": {
                "accountId": statement.account.partition("/")[0],
                "bankId": "2010",
                "currency": statement.currency,
                "iban": "CZ9620100000001000000005",
                "openingBalance": statement.old_balance,
                "closingBalance": statement.new_balance,
                "dateStart": f"{statement.opened_on}+0200",
                "dateEnd": f"{statement.closed_on}+0200",
                "yearList": int(year) if year else None,
                "idList": int(number) if number else None,
            },
            "transactionList": {"transaction": [fio_transaction(line) for line in statement.lines]},
        }
    }


def fio_json(document: Any) -> bytes:
    """The document as bytes; each `Money` in it becomes a JSON number with two decimal places."""
    marked = json.dumps(document, ensure_ascii=False, default=lambda amount: f"\0{amount}\0")
    return marked.replace('"\\u0000', "").replace('\\u0000"', "").encode()


def payment(amount: str, variable_symbol: str = "", **fields: Any) -> Movement:
    return Movement(amount=Money.parse(amount), variable_symbol=variable_symbol, **fields)


def one_day(*some: Movement, number: int = 1, on: date = date(2026, 11, 3)) -> bytes:
    """A statement of the first day, in GPC."""
    return gpc_statement(ACCOUNT, "WISP", number, ZERO, some, on)


def replaced(data: bytes, line: int, first_column: int, text: str) -> bytes:
    """The file with `text` written over its columns, both counted from 1."""
    lines = data.split(b"\r\n")
    start, new = first_column - 1, text.encode("cp1250")
    lines[line - 1] = lines[line - 1][:start] + new + lines[line - 1][start + len(new) :]
    return b"\r\n".join(lines)


def amounts(statements: Sequence[Statement]) -> list[str]:
    return [str(line.amount) for statement in statements for line in statement.lines]
