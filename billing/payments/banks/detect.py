"""`read`: the bytes of a bank's file -> its statements.

The invariant of this folder, in one sentence: **`read` returns checked statements or raises `StatementRejected`,
nothing else, ever.** The fuzz test holds it to that.
"""

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Sequence
from typing import Literal

from billing.payments.banks import camt, fio, fio_csv, gpc, mt940
from billing.payments.banks.statement import PROBLEMS_SHOWN_MAX, Statement, rejected
from config.errors import Problem

Format = Literal["auto", "gpc", "camt053", "mt940", "fio"]

SIZE_BYTES_MAX = 10 * 1024 * 1024
"""Some ten thousand movements. To read one takes up to seventeen times its size in memory, which the engine shares
with the network's state."""
START_BYTES = 4096
_SWIFT = re.compile(rb"(\{1:|:20:|:25:)")
_CSV = re.compile(rb'^"?(ID operace|ID pohybu|accountId)"?;|^"V\xc3?[\xbd\xfd\xec]pis ', re.MULTILINE)
"""ý is two bytes in UTF-8 and one in cp1250 or cp852."""


def read(data: bytes, format: Format = "auto") -> list[Statement]:  # noqa: A002 - the word of the command line
    """Every statement of the file, each with sums that agree, no movement twice."""
    if len(data) > SIZE_BYTES_MAX:
        too_long = Problem("file", f"is longer than {SIZE_BYTES_MAX / 1024**2:g} MiB; nothing of it was read")
        raise rejected([too_long], "Export shorter periods, a week or a day to each file.")
    statements = _read(data, _detect(data) if format == "auto" else format)
    problems = list(_repeated(statements))
    if problems:
        raise rejected(problems)
    return statements


def _read(data: bytes, name: str) -> list[Statement]:
    match name:
        case "gpc":
            return gpc.parse(data)
        case "camt053":
            return camt.parse(data)
        case "mt940":
            return mt940.parse(data)
        case _:
            return fio_csv.parse(data) if _looks_like_csv(data) else fio.parse(data)


def _detect(data: bytes) -> str:
    """The format by the content; a file's name proves nothing."""
    is_utf16 = data.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    start = data[:START_BYTES].removeprefix(BOM_UTF8).lstrip()
    if start.startswith(b"074"):
        return "gpc"
    if start.startswith(b"<") or (is_utf16 and start[2:].lstrip(b"\x00").startswith(b"<")):
        return "camt053"
    if _SWIFT.match(start):
        return "mt940"
    if start.startswith(b"{") or _looks_like_csv(data):
        return "fio"
    raise rejected(
        [
            Problem("file", f"begins with {bytes(start[:8])!r}, which is none of the formats that were tried:"),
            Problem("gpc", "GPC, also called ABO, begins with 074"),
            Problem("camt053", "camt.053, camt.052 and camt.054 are XML and begin with <"),
            Problem("mt940", "MT940 begins with :20: or {1:"),
            Problem("fio", "Fio's JSON begins with {, its CSV has a column ID operace or ID pohybu"),
        ],
        "Export the statement from the bank as GPC (also called ABO), camt.053 or MT940; docs/bank.md says where.",
    )


def _looks_like_csv(data: bytes) -> bool:
    start = data[:START_BYTES].removeprefix(BOM_UTF8).lstrip()
    return not start.startswith(b"{") and _CSV.search(start) is not None


def _repeated(statements: Sequence[Statement]) -> Iterator[Problem]:
    """A file that holds something twice was put together wrongly: which of the two is to be left out?"""
    places: dict[tuple[str, str], str] = {}
    seen: set[Statement] = set()
    found = 0
    for statement in statements:
        if statement in seen:
            yield Problem(statement.name, "is in the file twice")
            return
        seen.add(statement)
        for line in statement.lines:
            first = places.setdefault((statement.account, line.bank_ref), statement.name)
            if first is not statement.name and first != statement.name:
                found += 1
                yield Problem(statement.name, f"the movement {line.bank_ref!r} is also in {first}")
            if found > PROBLEMS_SHOWN_MAX:
                return
