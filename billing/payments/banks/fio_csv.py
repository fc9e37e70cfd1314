"""Fio's CSV: the statement that the internet banking exports, and what the API gives as CSV.

    Výpis č. 9/2026 z účtu "1000000005/2010"             accountId;1000000005
    Období: 01.09.2026 - 30.09.2026                      bankId;2010
    Počáteční stav účtu k 01.09.2026: 1 000,00 CZK       openingBalance;1000,00
    …                                                    …

    ID operace;Datum;Objem;Měna;Protiúčet;…              in both, in any order

Columns are known by their names. `ID operace` (`ID pohybu`) is column22 of the API, so a movement is the same
whichever way it comes. The column `Provedl` names the person who entered it; it is never read. A list of movements
without balances can't be checked and is refused.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from io import StringIO
from itertools import islice

from billing.money import Money
from billing.payments.banks.account import plain
from billing.payments.banks.amounts import amount
from billing.payments.banks.columns import decode
from billing.payments.banks.fio import ID_DIGITS_MAX
from billing.payments.banks.statement import (
    ACCOUNT_CHARACTERS_MAX,
    NUMBER_CHARACTERS_MAX,
    PROBLEMS_SHOWN_MAX,
    Statement,
    StatementLine,
    check,
    readable,
    rejected,
    symbol,
)
from config.errors import Problem

ID_COLUMNS = ("ID operace", "ID pohybu")
NEEDED_COLUMNS = ("Datum", "Objem", "Měna", "Protiúčet", "Kód banky", "KS", "VS", "SS")
TEXT_COLUMNS = ("Název protiúčtu", "Zpráva pro příjemce")
PREAMBLE_LINES_MAX = 40
ROWS_MAX = 500_000

_PREAMBLE = {
    "account": re.compile(r'Výpis č\. \S+ z účtu "?([0-9-]+/[0-9]{4})"?'),
    "number": re.compile(r"Výpis č\. ([0-9]+/[0-9]{4}) z účtu .*"),
    "dateStart": re.compile(r"Období: ([0-9.]+) - [0-9.]+"),
    "dateEnd": re.compile(r"Období: [0-9.]+ - ([0-9.]+)"),
    "openingBalance": re.compile(r"Počáteční stav účtu k [0-9.]+: (.+) [A-Z]{3}"),
    "closingBalance": re.compile(r"Koncový stav účtu k [0-9.]+: (.+) [A-Z]{3}"),
    "currency": re.compile(r"Koncový stav účtu k .* ([A-Z]{3})"),
    "credits": re.compile(r"Suma příjmů: (.+) [A-Z]{3}"),
    "debits": re.compile(r"Suma výdajů: (.+) [A-Z]{3}"),
}
_DAY = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")


class _Unreadable(ValueError):
    """A cell is not what its column promises."""


@dataclass(slots=True)
class _Sheet:
    """The file, taken apart but not understood."""

    facts: dict[str, str] = field(default_factory=dict)
    """What stands above the columns, by the names of the API."""
    columns: list[str] = field(default_factory=list)
    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    """Line number and cells."""


def parse(data: bytes) -> list[Statement]:
    """The one statement of the file, checked; or `StatementRejected`."""
    try:
        sheet = _sheet(_rows(decode(data)))
        problems: list[Problem] = []
        lines = []
        for number, cells in sheet.rows:
            try:
                lines.append(_line(_row(sheet.columns, cells), sheet.facts))
            except _Unreadable as error:
                problems.append(Problem(f"line {number}", str(error)))
            if len(problems) > PROBLEMS_SHOWN_MAX:
                break
        if problems:
            raise rejected(problems)
        statement = _statement(sheet.facts, tuple(lines))
    except _Unreadable as error:
        raise rejected([Problem("file", str(error))]) from None
    check(statement)
    return [statement]


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(StringIO(text, newline=""), delimiter=";", strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise rejected([Problem(f"line {reader.line_num}", f"not CSV with semicolons: {error}")]) from None


def _sheet(rows: Iterator[tuple[int, list[str]]]) -> _Sheet:
    sheet = _Sheet()
    for number, cells in rows:
        if cells[0].strip() in ID_COLUMNS:
            sheet.columns = [cell.strip() for cell in cells]
            break
        if number > PREAMBLE_LINES_MAX:
            break
        _learn(sheet.facts, cells)
    _require_facts(sheet)
    sheet.rows = list(islice(rows, ROWS_MAX + 1))
    if len(sheet.rows) > ROWS_MAX:
        raise _Unreadable(f"has more than {ROWS_MAX} movements: export a shorter period")
    return sheet


def _require_facts(sheet: _Sheet) -> None:
    if not sheet.columns:
        raise _Unreadable(f"no line begins with the column {' or '.join(ID_COLUMNS)}")
    missing = [name for name in NEEDED_COLUMNS if name not in sheet.columns]
    if missing:
        raise _Unreadable(f"the column {', '.join(missing)} is missing")
    for name in ("openingBalance", "closingBalance"):
        if not sheet.facts.get(name):
            message = f"{name}: the balance is missing; export a statement (výpis), not a list of movements"
            raise _Unreadable(message)


def _learn(facts: dict[str, str], cells: Sequence[str]) -> None:
    if len(cells) == 2:
        facts[cells[0].strip()] = cells[1].strip()
        return
    for name, pattern in _PREAMBLE.items():
        if found := pattern.fullmatch(cells[0].strip()):
            facts[name] = found[1]


def _row(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    if len(cells) != len(columns):
        raise _Unreadable(f"has {len(cells)} columns instead of {len(columns)}")
    # Of two columns with one name (Poznámka) the first counts.
    return dict(reversed(list(zip(columns, cells, strict=True))))


def _statement(facts: dict[str, str], lines: tuple[StatementLine, ...]) -> Statement:
    account = facts.get("account") or f"{facts.get('accountId', '')}/{facts.get('bankId', '')}".rstrip("/")
    number, _, year = facts.get("number", "").partition("/")
    number, year = number or facts.get("idList", ""), year or facts.get("yearList", "")
    return Statement(
        account=_account(account),
        number=readable(f"{year}/{number}" if number and year else number)[:NUMBER_CHARACTERS_MAX],
        opened_on=_day(facts.get("dateStart", ""), "dateStart"),
        closed_on=_day(facts.get("dateEnd", ""), "dateEnd"),
        old_balance=_money(facts["openingBalance"], "openingBalance"),
        new_balance=_money(facts["closingBalance"], "closingBalance"),
        lines=lines,
        credits=_money(facts["credits"], "Suma příjmů") if "credits" in facts else None,
        debits=-_money(facts["debits"], "Suma výdajů") if "debits" in facts else None,
        currency=facts.get("currency", ""),
    )


def _line(row: dict[str, str], facts: dict[str, str]) -> StatementLine:
    currency = row["Měna"].strip()
    if currency != facts.get("currency"):
        raise _Unreadable(f"Měna: the currency {currency[:10]!r} is not the account's")
    symbols, strays = _symbols(row)
    counter, bank = row["Protiúčet"].strip(), row["Kód banky"].strip()
    return StatementLine(
        bank_ref=f"fio-{_movement_id(next(row[name] for name in ID_COLUMNS if name in row))}",
        booked_on=_day(row["Datum"], "Datum"),
        amount=_money(row["Objem"], "Objem"),
        variable_symbol=symbols["VS"],
        specific_symbol=symbols["SS"],
        constant_symbol=symbols["KS"],
        counter_account=plain(f"{counter}/{bank}" if counter and bank else counter)[:ACCOUNT_CHARACTERS_MAX],
        message=readable(" ".join([*(row.get(name, "") for name in TEXT_COLUMNS), *strays])),
    )


def _symbols(row: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """The symbols; what a payer abroad put there and is no symbol becomes text for a person to read."""
    symbols, strays = {}, []
    for name in ("VS", "SS", "KS"):
        try:
            symbols[name] = symbol(row[name])
        except ValueError:
            symbols[name] = ""
            strays.append(row[name])
    return symbols, strays


def _movement_id(text: str) -> str:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= ID_DIGITS_MAX):
        raise _Unreadable(f"{ID_COLUMNS[0]}: is not a number of at most {ID_DIGITS_MAX} digits: {text[:40]!r}")
    return text.lstrip("0") or "0"


def _account(text: str) -> str:
    account = plain(text)
    if not account or len(account) > ACCOUNT_CHARACTERS_MAX:
        raise _Unreadable("accountId: the account is missing, or too long for one")
    return account


def _day(text: str, what: str) -> date:
    match = _DAY.fullmatch(text.strip())
    try:
        return date(int(match[3]), int(match[2]), int(match[1])) if match else date.fromisoformat(text.strip()[:10])
    except ValueError:
        raise _Unreadable(f"{what}: is not a date like 03.11.2026: {text[:40]!r}") from None


def _money(text: str, what: str) -> Money:
    try:
        return amount(text)
    except ValueError as error:
        raise _Unreadable(f"{what}: {error}") from None
