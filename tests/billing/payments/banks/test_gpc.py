"""GPC/ABO: what the banks write is read column by column, and what is wrong is named by line and column."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given

from billing.money import ZERO, Money
from billing.payments.banks.account import plain
from billing.payments.banks.gpc import parse
from billing.payments.banks.statement import Statement, StatementLine
from config.errors import StatementRejected
from daemon.demo.bank import Movement, gpc_statement
from tests.billing.payments.banks.bank_files import (
    ACCOUNT,
    Day,
    amounts,
    bank_days,
    one_day,
    payment,
    replaced,
)

TWO = one_day(payment("599.00", "1001", specific_symbol="26000001"), payment("-100.00"))
"""Line 1 is the header, lines 2 and 3 are movements."""


def _refusal(data: bytes) -> str:
    with pytest.raises(StatementRejected) as refusal:
        parse(data)
    return str(refusal.value)


def test_a_statement_is_read_whole() -> None:
    data = gpc_statement(
        "19-2000145399",
        "Síť s.r.o.",
        9,
        Money.parse("-1000.50"),
        [
            Movement(
                Money.parse("599.00"),
                variable_symbol="1001",
                specific_symbol="26000001",
                constant_symbol="308",
                counter_account="27-123/0800",
                name="Růžička Tomáš",
                message="za říjen",
            ),
            Movement(Money.parse("-0.01"), name="Poplatek", document="A-7"),
        ],
        date(2026, 11, 3),
    )

    assert parse(data) == [
        Statement(
            account="19-2000145399",
            number="9",
            opened_on=date(2026, 11, 2),
            closed_on=date(2026, 11, 3),
            old_balance=Money(-100050),
            new_balance=Money(-40151),
            credits=Money(59900),
            debits=Money(1),
            currency="CZK",
            lines=(
                StatementLine(
                    bank_ref="gpc-20261103-2611030090001-59900-2-1001-1",
                    booked_on=date(2026, 11, 3),
                    amount=Money(59900),
                    variable_symbol="1001",
                    specific_symbol="26000001",
                    constant_symbol="308",
                    counter_account="27-123/0800",
                    message="Růžička Tomáš za říjen",
                ),
                StatementLine(
                    bank_ref="gpc-20261103-0000000000A-7-1-1-0-at-40150-1",
                    booked_on=date(2026, 11, 3),
                    amount=Money(-1),
                    message="Poplatek",
                ),
            ),
        )
    ]


def test_the_columns_are_those_of_the_banks_paper() -> None:
    """Written out by hand, so that the demo's bank and the parser can't be wrong in the same way."""
    header = (
        "074|0000001000000005|Testovaci WISP s.r.o|010926|00000000010000|+|00000000009000|-|"
        "00000000049900|0|00000000030900|0|009|300926|FIO           "
    ).replace("|", "")
    credit = (
        "075|0000001000000005|0000271000000009|9000000000037|000000030900|2|0020248837|00|0800|"
        "0558|2600000008|010926|Dvorak Petr s.r.o.  |0|0203|020926"
    ).replace("|", "")
    debit = (
        "075|0000001000000005|0000000000000000|9000000000074|000000049900|1|0000000000|00|0000|"
        "0000|0000000000|020926|Poplatek            |0|0203|020926"
    ).replace("|", "")
    assert [len(header), len(credit), len(debit)] == [128] * 3

    [statement] = parse("\r\n".join([header, credit, debit, ""]).encode())

    assert (statement.old_balance, statement.new_balance) == (Money(10000), Money(-9000))
    assert (statement.opened_on, statement.closed_on) == (date(2026, 9, 1), date(2026, 9, 30))
    first = statement.lines[0]
    assert (first.booked_on, first.amount) == (date(2026, 9, 2), Money(30900))
    assert (first.variable_symbol, first.specific_symbol, first.constant_symbol) == ("20248837", "2600000008", "558")
    assert (first.counter_account, first.message) == ("27-1000000009/0800", "Dvorak Petr s.r.o.")


def test_line_ends_may_be_those_of_unix_or_dos() -> None:
    assert parse(TWO.replace(b"\r\n", b"\n")) == parse(TWO)
    assert parse(TWO + b"\r\n\x1a") == parse(TWO)


@pytest.mark.parametrize("encoding", ["cp1250", "cp852", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("name", ["Žáčková Šárka", "MÍŠA", "Jürgen", "Eva"])
def test_a_name_is_read_in_each_encoding_that_banks_use(name: str, encoding: str) -> None:
    data = one_day(payment("1.00", name=name)).decode("cp1250").encode(encoding)

    [statement] = parse(data)

    assert statement.lines[0].message == name


def test_several_statements_in_one_file_are_all_read() -> None:
    data = one_day(payment("1.00")) + one_day(payment("2.00"), payment("3.00"), number=2)

    statements = parse(data)

    assert [statement.number for statement in statements] == ["1", "2"]
    assert amounts(statements) == ["1.00", "2.00", "3.00"]


def test_a_day_without_movements_is_a_statement() -> None:
    [statement] = parse(one_day())

    assert statement.lines == ()


def test_the_message_of_further_lines_belongs_to_the_movement_above() -> None:
    header, *movements = one_day(payment("1.00", name="Eva"), payment("2.00")).splitlines()
    further = [b"076IDENTIFIKACE", "078Platba za září".encode("cp1250"), b"079a rijen"]

    [statement] = parse(b"\r\n".join([header, movements[0], *further, movements[1]]))

    assert [line.message for line in statement.lines] == ["Eva Platba za září a rijen", ""]


def test_the_message_of_the_extended_format_stands_on_the_same_line() -> None:
    header, movement = one_day(payment("1.00", name="Eva")).splitlines()
    message = f"{'Platba za pripojeni c. ' + 'x' * 12:35}{'y' * 10:105}"

    [statement] = parse(b"\n".join([header, movement + message.encode() + b"zprava pro mne"]))

    assert statement.lines[0].message == f"Eva Platba za pripojeni c. {'x' * 12}{'y' * 10}"


def test_an_account_in_the_internal_order_is_put_right() -> None:
    data = one_day(payment("1.00", counter_account="19-2000145399/0800"))
    data = data.replace(b"0000001000000005", b"5000100000000000").replace(b"0000192000145399", b"9394200015000019")

    [statement] = parse(data)

    assert statement.account == ACCOUNT
    assert statement.lines[0].counter_account == "19-2000145399/0800"


def test_an_account_that_is_valid_as_it_stands_is_never_turned_round() -> None:
    """The digits of this one pass the banks' check in both orders."""
    data = one_day().replace(b"0000001000000005", b"0847260289194335")

    [statement] = parse(data)

    assert statement.account == "84726-289194335"


