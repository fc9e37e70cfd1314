"""Fio's JSON: amounts are exact, ids are stable, and no name of a bank's user is kept."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given

from billing.money import Money
from billing.payments.banks.fio import parse
from billing.payments.banks.statement import Statement, StatementLine
from config.errors import StatementRejected
from tests.billing.payments.banks.bank_files import fio_document, fio_json, fio_statements

STATEMENT = Statement(
    account="1000000005/2010",
    number="2026/9",
    opened_on=date(2026, 11, 1),
    closed_on=date(2026, 11, 3),
    old_balance=Money(254381),
    new_balance=Money(254381 + 59910 - 13000),
    lines=(
        StatementLine(
            bank_ref="fio-26962199069",
            booked_on=date(2026, 11, 2),
            amount=Money(59910),
            variable_symbol="1001",
            specific_symbol="26000001",
            constant_symbol="308",
            counter_account="2000145399/0800",
            message="Platba za říjen",
        ),
        StatementLine(bank_ref="fio-26962199070", booked_on=date(2026, 11, 3), amount=Money(-13000)),
    ),
    currency="CZK",
)


def _document() -> Any:
    return fio_document(STATEMENT)


def _refusal(document: Any) -> str:
    with pytest.raises(StatementRejected) as refusal:
        parse(document if isinstance(document, bytes) else fio_json(document))
    return str(refusal.value)


def _cell(document: Any, transaction: int, column: int) -> Any:
    return document["accountStatement"]["transactionList"]["transaction"][transaction][f"column{column}"]


def test_a_statement_is_read_whole() -> None:
    assert parse(fio_json(_document())) == [STATEMENT]


def test_the_name_of_who_entered_the_payment_is_nowhere() -> None:
    data = fio_json(_document())
    assert "Tajná".encode() in data

    assert "Tajná" not in repr(parse(data))


@pytest.mark.parametrize("written", ["599.1", "599.10", "5.991E2", "599.1000000"])
def test_an_amount_is_the_decimal_that_is_written(written: str) -> None:
    [statement] = parse(fio_json(_document()).replace(b"599.10", written.encode()))

    assert statement.lines[0].amount == Money(59910)


def test_whole_crowns_may_be_written_without_a_point() -> None:
    [statement] = parse(fio_json(_document()).replace(b"-130.00", b"-130"))

    assert statement.lines[1].amount == Money(-13000)


def test_a_zero_is_no_symbol() -> None:
    document = _document()
    _cell(document, 0, 5)["value"] = "0"
    _cell(document, 0, 4)["value"] = "0000"

    [statement] = parse(fio_json(document))

    assert (statement.lines[0].variable_symbol, statement.lines[0].constant_symbol) == ("", "")


def test_a_symbol_that_is_none_is_kept_as_text_for_a_person() -> None:
    document = _document()
    _cell(document, 0, 5)["value"] = "FA-1001"

    [statement] = parse(fio_json(document))

    assert statement.lines[0].variable_symbol == ""
    assert statement.lines[0].message == "Platba za říjen FA-1001"


@pytest.mark.parametrize("empty", [None, {"transaction": []}, {"transaction": None}])
def test_a_period_without_movements_is_a_statement(empty: Any) -> None:
    document = fio_document(replace(STATEMENT, lines=(), new_balance=STATEMENT.old_balance))
    document["accountStatement"]["transactionList"] = empty

    [statement] = parse(fio_json(document))

    assert statement.lines == ()


def test_a_wrong_balance_is_refused_with_its_sums() -> None:
    refusal = _refusal(fio_document(replace(STATEMENT, new_balance=Money(1))))

    assert "old balance 2543.81 and movements of 469.10 make 3012.91, but the new balance is 0.01" in refusal


def test_an_id_that_repeats_is_refused() -> None:
    document = _document()
    _cell(document, 1, 22)["value"] = _cell(document, 0, 22)["value"]

    assert "the movement 'fio-26962199069' is in it 2 times" in _refusal(document)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (1, "599.10", "transaction 1: column1 (amount) is not a number"),
        (1, True, "transaction 1: column1 (amount) is not a number"),
        (1, None, "transaction 1: column1 (amount) is not a number"),
        (1, 10**400, "transaction 1: column1 (amount) is out of range"),
        (0, "3.11.2026", "transaction 1: column0 (date) is not a date like 2026-11-03+0100: '3.11.2026'"),
        (0, None, "transaction 1: column0 (date) is not a date"),
        (22, None, "transaction 1: column22: the id is not a number"),
        (22, "abc", "transaction 1: column22: the id is not a number"),
        (22, "1" * 31, "transaction 1: column22: the id is not a number"),
        (14, "EUR", "transaction 1: column14: the currency 'EUR' is not the account's"),
        (5, [1], "transaction 1: column5 is neither text nor a whole number"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(column: int, value: Any, message: str) -> None:
    document = _document()
    _cell(document, 0, column)["value"] = value

    assert message in _refusal(document)


@pytest.mark.parametrize(
    "number", [b"599.101", b"1e999999999", b"1e-999999999", b"1e99999999999999999999", b"NaN", b"-Infinity"]
)
def test_a_number_that_is_no_money_is_refused_at_once(number: bytes) -> None:
    _refusal(fio_json(_document()).replace(b"599.10", number))


@pytest.mark.parametrize("key", ["openingBalance", "closingBalance", "dateStart", "dateEnd", "accountId"])
def test_a_statement_without_what_is_needed_to_check_it_is_refused(key: str) -> None:
    document = _document()
    document["accountStatement"]["info"][key] = None

    assert key in _refusal(document)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "line 1, column 2: not JSON"),
        (b"[]", "holds no JSON object"),
        (b"{}", "has no object 'accountStatement'"),
        (b'{"accountStatement": {}}', "has no object 'info'"),
        (b'{"accountStatement": {"info": {}, "transactionList": 5}}', "is not a list of objects"),
        (b'{"a": 1, "a": 2}', "names the same key twice"),
        (b'{"a": "\xff"}', "byte 8: is not UTF-8"),
        (b'{"a":' * 100_000, "nested too deep"),
        (b'{"a": ' + b"1" * 5000 + b"}", "4300 digits"),
    ],
)
def test_what_is_no_statement_is_refused_with_the_reason(data: bytes, message: str) -> None:
    assert message in _refusal(data)


@given(fio_statements())
def test_what_the_bank_wrote_is_what_is_read(statement: Statement) -> None:
    assert parse(fio_json(fio_document(statement))) == [statement]


def test_more_objects_than_memory_are_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.payments.banks.fio.TABLES_MAX", 10)

    assert "has more objects and lists than any statement" in _refusal(_document())
