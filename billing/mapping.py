"""Exports of other programs, read as if they were written for us: their columns, words, dates and commas.

    encoding = "cp1250"              # utf-8 if not given
    delimiter = ";"
    date_format = "%d.%m.%Y"
    decimal_comma = true

    [invoices.columns]               # our column = theirs; several are joined by a space
    number = "Číslo dokladu"
    [invoices.constants]             # our column = the same in every row
    open = "0"
    [customers.values.language]      # our column: their word = ours; "*" stands for any other
    "čeština" = "cs"
    [invoices.skip]                  # their column = rows with one of these words are left out
    "Stav" = ["stornováno"]

The export is translated into a file of our own, line by line, and read by the same reader as ever; so whatever is
wrong is found by the same rules, and its line is theirs.
"""

import csv
import io
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from config.errors import InputRejected, Problem

Kind = Literal["customers", "services", "invoices", "credits"]

AMOUNTS = frozenset(("price", "total", "open", "amount"))
ANY_OTHER = "*"
NEWLINE = b"\n"
_SPACES = re.compile(r"\s+")
_AMOUNT = r"(-?(?:[0-9]+|[0-9]{{1,3}}(?:[ {0}][0-9]{{3}})+)(?:{1}[0-9]{{1,2}})?) ?(?:Kč|CZK|€|EUR)?"
_AMOUNTS = {True: re.compile(_AMOUNT.format(r"\.", ",")), False: re.compile(_AMOUNT.format(",", r"\."))}
_COLUMN_AT_END = re.compile(r", column (\w+)$")


class Table(BaseModel):
    """How one of our files is made of one of theirs."""

    model_config = ConfigDict(extra="forbid")

    columns: dict[str, list[str]] = {}
    constants: dict[str, str] = {}
    values: dict[str, dict[str, str]] = {}
    skip: dict[str, list[str]] = {}

    @field_validator("columns", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, columns: object) -> object:
        if not isinstance(columns, dict):
            return columns
        return {ours: [theirs] if isinstance(theirs, str) else theirs for ours, theirs in columns.items()}


class MappingFile(BaseModel):
    """The whole file: what all tables share, and the tables."""

    model_config = ConfigDict(extra="forbid")

    encoding: Literal["utf-8", "cp1250", "cp852", "iso-8859-2"] = "utf-8"
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    date_format: str = "%Y-%m-%d"
    decimal_comma: bool = False
    customers: Table | None = None
    services: Table | None = None
    invoices: Table | None = None
    credits: Table | None = None


@dataclass(frozen=True)
class Translation:
    """The mapping of one kind of file, checked against our columns."""

    file: MappingFile
    table: Table
    columns: tuple[str, ...]

    def theirs(self, ours: str) -> str:
        """How their export calls it, for messages."""
        return " + ".join(self.table.columns.get(ours, []))


