"""`read`: the bytes of a bank's file -> its statements.

The invariant of this folder, in one sentence: **`read` returns checked statements or raises `StatementRejected`,
nothing else, ever.** The fuzz test holds it to that.
"""

from codecs import BOM_UTF8
from typing import Literal

from billing.payments.banks import fio, gpc
from billing.payments.banks.statement import Statement, rejected
from config.errors import Problem

Format = Literal["auto", "gpc", "fio"]

SIZE_BYTES_MAX = 64 * 1024 * 1024
_PARSERS = {"gpc": gpc.parse, "fio": fio.parse}
_FIRST_BYTES = {b"074": "gpc", b"{": "fio"}


def read(data: bytes, format: Format = "auto") -> list[Statement]:  # noqa: A002 - the word of the command line
    """Every statement of the file, each with sums that agree."""
    if len(data) > SIZE_BYTES_MAX:
        raise rejected(
            [Problem("file", f"has {len(data)} bytes, more than {SIZE_BYTES_MAX}")], "Export a shorter period."
        )
    return _PARSERS[_detect(data) if format == "auto" else format](data)


def _detect(data: bytes) -> str:
    start = data[:64].removeprefix(BOM_UTF8).lstrip()
    for first_bytes, name in _FIRST_BYTES.items():
        if start.startswith(first_bytes):
            return name
    raise rejected(
        [Problem("file", f"is neither GPC (begins with 074) nor Fio's JSON (begins with {{): {bytes(start[:8])!r}")],
        "Export the statement from the bank as GPC (also called ABO), or fetch Fio's JSON.",
    )
