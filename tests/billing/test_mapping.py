"""Exports of other programs become our files, line by line; what can't be read is refused, never guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.invoicing.rules import COLUMNS, read_invoices
from billing.mapping import Translation, in_their_words, read_mapping, translate
from config.errors import InputRejected

HEAD = """
encoding = "cp1250"
delimiter = ";"
date_format = "%d.%m.%Y"
decimal_comma = true
"""
INVOICES = """
[invoices.columns]
number = "Číslo"
contract_number = "VS"
issued_on = "Vystaveno"
due_on = "Splatnost"
total = "Celkem"
open = "Zbývá"
"""
HEADER = "Číslo;VS;Vystaveno;Splatnost;Celkem;Zbývá;Stav\n"
ROW = "26001;1001;1.10.2026;15.10.2026;1 599,00 Kč;599,5;ok\n"


def mapping(text: str = HEAD + INVOICES) -> Translation:
    return read_mapping(text.encode(), "map.toml", "invoices", COLUMNS)


def ours(export: str, of: Translation | None = None) -> list[str]:
    return translate(export.encode("cp1250"), "export.csv", of or mapping()).decode().splitlines()


def test_columns_days_and_amounts_become_ours() -> None:
    assert ours(HEADER + ROW) == [
        "number,contract_number,issued_on,due_on,total,open",
        "26001,1001,2026-10-01,2026-10-15,1599.00,599.5",
    ]


def test_several_columns_are_joined_constants_stand_everywhere_and_words_are_translated() -> None:
    columns = ("name", "language", "kind")
    text = """
[customers.columns]
name = ["First", "Last"]
kind = "Kind"
[customers.constants]
language = "cs"
[customers.values.kind]
"pojištění" = "insurance"
"*" = "internet"
"""
    made = read_mapping(text.encode(), "map.toml", "customers", columns)
    export = "First,Last,Kind\nJana,Nová,pojištění\n,Solo,anything\n".encode()

    assert translate(export, "export.csv", made).decode().splitlines() == [
        "name,language,kind",
        "Jana Nová,cs,insurance",
        "Solo,cs,internet",
    ]


def test_rows_of_a_kind_are_left_out_and_the_others_keep_their_lines() -> None:
    skipping = mapping(HEAD + INVOICES + '[invoices.skip]\n"Stav" = ["storno"]\n')
    export = HEADER + ROW.replace("ok", "storno") + ROW + ROW.replace("599,5", "x")

    with pytest.raises(InputRejected, match=r"line 4, column Zbývá \(open\): 'x' is no amount"):
        ours(export, skipping)
    assert ours(HEADER + ROW.replace("ok", "storno") + ROW, skipping)[1:] == [
        "",
        "26001,1001,2026-10-01,2026-10-15,1599.00,599.5",
    ]


def test_what_our_reader_refuses_is_named_by_their_column_and_line() -> None:
    data = translate((HEADER + "\n" + ROW.replace("26001", "x")).encode("cp1250"), "export.csv", mapping())

    with pytest.raises(InputRejected) as refused:
        read_invoices(data, "export.csv").require_good()
    assert [str(each) for each in in_their_words(refused.value, "export.csv", mapping()).problems] == [
        "line 3, column Číslo (number): 'x' is not a number of 1 to 10 digits"
    ]


@pytest.mark.parametrize(
    ("written", "comma", "read"),
    [
        ("599", True, "599"),
        ("599,00", True, "599.00"),
        ("1 599,00", True, "1599.00"),
        ("1\N{NO-BREAK SPACE}599,00", True, "1599.00"),
        ("1.599.000,5 CZK", True, "1599000.5"),
        ("-12,50", True, "-12.50"),
        ("599.00", False, "599.00"),
        ("1,599.00", False, "1599.00"),
    ],
)
def test_amounts_are_read_as_they_are_written(written: str, comma: bool, read: str) -> None:
    head = HEAD.replace("true", str(comma).lower())

    export = HEADER + ROW.replace("1 599,00 Kč", written).replace("599,5", "0")

    assert ours(export, mapping(head + INVOICES))[1].split(",")[4] == read


@pytest.mark.parametrize(
    ("written", "comma"), [("599.00", True), ("599,00", False), ("15,99.00", False), ("1,5,0", True)]
)
def test_a_point_that_may_be_a_comma_is_refused_instead_of_counting_a_hundredfold(written: str, comma: bool) -> None:
    head = HEAD.replace("true", str(comma).lower())
    export = HEADER + ROW.replace("1 599,00 Kč", written).replace("599,5", "0")

    with pytest.raises(InputRejected, match="is no amount with"):
        ours(export, mapping(head + INVOICES))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("encoding = ", "is not TOML"),
        ('encoding = "utf-16"', "encoding"),
        ("colour = 1", "colour"),
        (HEAD, r"\[invoices.columns\]: is missing"),
        (INVOICES + 'colour = "x"\n', r"\[invoices.columns\] colour: is not known"),
        (INVOICES + '[invoices.constants]\nopen = "0"\n', "open: is both a column and a constant"),
    ],
)
def test_a_mapping_that_can_not_be_meant_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputRejected, match=words):
        mapping(text)


@pytest.mark.parametrize(
    ("export", "words"),
    [
        (HEADER.replace("VS", "Var") + ROW, "line 1, column VS: is there 0 times; the columns are Číslo, Var"),
        (HEADER.replace("Stav", "VS") + ROW, "line 1, column VS: is there 2 times"),
        (
            HEADER + ROW.replace("15.10.2026", "31.9.2026"),
            r"line 2, column Splatnost \(due_on\): '31.9.2026' is not a day",
        ),
        (HEADER + ROW.replace(";ok", ""), "line 2: has 6 cells where the header has 7"),
        ("", "line 1, column Číslo: is there 0 times"),
    ],
)
def test_an_export_that_does_not_fit_is_refused_with_its_place(export: str, words: str) -> None:
    with pytest.raises(InputRejected, match=words):
        ours(export)


def test_another_encoding_than_the_mapping_says_is_refused() -> None:
    utf_8 = mapping((HEAD + INVOICES).replace("cp1250", "utf-8"))

    with pytest.raises(InputRejected, match="line 1: is not utf-8 text: see `encoding`"):
        translate(HEADER.encode("cp1250"), "export.csv", utf_8)


@given(st.binary(max_size=300))
def test_whatever_the_bytes_only_a_refusal_comes_out(data: bytes) -> None:
    for head in (HEAD, ""):
        try:
            made = translate(HEADER.encode("cp1250") + data, "export.csv", mapping(head + INVOICES))
            read_invoices(made, "export.csv").require_good()
        except InputRejected:
            continue


def test_an_optional_column_is_there_only_when_it_is_named() -> None:
    text, export = "[customers.columns]\nname = 'Name'\n", b"Name,ICO\nJana,123\n"
    with_it = read_mapping(f"{text}company_id = 'ICO'".encode(), "map.toml", "customers", ("name",), ("company_id",))
    without = read_mapping(text.encode(), "map.toml", "customers", ("name",), ("company_id",))

    assert translate(export, "export.csv", with_it) == b"name,company_id\nJana,123\n"
    assert translate(export, "export.csv", without) == b"name\nJana\n"
