"""An admin's CSV file: read as people save it, refused whole with every bad cell named."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.importing import Row, Sheet, iso_date, read, symbol
from billing.money import Money
from config.errors import InputRejected

COLUMNS = ("number", "name", "on", "price")


@dataclass(frozen=True)
class Thing:
    line: int
    number: str
    name: str
    on: date
    price: Money


def parse(row: Row) -> Thing:
    return Thing(row.line, row.symbol("number"), row.text("name", 10), row.date("on"), row.money("price"))


def sheet_of(data: bytes) -> Sheet[Thing]:
    return read(data, "things.csv", COLUMNS, parse)


def problems_of(data: bytes) -> list[str]:
    with pytest.raises(InputRejected) as refusal:
        sheet_of(data).require_good()
    return [str(problem) for problem in refusal.value.problems]


HEADER = b"number,name,on,price\n"


def test_rows_are_read_with_their_lines() -> None:
    sheet = sheet_of(HEADER + b'1,a,2026-01-31,5\n\n0022,"b, c",2026-02-01,-1.50\n')

    sheet.require_good()
    assert sheet.rows == [
        Thing(2, "1", "a", date(2026, 1, 31), Money(500)),
        Thing(4, "22", "b, c", date(2026, 2, 1), Money(-150)),
    ]


@pytest.mark.parametrize(
    "data",
    [
        "\ufeffnumber,name,on,price\r\n1,ž,2026-01-31,5\r\n".encode(),
        "name,number,price,on\nž,1,5,2026-01-31".encode(),
    ],
)
def test_a_byte_order_mark_line_ends_of_windows_and_another_order_of_columns_are_fine(data: bytes) -> None:
    sheet = sheet_of(data)

    sheet.require_good()
    assert [(row.number, row.name) for row in sheet.rows] == [("1", "ž")]


def test_every_bad_cell_is_named_in_the_order_of_the_lines() -> None:
    assert problems_of(
        HEADER + b"x,a,2026-01-31,5\n2,aaaaaaaaaaaaa,2026-02-30,5\n3,a,2026-01-31\n4,a,31.1.2026,5 CZK\n"
    ) == [
        "line 2, column number: 'x' is not a number of 1 to 10 digits",
        "line 3, column name: has 13 characters, 10 are allowed",
        "line 3, column on: '2026-02-30' is a day that does not exist",
        "line 4: has 3 cells where the header has 4",
        "line 5, column on: '31.1.2026' is not a date: write it like 2026-01-31",
        "line 5, column price: '5 CZK' is not an amount: write it like 599.00",
    ]


def test_rows_that_are_bad_are_left_out() -> None:
    assert [row.number for row in sheet_of(HEADER + b"1,a,2026-01-31,5\n2,a,x,5\n").rows] == ["1"]


def test_a_row_like_an_earlier_one_is_named_with_it() -> None:
    sheet = sheet_of(HEADER + b"1,a,2026-01-31,5\n2,a,2026-01-31,5\n01,b,2026-01-31,5\n")
    sheet.refuse_repeated("number", lambda row: row.number)

    with pytest.raises(InputRejected, match="line 4, column number: is the same as in line 2"):
        sheet.require_good()


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (b"number,name,on\n", "line 1, column price: is missing"),
        (b"number,name,on,price,size\n", "line 1, column size: is not known; the columns are number,name,on,price"),
        (b"number,name,on,price,name\n", "line 1, column name: stands there twice"),
        (b"number;name;on;price\n", "line 1: has semicolons between the columns: save the file with commas"),
    ],
)
def test_a_wrong_header_is_refused(header: bytes, problem: str) -> None:
    assert problems_of(header + b"1,a,2026-01-31,5\n") == [problem]


def test_an_empty_file_misses_every_column() -> None:
    assert len(problems_of(b"")) == len(COLUMNS)


def test_of_thousands_of_problems_the_first_hundred_are_named_and_the_others_are_counted() -> None:
    sheet: Sheet[Thing] = Sheet("invoices.csv")
    for line in range(5001, 1, -1):
        sheet.refuse(line, "contract_number", "there is no such contract")

    with pytest.raises(InputRejected) as refused:
        sheet.require_good()

    places = [problem.place for problem in refused.value.problems]
    assert (len(places), places[0], places[-2]) == (
        101,
        "line 2, column contract_number",
        "line 101, column contract_number",
    )
    assert str(refused.value.problems[-1]) == "further on: 4900 more problems"


def test_a_file_in_another_encoding_is_refused_with_the_line() -> None:
    data = HEADER + "1,a,2026-01-31,5\n2,ž,2026-01-31,5\n".encode("cp1250")

    assert problems_of(data) == ["line 3: is not UTF-8 text: save the file as UTF-8"]


def test_broken_quotes_are_refused_with_the_line() -> None:
    assert problems_of(HEADER + b'1,"a"b,2026-01-31,5\n')[0].startswith("line 2: is not CSV (")


@pytest.mark.parametrize("hidden", ["a\nBcc: b", "a\rb", "a\x00b", "a\x1b[2Jb", "a\u202eb", "a\u2028b", "a\u200bb"])
def test_hidden_characters_are_refused(hidden: str) -> None:
    (problem,) = problems_of(HEADER + f'1,"{hidden}",2026-01-31,5\n'.encode())

    assert problem.startswith("line 2, column name: has a hidden character (U+")


def test_a_no_break_space_inside_a_name_is_no_hidden_character() -> None:
    sheet_of(HEADER + "1,a\u00a0b,2026-01-31,5\n".encode()).require_good()


@given(st.binary())
def test_any_bytes_are_rows_or_a_refusal(data: bytes) -> None:
    for each in (data, HEADER + data):
        with suppress(InputRejected):
            sheet_of(each).require_good()


@given(st.dates())
def test_every_iso_date_is_read(day: date) -> None:
    assert iso_date(day.isoformat()) == day


@pytest.mark.parametrize("text", ["", "20260131", "2026-W05-6", "2026-1-31", "2026-01-31T00:00", "٢٠٢٦-٠١-٣١"])
def test_what_only_looks_like_a_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        iso_date(text)


@given(st.integers(min_value=1, max_value=9_999_999_999), st.integers(min_value=0, max_value=10))
def test_leading_zeros_of_a_symbol_mean_nothing(number: int, zeros: int) -> None:
    assert symbol("0" * zeros + str(number)) == str(number)


@pytest.mark.parametrize("text", ["", "0", "000", "12345678901", "1a", "-1", "+1", "1.0", "１", "²"])
def test_what_is_no_symbol_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        symbol(text)


@pytest.mark.parametrize("text", ["", "٣", "1,50", "1.234", "1e3", "+5", "--5", "1 000", "nan", "1234567890123"])
def test_what_is_no_plain_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it like"):
        Money.parse(text)


@pytest.mark.parametrize(("data", "price"), [(b"number\n1\n", None), (b"number,price\n1,5\n", Money(500))])
def test_an_optional_column_may_be_missing(data: bytes, price: Money | None) -> None:
    found: list[Money | None] = []

    def parse_some(row: Row) -> Row:
        found.append(row.money("price") if row.has("price") else None)
        return row

    read(data, "things.csv", ("number",), parse_some, optional=("price",)).require_good()
    assert found == [price]


def test_a_column_that_is_neither_needed_nor_optional_is_refused_with_all_that_there_are() -> None:
    with pytest.raises(InputRejected, match="the columns are number,price"):
        read(b"number,prize\n1,5\n", "things.csv", ("number",), lambda row: row, optional=("price",))
