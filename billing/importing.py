"""Reading an admin's CSV file: UTF-8, a header row, commas; every bad cell named by line and column.

    sheet = read(data, "customers.csv", COLUMNS, _customer)      # parsed rows, and problems so far
    sheet.refuse(row.line, "customer_number", "there is no …")   # what only the database knows
    sheet.require_good()                                         # raises `InputRejected` with all problems

So a file is refused whole, with everything that is wrong with it, and one round of mending is enough.
"""

import csv
import io
import os
import re
import unicodedata
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Generic, Protocol, TypeVar

from billing.money import Money
from config.counting import counted
from config.errors import InputRejected, Problem


class Parsed(Protocol):
    """A row as its room parsed it."""

    @property
    def line(self) -> int:
        """Where it stands in the file."""
        ...


P = TypeVar("P", bound=Parsed)
Value = TypeVar("Value")

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DIGITS = re.compile(r"\d{1,20}", re.ASCII)
_HIDDEN_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
_CHUNK_ROWS = 5_000
PROBLEMS_SHOWN_MAX = 100
SYMBOL_DIGITS_MAX = 10


@dataclass(frozen=True, slots=True)
class Report:
    """What an import did. `warnings` are rows that were taken although they look odd."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    warnings: tuple[Problem, ...] = ()


@dataclass
class Sheet(Generic[P]):
    """The rows of a file that could be parsed, and what is wrong with the others."""

    source: str
    rows: list[P] = field(default_factory=list)
    _problems: list[tuple[int, Problem]] = field(default_factory=list)

    def refuse(self, line: int, column: str, message: str) -> None:
        place = f"line {line}, column {column}" if column else f"line {line}"
        self._problems.append((line, Problem(place, message)))

    def require_good(self) -> None:
        """Raises `InputRejected` with the first problems in the order of the lines, and how many more there are."""
        if self._problems:
            in_order = [problem for _, problem in sorted(self._problems, key=lambda item: item[0])]
            shown = in_order[:PROBLEMS_SHOWN_MAX]
            if more := len(in_order) - len(shown):
                shown.append(Problem("further on", counted(more, "more problem")))
            raise InputRejected(f"{self.source} was refused; nothing of it was imported.", shown)

    def refuse_repeated(self, column: str, key: Callable[[P], Hashable]) -> None:
        """Names every row whose key an earlier row has already."""
        first: dict[Hashable, int] = {}
        for row in self.rows:
            earlier = first.setdefault(key(row), row.line)
            if earlier != row.line:
                self.refuse(row.line, column, f"is the same as in line {earlier}")


class Row:
    """The cells of one line; what can't be read is refused, and a stand-in returned, so that all is looked at."""

    def __init__(self, sheet: Sheet[Any], line: int, cells: dict[str, str]) -> None:
        self._sheet = sheet
        self._cells = cells
        self.line = line
        self.is_good = True

    def refuse(self, column: str, message: str) -> None:
        self.is_good = False
        self._sheet.refuse(self.line, column, message)

    def has(self, column: str) -> bool:
        """Whether the file has this column at all: one that may be missing says nothing then."""
        return column in self._cells

    def read(self, column: str, parse: Callable[[str], Value], stand_in: Value) -> Value:
        """The cell as `parse` reads it; its `ValueError` is the refusal."""
        try:
            return parse(self._cells[column])
        except ValueError as error:
            self.refuse(column, str(error))
            return stand_in

    def text(self, column: str, length_max: int, *, is_needed: bool = False) -> str:
        cell = self._cells[column]
        if len(cell) > length_max:
            self.refuse(column, f"has {len(cell)} characters, {length_max} are allowed")
        if is_needed and not cell:
            self.refuse(column, "is empty")
        return cell

    def choice(self, column: str, choices: Sequence[str]) -> str:
        cell = self._cells[column]
        if cell not in choices:
            self.refuse(column, f"{cell!r} is none of {', '.join(choices)}")
        return cell

    def choice_or_none(self, column: str, choices: Sequence[str]) -> str | None:
        """None for an empty cell."""
        return self.choice(column, choices) if self._cells[column] else None

    def date_or_none(self, column: str) -> date | None:
        """None for an empty cell, and where the column is missing."""
        return self.date(column) if self._cells.get(column) else None

    def date(self, column: str) -> date:
        return self.read(column, iso_date, date.min)

    def money(self, column: str) -> Money:
        return self.read(column, Money.parse, Money())

    def symbol(self, column: str) -> str:
        return self.read(column, symbol, "")