def test_digits_of_other_scripts_are_no_numbers() -> None:
    text = TWO.decode("cp1250").replace("000000059900", "00000005990²")

    assert "line 2, columns 49-60: amount is not a number: '00000005990²'" in _refusal(text.encode())


NUMBERED, COUNTED = "2611030000005", "5"


def test_movements_that_the_bank_numbers_alike_are_told_apart_by_their_order() -> None:
    [statement] = parse(
        one_day(*[payment("1.00", "7", document=NUMBERED)] * 2, payment("1.00", "8", document=NUMBERED))
    )

    assert [line.bank_ref for line in statement.lines] == [
        "gpc-20261103-2611030000005-100-2-7-1",
        "gpc-20261103-2611030000005-100-2-7-2",
        "gpc-20261103-2611030000005-100-2-8-1",
    ]


def test_payments_alike_in_every_column_in_two_statements_of_a_day_are_two() -> None:
    twice = [payment("1.00", "7", document=COUNTED)]
    [morning] = parse(gpc_statement(ACCOUNT, "", 1, ZERO, twice, date(2026, 11, 3)))
    [evening] = parse(gpc_statement(ACCOUNT, "", 2, Money(100), twice, date(2026, 11, 3)))

    assert morning.lines[0].bank_ref == "gpc-20261103-0000000000005-100-2-7-at0-1"
    assert evening.lines[0].bank_ref == "gpc-20261103-0000000000005-100-2-7-at100-1"


