"""Fio's CSV: the same movements as in its JSON, from the export and from the API."""

from dataclasses import replace

import pytest

from billing.money import Money
from billing.payments.banks import fio_csv
from billing.payments.banks.detect import read
from billing.payments.banks.fio_csv import parse
from config.errors import StatementRejected
from tests.billing.payments.banks.bank_files import fio_json

COLUMNS = (
    '"ID operace";"Datum";"Objem";"Měna";"Protiúčet";"Název protiúčtu";"Kód banky";"Název banky";"KS";"VS";"SS";'
    '"Poznámka";"Zpráva pro příjemce";"Typ";"Provedl";"Upřesnění";"Poznámka";"BIC";"ID pokynu"'
)
ROWS = (
    '"27000000001";"02.11.2026";"18 204,70";"CZK";"19-2000145399";"Růžička Tomáš";"0800";"ČS";"0308";"0000001001";'
    '"26000001";"";"za ""říjen""; díky";"Bezhotovostní příjem";"Tajná, Osoba";"";"";"";""\r\n'
    '"27000000002";"03.11.2026";"-100,5";"CZK";"";"";"";"";"";"";"";"";"";"Poplatek";"Tajná, Osoba";"";"";"";""\r\n'
)
HEAD = (
    '"Výpis č. 9/2026 z účtu ""2000123456/2010"""\r\n'
    '"Majitel účtu: WISP s.r.o., Praha"\r\n'
    '"Období: 01.11.2026 - 03.11.2026"\r\n'
    '"Počáteční stav účtu k 01.11.2026: 1 000,00 CZK"\r\n'
    '"Koncový stav účtu k 03.11.2026: 19104,20 CZK"\r\n'
    '"Suma příjmů: +18204,7 CZK"\r\n'
    '"Suma výdajů: -100,50 CZK"\r\n'
    '"Suma celkem: +18104,20 CZK"\r\n\r\n'
)
API_HEAD = (
    "accountId;2000123456\r\nbankId;2010\r\ncurrency;CZK\r\niban;CZ00\r\nbic;FIOBCZPPXXX\r\nopeningBalance;1000,00\r\n"
    "closingBalance;19104,20\r\ndateStart;01.11.2026\r\ndateEnd;03.11.2026\r\nyearList;2026\r\nidList;9\r\n\r\n"
)
EXPORT = f"{HEAD}{COLUMNS}\r\n{ROWS}"
API = f"{API_HEAD}{COLUMNS.replace('ID operace', 'ID pohybu')}\r\n{ROWS}"


def _refusal(text: str) -> str:
    with pytest.raises(StatementRejected) as refusal:
        parse(text.encode("utf-8-sig"))
    return str(refusal.value)


def _movement(*values: object) -> dict[str, dict[str, object]]:
    columns = (22, 0, 1, 14, 2, 3, 4, 5, 6, 10, 16)
    return {f"column{column}": {"value": value} for column, value in zip(columns, values, strict=False)}


def test_the_export_says_what_the_json_says() -> None:
    info = {
        "accountId": "2000123456", "bankId": "2010", "currency": "CZK", "yearList": 2026, "idList": 9,
        "openingBalance": Money(100000), "closingBalance": Money(1910420),
        "dateStart": "2026-11-01+0100", "dateEnd": "2026-11-03+0100",
    }  # fmt: skip
    credit = _movement(
        27000000001, "2026-11-02+0100", Money(1820470), "CZK", "19-2000145399", "0800", "0308", "0000001001",
        "26000001", "Růžička Tomáš", 'za "říjen"; díky',
    )  # fmt: skip
    debit = _movement(27000000002, "2026-11-03+0100", Money(-10050), "CZK")
    document = {"accountStatement": {"info": info, "transactionList": {"transaction": [credit, debit]}}}

    [from_csv] = parse(EXPORT.encode("utf-8-sig"))

    assert [replace(from_csv, credits=None, debits=None)] == read(fio_json(document))
    assert (from_csv.credits, from_csv.debits) == (Money(1820470), Money(10050))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1250"])
@pytest.mark.parametrize("text", [EXPORT, API, API.replace("\r\n", "\n")])
def test_it_is_known_by_its_content_in_every_form_and_encoding(text: str, encoding: str) -> None:
    [found] = read(text.encode(encoding))

    assert (found.account, found.number, found.currency) == ("2000123456/2010", "2026/9", "CZK")
    assert [(line.bank_ref, line.variable_symbol) for line in found.lines] == [
        ("fio-27000000001", "1001"),
        ("fio-27000000002", ""),
    ]
    assert found.lines[0].message == 'Růžička Tomáš za "říjen"; díky'


def test_who_entered_a_movement_is_nobodys_business() -> None:
    assert "Tajná" not in repr(parse(EXPORT.encode()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (EXPORT.replace("18 204,70", "18 204,71"), "make 19104.21, but the new balance is 19104.20"),
        (EXPORT.replace("+18204,7 ", "+18204,8 "), "its credits are 18204.70 in sum, but it states 18204.80"),
        (EXPORT.replace('"-100,5"', '"-100,5";""'), "line 12: has 20 columns instead of 19"),
        (EXPORT.replace('"-100,5"', '"1.234,5"'), "line 12: Objem: is not an amount"),
        (
            EXPORT.replace("03.11.2026;", "31.02.2026;").replace('"03.11.2026"', '"31.02.2026"'),
            "line 12: Datum: is not a date",
        ),
        (EXPORT.replace("27000000002", "270-2"), "line 12: ID operace: is not a number"),
        (EXPORT.replace("27000000002", "27000000001"), "the movement 'fio-27000000001' is in it 2 times"),
        (EXPORT.replace('-100,5";"CZK', '-100,5";"EUR'), "line 12: Měna: the currency 'EUR' is not the account's"),
        (EXPORT.replace('"VS"', '"WS"'), "the column VS is missing"),
        (EXPORT.replace('"ID operace"', '"Operace"'), "no line begins with the column ID operace or ID pohybu"),
        (f"{COLUMNS}\r\n{ROWS}", "openingBalance: the balance is missing; export a statement (výpis)"),
        (EXPORT.replace('2000123456/2010""', 'xyz""'), "the account is missing"),
        (EXPORT[: EXPORT.index("27000000002")], "line 12: not CSV with semicolons"),
        (EXPORT + EXPORT, "line 13: has 1 columns instead of 19"),
        ("x" * 200_000, "line 1: not CSV"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(text: str, message: str) -> None:
    assert message in _refusal(text)


def test_more_rows_than_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fio_csv, "ROWS_MAX", 1)

    assert "has more than 1 movements" in _refusal(EXPORT)
