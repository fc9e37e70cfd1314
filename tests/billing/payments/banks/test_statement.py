"""A statement that does not add up is refused, and the error says which sum is wrong."""

from dataclasses import replace
from datetime import date

import pytest

from billing.money import Money
from billing.payments.banks.statement import Reverses, Statement, StatementLine, check, readable, symbol
from config.errors import StatementRejected


def _line(ref: str, minor: int, reverses: Reverses = "") -> StatementLine:
    return StatementLine(ref, date(2026, 11, 3), Money(minor), reverses=reverses)


GOOD = Statement(
    account="1000000005",
    number="7",
    opened_on=date(2026, 11, 1),
    closed_on=date(2026, 11, 3),
    old_balance=Money(1000),
    new_balance=Money(1150),
    lines=(_line("a", 200), _line("b", -50)),
    credits=Money(200),
    debits=Money(50),
    line_count=2,
)


def _refusal(statement: Statement) -> str:
    with pytest.raises(StatementRejected) as refusal:
        check(statement)
    return str(refusal.value)


def test_a_statement_that_adds_up_passes() -> None:
    check(GOOD)


def test_what_a_format_does_not_state_is_not_checked() -> None:
    check(replace(GOOD, credits=None, debits=None, line_count=None, opened_on=None))


def test_a_wrong_balance_is_named_with_its_sums() -> None:
    refusal = _refusal(replace(GOOD, new_balance=Money(1149)))

    assert "old balance 10.00 and movements of 1.50 make 11.50, but the new balance is 11.49" in refusal
    assert "statement 7 of account 1000000005 to 2026-11-03" in refusal


def test_each_wrong_turnover_is_named() -> None:
    refusal = _refusal(replace(GOOD, credits=Money(201), debits=Money(49)))

    assert "its credits are 2.00 in sum, but it states 2.01" in refusal
    assert "its debits are 0.50 in sum, but it states 0.49" in refusal


def test_lines_that_cancel_each_other_are_found_by_the_turnovers() -> None:
    refusal = _refusal(replace(GOOD, lines=(*GOOD.lines, _line("c", 70), _line("d", -70)), line_count=None))

    assert "its credits are 2.70 in sum, but it states 2.00" in refusal


def test_a_missing_line_is_counted() -> None:
    assert "it says that it has 3 movements, but 2 are there" in _refusal(replace(GOOD, line_count=3))


def test_the_same_movement_twice_is_refused() -> None:
    refusal = _refusal(replace(GOOD, lines=(_line("a", 200), _line("a", -50))))

    assert "the movement 'a' is in it 2 times" in refusal


@pytest.mark.parametrize(("credits_minor", "debits_minor"), [(200, 20), (230, 50)])
def test_a_storno_may_lower_its_own_turnover_or_count_on_the_other_side(credits_minor: int, debits_minor: int) -> None:
    """A debit of 0.50, of which a storno gives back 0.30."""
    lines = (*GOOD.lines, _line("c", 30, "debit"))
    statement = replace(
        GOOD,
        lines=lines,
        new_balance=Money(1180),
        line_count=3,
        credits=Money(credits_minor),
        debits=Money(debits_minor),
    )

    check(statement)


def test_the_two_ways_to_count_a_storno_are_not_mixed() -> None:
    lines = (*GOOD.lines, _line("c", 30, "debit"))
    statement = replace(GOOD, lines=lines, new_balance=Money(1180), line_count=3, credits=Money(230), debits=Money(20))

    assert "its credits are 2.00 in sum, but it states 2.30" in _refusal(statement)


@pytest.mark.parametrize(("minor", "reverses"), [(30, "credit"), (-30, "debit")])
def test_a_storno_whose_sign_contradicts_it_is_refused(minor: int, reverses: Reverses) -> None:
    statement = replace(
        GOOD,
        lines=(*GOOD.lines, _line("c", minor, reverses)),
        new_balance=Money(1150 + minor),
        credits=None,
        debits=None,
        line_count=None,
    )

    assert f"the movement 'c' takes back a {reverses}, but its amount is {Money(minor)}" in _refusal(statement)


@pytest.mark.parametrize(
    ("opened_on", "closed_on"),
    [
        (date(2026, 11, 4), date(2026, 11, 3)),
        (date(1970, 1, 1), date(2026, 11, 3)),
        (date(2026, 11, 1), date(9999, 12, 31)),
        (None, date(1, 1, 1)),
    ],
)
def test_a_period_that_cannot_be_is_refused(opened_on: date | None, closed_on: date) -> None:
    assert "which is no period between" in _refusal(replace(GOOD, opened_on=opened_on, closed_on=closed_on))


@pytest.mark.parametrize("booked_on", [date(2026, 9, 30), date(2026, 12, 5), date(1, 1, 1), date(9999, 12, 31)])
def test_a_movement_far_outside_the_period_is_refused(booked_on: date) -> None:
    lines = (replace(GOOD.lines[0], booked_on=booked_on), GOOD.lines[1])

    assert f"is booked on {booked_on}, far outside" in _refusal(replace(GOOD, lines=lines))


def test_a_correction_booked_shortly_before_the_period_passes() -> None:
    check(replace(GOOD, lines=(replace(GOOD.lines[0], booked_on=date(2026, 10, 15)), GOOD.lines[1])))


@pytest.mark.parametrize(
    ("text", "expected"), [("0000000042", "42"), ("0", ""), ("", ""), (" 7 ", "7"), ("00000000000", "")]
)
def test_a_symbol_has_no_leading_zeros(text: str, expected: str) -> None:
    assert symbol(text) == expected


@pytest.mark.parametrize("text", ["12345678901", "12a", "-1", "١٢", "1 2"])
def test_what_is_no_symbol_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a symbol"):
        symbol(text)


def test_a_strangers_text_becomes_one_printable_line() -> None:
    assert readable(" Platba\r\n\x1b[31mza\x00 internet\ud800 ") == "Platba [31mza internet"
    assert len(readable("x" * 10_000)) == 500