@pytest.mark.parametrize("document", [NUMBERED, COUNTED, "0"])
def test_a_movement_has_the_same_reference_in_the_months_statement_as_in_the_days(document: str) -> None:
    early = Movement(Money(100), "7", document=document, booked_on=date(2026, 11, 2))
    late = Movement(Money(100), "7", document=document, booked_on=date(2026, 11, 3))
    [of_the_month] = parse(one_day(early, late))

    [of_the_day] = parse(gpc_statement(ACCOUNT, "", 7, Money(100), [late], date(2026, 11, 3)))

    assert of_the_month.lines[1].bank_ref == of_the_day.lines[0].bank_ref


def test_code_4_finds_its_reference_by_the_paper_that_fits() -> None:
    data = one_day(payment("60.00"), payment("-30.00", code="5", document="1"), payment("7.00", document="2"))

    [statement] = parse(replaced(data, line=3, first_column=61, text="4"))

    assert statement.lines[1].bank_ref == "gpc-20261103-0000000000001-3000-4-0-at6000-1"
    assert statement.lines[2].bank_ref == "gpc-20261103-0000000000002-700-2-0-at3000-1"


def test_stornos_take_back_what_they_name() -> None:
    data = one_day(
        payment("-100.00"), payment("60.00"), payment("100.00", code="3"), payment("-60.00", code="5"), payment("5.00")
    )

    [statement] = parse(data)

    assert amounts([statement]) == ["-100.00", "60.00", "100.00", "-60.00", "5.00"]
    assert [line.reverses for line in statement.lines] == ["", "", "debit", "credit", ""]
    assert statement.new_balance == Money(500)


@pytest.mark.parametrize(("meant", "amount", "reverses"), [("3", "30.00", "debit"), ("5", "-30.00", "credit")])
def test_code_4_is_read_in_the_way_in_which_the_sums_agree(meant: str, amount: str, reverses: str) -> None:
    """3 and 5 have one meaning each; the statement of the one is written with the code 4 instead."""
    data = one_day(payment("-100.00"), payment("60.00"), payment(amount, code=meant))

    [statement] = parse(replaced(data, line=4, first_column=61, text="4"))

    assert amounts([statement]) == ["-100.00", "60.00", amount]
    assert statement.lines[2].reverses == reverses


def test_code_4_whose_sums_agree_in_no_way_is_refused_with_both() -> None:
    data = one_day(payment("60.00"), payment("30.00", code="3"))
    data = replaced(data, line=3, first_column=61, text="4")

    refusal = _refusal(replaced(data, line=1, first_column=61, text="00000000009999"))

    assert "code 4 as storno debit: old balance 0.00 and movements of 90.00 make 90.00" in refusal
    assert "code 4 as storno credit: old balance 0.00 and movements of 30.00 make 30.00" in refusal


