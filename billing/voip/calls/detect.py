"""`read`: the bytes of a file of call records -> the records.

The invariant of this folder, in one sentence: **`read` returns records or raises `CallsRejected`, nothing else,
ever.** The fuzz test holds it to that.
"""

from codecs import BOM_UTF8
from typing import Literal
from zoneinfo import ZoneInfo

from billing.voip.calls import asterisk, freeswitch_csv, freeswitch_json, kamailio
from billing.voip.calls.record import CallRecord, Reading, Unreadable, cells, rejected
from config.errors import Problem

Format = Literal["auto", "asterisk", "freeswitch", "kamailio"]
FORMATS: tuple[Format, ...] = ("auto", "asterisk", "freeswitch", "kamailio")

SIZE_BYTES_MAX = 32 * 1024 * 1024
"""Some hundred thousand calls; a file of theirs is held in memory whole."""
START_BYTES = 64 * 1024


def read(data: bytes, zone: ZoneInfo, format: Format = "auto") -> list[CallRecord]:  # noqa: A002 - the command's word
    """Every record of the file; raises `CallsRejected` with each line that is none."""
    if len(data) > SIZE_BYTES_MAX:
        problem = Problem("file", f"is longer than {SIZE_BYTES_MAX / 1024**2:g} MiB; nothing of it was read")
        raise rejected([problem], "Let Hradlo follow it ([voip] calls_files), or split it between two lines.")
    reading = read_piece(data, zone, told(data) if format == "auto" else format)
    if reading.problems:
        raise rejected(reading.problems)
    return list(reading.records)


def read_piece(data: bytes, zone: ZoneInfo, format: Format, first_line: int = 1) -> Reading:  # noqa: A002
    """The same of whole lines out of a longer file: what can be read, and what can't."""
    match format:
        case "asterisk":
            return asterisk.parse(data, zone, first_line)
        case "kamailio":
            return kamailio.parse(data, first_line)
        case _:
            is_json = _start(data).startswith((b"{", b"["))
            return freeswitch_json.parse(data) if is_json else freeswitch_csv.parse(data, zone, first_line)


def told(data: bytes) -> Format:
    """The format by the content, of the first line that is of any; raises `CallsRejected`."""
    start = _start(data)
    if start.startswith((b"{", b"[")):
        return "freeswitch"
    for raw in start.split(b"\n"):
        line = raw.decode("utf-8", "replace").rstrip("\r")
        found = _told_by(line)
        if found is not None:
            return found
    raise rejected(
        [
            Problem("file", f"begins with {bytes(start[:20])!r}, which is none of the formats that were tried:"),
            Problem("asterisk", "Master.csv has 16 columns or more, and the start of the call in the tenth"),
            Problem("freeswitch", "JSON begins with {; the CSV has the start of the call in the fifth column"),
            Problem("kamailio", "lines begin like 1795876250|1795876252|1.711000|"),
        ]
    )


def _start(data: bytes) -> bytes:
    return data[:START_BYTES].removeprefix(BOM_UTF8).lstrip()


def _told_by(line: str) -> Format | None:
    if kamailio.is_line(line):
        return "kamailio"
    try:
        row = cells(line)
    except Unreadable:
        return None
    if asterisk.is_row(row):
        return "asterisk"
    return "freeswitch" if freeswitch_csv.is_row(row) else None