def in_chunks(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """The values in lists that fit into one statement of every database."""
    for start in range(0, len(values), _CHUNK_ROWS):
        yield values[start : start + _CHUNK_ROWS]


def storable(file_name: str) -> str:
    """A file's name as a database takes it: what is not UTF-8 in it (old FTP programs) is written as ``\\xfd``."""
    return os.fsencode(file_name).decode("utf-8", "backslashreplace")


def iso_date(text: str) -> date:
    """Reads ``2026-01-31`` and nothing else."""
    if not _ISO_DATE.fullmatch(text):
        raise ValueError(f"{text!r} is not a date: write it like 2026-01-31")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is a day that does not exist") from None


def symbol(text: str) -> str:
    """A number that payments carry as a symbol: 1 to 10 digits; leading zeros mean nothing."""
    significant = text.lstrip("0")
    if not _DIGITS.fullmatch(text) or not 1 <= len(significant) <= SYMBOL_DIGITS_MAX:
        raise ValueError(f"{text!r} is not a number of 1 to {SYMBOL_DIGITS_MAX} digits")
    return significant


def read(
    data: bytes, source: str, columns: Sequence[str], parse: Callable[[Row], P], *, optional: Sequence[str] = ()
) -> Sheet[P]:
    """Reads a whole file; `optional` columns may be missing (`Row.has`).

    A header that is wrong is refused at once, bad rows together (`Sheet.require_good`).
    """
    sheet: Sheet[P] = Sheet(source)
    lines = _lines(_decoded(data, sheet), sheet)
    header = next(lines, (1, []))[1]
    _check_header(header, columns, optional, sheet)
    for line, cells in lines:
        if len(cells) != len(header):
            sheet.refuse(line, "", f"has {len(cells)} cells where the header has {len(header)}")
            continue
        row = Row(sheet, line, dict(zip(header, (cell.strip() for cell in cells), strict=True)))
        _refuse_hidden_characters(row, header, cells)
        parsed = parse(row)
        if row.is_good:
            sheet.rows.append(parsed)
    return sheet


def _decoded(data: bytes, sheet: Sheet[Any]) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        sheet.refuse(data.count(b"\n", 0, error.start) + 1, "", "is not UTF-8 text: save the file as UTF-8")
        sheet.require_good()
        raise


def _lines(text: str, sheet: Sheet[Any]) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not empty, each with the number of its first line in the file."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        sheet.refuse(line, "", f"is not CSV ({error})")
        sheet.require_good()


def _check_header(header: Sequence[str], columns: Sequence[str], optional: Sequence[str], sheet: Sheet[Any]) -> None:
    if len(header) == 1 and ";" in header[0]:
        sheet.refuse(1, "", "has semicolons between the columns: save the file with commas")
        sheet.require_good()
    for name in columns:
        if name not in header:
            sheet.refuse(1, name, "is missing")
    for position, name in enumerate(header):
        if name not in (*columns, *optional):
            known = ",".join((*columns, *optional))
            sheet.refuse(1, name or str(position + 1), f"is not known; the columns are {known}")
        elif name in header[:position]:
            sheet.refuse(1, name, "stands there twice")
    sheet.require_good()


def _refuse_hidden_characters(row: Row, header: Sequence[str], cells: Sequence[str]) -> None:
    """Line ends, control and direction marks would reach mails, terminals and the notice page."""
    for column, cell in zip(header, cells, strict=True):
        if cell.isprintable():
            continue
        hidden = next((c for c in cell.strip() if unicodedata.category(c) in _HIDDEN_CATEGORIES), "")
        if hidden:
            row.refuse(column, f"has a hidden character (U+{ord(hidden):04X})")