@pytest.mark.parametrize(
    ("line", "column", "text", "message"),
    [
        (1, 46, "x", "line 1, columns 46-59: the old balance is not a number: 'x0000000000000'"),
        (1, 60, "x", "line 1, column 60: the sign of the old balance is neither + nor -: 'x'"),
        (1, 109, "310226", "line 1, columns 109-114: the date of the statement is not a date ddmmyy: '310226'"),
        (1, 4, " ", "line 1, columns 4-19: the account is not a number"),
        (2, 49, "0000x", "line 2, columns 49-60: amount is not a number: '0000x0059900'"),
        (2, 61, "9", "line 2, column 61: unknown posting code '9'"),
        (2, 62, "V", "line 2, columns 62-71: the variable symbol is not a symbol of at most 10 digits: 'V000001001'"),
        (2, 82, "?", "line 2, columns 82-91: the specific symbol"),
        (2, 78, "?", "line 2, columns 78-81: the constant symbol"),
        (2, 74, "?", "line 2, columns 74-77: the bank code"),
        (2, 20, "?", "line 2, columns 20-35: the counter-account"),
        (2, 123, "999999", "line 2, columns 123-128: the date of posting is not a date ddmmyy: '999999'"),
        (3, 4, "9", "line 3, columns 4-19: the account '9000001000000005' is not the header's '0000001000000005'"),
        (3, 1, "999", "line 3, columns 1-3: unexpected record '999'"),
        (1, 1, "075", "line 1: a header 074 must come first, not '075'"),
        (1, 76, "00000000000001", "its debits are 100.00 in sum, but it states 0.01"),
        (1, 91, "00000000000001", "its credits are 599.00 in sum, but it states 0.01"),
        (1, 61, "00000000000001", "old balance 0.00 and movements of 499.00 make 499.00, but the new balance is 0.01"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(line: int, column: int, text: str, message: str) -> None:
    refusal = _refusal(replaced(TWO, line, column, text))

    assert message in refusal
    assert "Download the statement from the bank again" in refusal


def test_all_that_is_wrong_is_named_at_once() -> None:
    data = replaced(replaced(TWO, 2, 49, "x"), 3, 123, "x")

    with pytest.raises(StatementRejected) as refusal:
        parse(data)

    assert [problem.place for problem in refusal.value.problems] == ["line 2, columns 49-60", "line 3, columns 123-128"]


def test_a_file_that_is_wrong_everywhere_has_a_short_error() -> None:
    refusal = _refusal(one_day(*[payment("1.00")] * 500).replace(b"\r\n075", b"\r\n975"))

    assert refusal.count("\n") < 30
    assert "there are more problems" in refusal


def test_a_line_that_was_cut_off_is_refused() -> None:
    assert "line 3, columns 119-128: missing: a 075 record has 128 characters" in _refusal(TWO[:-12])


def test_a_movement_that_got_lost_is_noticed() -> None:
    assert "its debits are 0.00 in sum, but it states 100.00" in _refusal(b"\r\n".join(TWO.split(b"\r\n")[:2]))


def test_a_file_without_a_statement_is_refused() -> None:
    assert "no statement is in the file" in _refusal(b"\r\n \r\n")


def test_a_header_whose_filler_was_cut_off_is_read() -> None:
    header, rest = TWO.split(b"\r\n", 1)

    assert parse(header[:114] + b"\r\n" + rest) == parse(TWO)


def test_turnovers_that_a_bank_leaves_blank_are_not_stated() -> None:
    [statement] = parse(replaced(TWO, line=1, first_column=76, text=" " * 30))

    assert (statement.credits, statement.debits) == (None, None)


def _expected(day: Day) -> list[tuple[object, ...]]:
    return [
        (
            movement.booked_on or day.on,
            movement.amount,
            movement.variable_symbol,
            movement.specific_symbol,
            movement.constant_symbol,
            plain(movement.counter_account),
            " ".join(f"{movement.name} {movement.message}".split()),
            {"3": "debit", "5": "credit"}.get(movement.code, ""),
        )
        for movement in day.movements
    ]


@given(bank_days())
def test_what_the_bank_wrote_is_what_is_read(day: Day) -> None:
    [statement] = parse(day.gpc())

    assert replace(statement, lines=(), credits=None, debits=None, opened_on=None, currency="") == Statement(
        account=day.account,
        number=str(day.number),
        opened_on=None,
        closed_on=day.on,
        old_balance=day.old_balance,
        new_balance=day.old_balance + Money.total(movement.amount for movement in day.movements),
        lines=(),
    )
    assert [
        (
            line.booked_on,
            line.amount,
            line.variable_symbol,
            line.specific_symbol,
            line.constant_symbol,
            line.counter_account,
            line.message,
            line.reverses,
        )
        for line in statement.lines
    ] == _expected(day)
    assert len({line.bank_ref for line in statement.lines}) == len(statement.lines)


@given(bank_days())
def test_an_amount_that_changed_on_the_way_is_always_noticed(day: Day) -> None:
    movements = [*day.movements, Movement(Money(12345))]
    data = gpc_statement(day.account, "", day.number, ZERO, movements, day.on)

    assert "new balance" in _refusal(data[:-130] + data[-130:].replace(b"000000012345", b"000000012354"))
