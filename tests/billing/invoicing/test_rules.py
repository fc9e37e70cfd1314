"""What may stand in invoices.csv; syntax is refused, the merely odd is taken and named."""

import pytest

from billing.invoicing.rules import file_open_is_news, oddity, read_invoices
from billing.money import Money
from config.errors import InputRejected

HEADER = "number,contract_number,issued_on,due_on,total,open\n"


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("F-1,10,2026-01-01,2026-01-15,5,5", "number"),
        ("12345678901,10,2026-01-01,2026-01-15,5,5", "number"),
        ("1,,2026-01-01,2026-01-15,5,5", "contract_number"),
        ("1,10,2026-13-01,2026-01-15,5,5", "issued_on"),
        ("1,10,2026-01-01,,5,5", "due_on"),
        ('1,10,2026-01-01,2026-01-15,"5,00",5', "total"),
        ("1,10,2026-01-01,2026-01-15,5,5e3", "open"),
    ],
)
def test_a_bad_cell_is_refused_where_it_stands(line: str, column: str) -> None:
    with pytest.raises(InputRejected, match=f"line 2, column {column}: "):
        read_invoices((HEADER + line).encode(), "invoices.csv").require_good()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1,10,2026-01-01,2026-01-15,500,500", ""),
        ("1,10,2026-01-01,2026-01-15,500,0", ""),
        ("1,10,2026-01-15,2026-01-01,500,500", "due before it was issued"),
        ("1,10,1970-01-01,1970-01-15,500,500", "1970-01-15"),
        ("1,10,2026-01-01,2206-01-15,500,500", "2206-01-15"),
        ("1,10,2026-01-01,2026-01-15,-500,-500", "negative"),
        ("1,10,2026-01-01,2026-01-15,500,501", "more open than its total"),
    ],
)
def test_the_odd_is_taken_and_named(line: str, words: str) -> None:
    sheet = read_invoices((HEADER + line).encode(), "invoices.csv")
    sheet.require_good()
    found = oddity(sheet.rows[0])

    assert words in found
    assert bool(found) == bool(words)


@pytest.mark.parametrize(
    ("in_file", "is_news"),
    [
        pytest.param(300, False, id="the file knows of our payments"),
        pytest.param(500, False, id="the file knows nothing of our payments"),
        pytest.param(400, True, id="the file knows of other payments"),
    ],
)
def test_whether_the_files_open_amount_says_something_new(in_file: int, is_news: bool) -> None:
    assert file_open_is_news(Money(in_file), stored=Money(300), allocated=Money(200)) is is_news