def read_mapping(
    data: bytes, source: str, kind: Kind, columns: Sequence[str], optional: Sequence[str] = ()
) -> Translation:
    """Reads a mapping file for one kind; `optional` columns are there only when the mapping names them.

    Raises `InputRejected` with everything that is wrong with it.
    """
    try:
        file = MappingFile.model_validate(tomllib.loads(data.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        raise _rejected(source, [Problem(source, "is not UTF-8 text")]) from error
    except tomllib.TOMLDecodeError as error:
        raise _rejected(source, [Problem(source, f"is not TOML: {error}")]) from error
    except ValidationError as error:
        wrong = [Problem(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]
        raise _rejected(source, wrong) from error
    table: Table | None = getattr(file, kind)
    if table is None or not table.columns:
        raise _rejected(source, [Problem(f"[{kind}.columns]", "is missing: our columns = theirs")])
    used = (("columns", table.columns), ("constants", table.constants), ("values", table.values))
    wrong = [
        Problem(f"[{kind}.{part}] {name}", f"is not known; our columns are {', '.join((*columns, *optional))}")
        for part, names in used
        for name in names
        if name not in (*columns, *optional)
    ]
    twice = table.columns.keys() & table.constants.keys()
    wrong += [Problem(f"[{kind}] {name}", "is both a column and a constant") for name in sorted(twice)]
    if wrong:
        raise _rejected(source, wrong)
    named = (name for name in optional if name in table.columns or name in table.constants)
    return Translation(file, table, (*columns, *named))


def _rejected(source: str, problems: Sequence[Problem]) -> InputRejected:
    return InputRejected(f"{source} was refused; nothing was imported.", problems)


def translate(data: bytes, source: str, mapping: Translation) -> bytes:
    """Their export as our file; raises `InputRejected` for what can't be read as the mapping says."""
    problems: list[Problem] = []
    made = io.StringIO(newline="")
    writer = csv.writer(made, lineterminator="\n")
    line = 1
    for at, cells in _rows(data, source, mapping, problems):
        made.write("\n" * (at - line))  # so that a row keeps its line, whatever was left out before it
        writer.writerow(cells)
        line = at + 1
    if problems:
        raise _rejected(source, problems)
    return made.getvalue().encode()


def _rows(
    data: bytes, source: str, mapping: Translation, problems: list[Problem]
) -> Iterator[tuple[int, Sequence[str]]]:
    """Our header, then each of their rows as one of ours, with the line that it begins in."""
    lines = _lines(data, source, mapping.file)
    header = [name.strip() for name in next(lines, (1, []))[1]]
    places = _places(header, source, mapping)
    yield 1, mapping.columns
    for line, cells in lines:
        if len(cells) != len(header):
            problems.append(Problem(f"line {line}", f"has {len(cells)} cells where the header has {len(header)}"))
            continue
        theirs = [_SPACES.sub(" ", cell).strip() for cell in cells]
        if not any(theirs[places[name]] in words for name, words in mapping.table.skip.items()):
            yield line, [_cell(ours, theirs, places, mapping, line, problems) for ours in mapping.columns]


def _lines(data: bytes, source: str, file: MappingFile) -> Iterator[tuple[int, list[str]]]:
    try:
        text = data.decode("utf-8-sig" if file.encoding == "utf-8" else file.encoding)
    except UnicodeDecodeError as error:
        place = f"line {data.count(NEWLINE, 0, error.start) + 1}"
        raise _rejected(source, [Problem(place, f"is not {file.encoding} text: see `encoding`")]) from error
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=file.delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise _rejected(source, [Problem(f"line {line}", f"is not CSV ({error})")]) from error


def _places(header: Sequence[str], source: str, mapping: Translation) -> dict[str, int]:
    """Where the columns are that the mapping names."""
    used = [theirs for names in mapping.table.columns.values() for theirs in names] + list(mapping.table.skip)
    there = ", ".join(header[:40])
    problems = [
        Problem(f"line 1, column {name}", f"is there {header.count(name)} times; the columns are {there}")
        for name in dict.fromkeys(used)
        if header.count(name) != 1
    ]
    if problems:
        raise _rejected(source, problems)
    return {name: header.index(name) for name in used}


def _cell(
    ours: str,
    theirs: Sequence[str],
    places: Mapping[str, int],
    mapping: Translation,
    line: int,
    problems: list[Problem],
) -> str:
    table = mapping.table
    if ours in table.constants:
        return table.constants[ours]
    parts = (theirs[places[name]] for name in table.columns.get(ours, ()))
    text = " ".join(part for part in parts if part)
    words = table.values.get(ours, {})
    if text in words or ANY_OTHER in words:
        return words.get(text, words.get(ANY_OTHER, ""))
    try:
        return _converted(ours, text, mapping.file)
    except ValueError as error:
        problems.append(Problem(f"line {line}, column {mapping.theirs(ours)} ({ours})", str(error)))
        return text


def _converted(ours: str, text: str, file: MappingFile) -> str:
    if text and (ours == "on" or ours.endswith("_on")):
        try:
            return datetime.strptime(text, file.date_format).date().isoformat()  # noqa: DTZ007 (a day has no zone)
        except ValueError:
            raise ValueError(f"{text!r} is not a day written as `date_format` {file.date_format} says") from None
    return _amount(text, file) if text and ours in AMOUNTS else text


def _amount(text: str, file: MappingFile) -> str:
    """An amount with a point, as we read it; a point that may be a comma is refused, not guessed."""
    thousands, decimal = (".", ",") if file.decimal_comma else (",", ".")
    found = _AMOUNTS[file.decimal_comma].fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no amount with {decimal!r} before its hundredths: see `decimal_comma`")
    return found[1].replace(" ", "").replace(thousands, "").replace(decimal, ".")


def in_their_words(error: InputRejected, source: str, mapping: Translation) -> InputRejected:
    """The same refusal, with the columns as their export calls them."""

    def renamed(place: str) -> str:
        found = _COLUMN_AT_END.search(place)
        theirs = mapping.theirs(found[1]) if found else ""
        return f"{place[: found.start()]}, column {theirs} ({found[1]})" if found and theirs else place

    return _rejected(source, [Problem(renamed(each.place), each.message) for each in error.problems])
