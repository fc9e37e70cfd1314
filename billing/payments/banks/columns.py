"""Fixed columns: the lines of a GPC file, their fields by column, and the encoding they are written in.

A field that is not what its columns promise raises `Unreadable` with the line and the columns, as an admin
counts them in an editor: from 1.
"""

from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from billing.money import Money
from billing.payments.banks.statement import symbol
from config.errors import Problem

CENTURY = 2000
_LETTERS = "áčďéěíňóřšťúůýžÁČĎÉĚÍŇÓŘŠŤÚŮÝŽäöü"
"""Of names in Czech statements. The capitals ÄÖÜ stay out: in cp1250 they are the bytes that begin UTF-8 letters."""


class Unreadable(Exception):
    """One field is not what its columns promise."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the file with its number; fields are asked for by their first and last column."""

    number: int
    text: str

    @property
    def kind(self) -> str:
        return self.text[:3]

    def field(self, first: int, last: int) -> str:
        return self.text[first - 1 : last]

    def unreadable(self, first: int, last: int, message: str) -> Unreadable:
        columns = f"columns {first}-{last}" if last > first else f"column {first}"
        return Unreadable(Problem(f"line {self.number}, {columns}", message))

    def require(self, characters: int) -> None:
        if len(self.text) < characters:
            what = f"missing: a {self.kind} record has {characters} characters, this line ends after {len(self.text)}"
            raise self.unreadable(len(self.text) + 1, characters, what)

    def digits(self, first: int, last: int, what: str) -> str:
        text = self.field(first, last)
        if not (text.isascii() and text.isdigit()):
            raise self.unreadable(first, last, f"{what} is not a number: {text!r}")
        return text

    def digits_or_blank(self, first: int, last: int, what: str) -> str:
        return self.digits(first, last, what) if self.field(first, last).strip() else ""

    def signed(self, first: int, last: int, what: str) -> Money:
        """An amount whose sign stands in the column after it."""
        sign = self.field(last + 1, last + 1)
        if sign not in ("+", "-", "0", " "):
            raise self.unreadable(last + 1, last + 1, f"the sign of {what} is neither + nor -: {sign!r}")
        amount = Money(int(self.digits(first, last, what)))
        return -amount if sign == "-" else amount

    def turnover(self, first: int, last: int, what: str) -> Money | None:
        """An amount that a bank may leave out."""
        return self.signed(first, last, what) if self.field(first, last).strip() else None

    def symbol(self, first: int, last: int, what: str) -> str:
        try:
            return symbol(self.field(first, last))
        except ValueError as error:
            raise self.unreadable(first, last, f"{what} {error}") from None

    def day(self, first: int, last: int, what: str) -> date:
        text = self.digits(first, last, what)
        try:
            return date(CENTURY + int(text[4:]), int(text[2:4]), int(text[:2]))
        except ValueError:
            raise self.unreadable(first, last, f"{what} is not a date ddmmyy: {text!r}") from None


def decode(data: bytes, *likely: str) -> str:
    """UTF-8 with a byte order mark; else the encoding in which most letters of Czech names are found.

    Of equals it is UTF-8 if that is valid, then `likely`, or else cp1250 before cp852. Valid UTF-8 alone proves
    nothing: the cp1250 bytes of ÍŠ are a valid character too. Digits are ASCII in each, so a wrong guess can't spoil
    an amount.
    """
    if data.startswith(BOM_UTF8):
        return data.removeprefix(BOM_UTF8).decode("utf-8", errors="replace")
    if data.isascii():
        return data.decode("ascii")
    encodings = ["utf-8", *(likely or ("cp1250", "cp852"))]
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        encodings.remove("utf-8")
    best = max(encodings, key=lambda encoding: _letters(data, encoding))
    return data.decode(best, errors="replace")


def _letters(data: bytes, encoding: str) -> int:
    return sum(data.count(letter.encode(encoding)) for letter in _LETTERS)


def records(text: str) -> Iterator[Record]:
    """The lines that hold something, one at a time: a hostile file of 64 MiB must not become a list of lines."""
    number, start = 1, 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        line = text[start:end].rstrip("\r\x1a")  # \x1a ends a file that DOS wrote
        if line and not line.isspace():
            yield Record(number, line)
        number, start = number + 1, end + 1
