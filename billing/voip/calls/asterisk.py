"""Asterisk's Master.csv (cdr_csv), one line a record:

    accountcode, src, dst, dcontext, clid, channel, dstchannel, lastapp, lastdata, start, answer, end, duration,
    billsec, disposition, amaflags [, uniqueid] [, userfield] [, peeraccount, linkedid, sequence]

The last columns are there by cdr.conf: `loguniqueid`, `loguserfield`, `newcdrcolumns`. With the unique id a record is
known by it and by its leg, because a call that rings in two places or is passed on has a record for each with the
same unique id. Without it, what stands in for it is a digest of the line: two lines that are equal to the letter are
then one call, which they are unless two calls of the same channels began in the same second.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from billing.voip.calls import local_time
from billing.voip.calls.record import (
    CallRecord,
    Disposition,
    Reading,
    Unreadable,
    agreeing,
    cells,
    identity,
    number,
    read_lines,
    seconds,
)

COLUMNS_MIN = 16
START, ANSWER, END = 9, 10, 11
_NEW_COLUMNS = 3
_CLOCK_BEFORE_CHANNEL_MAX = timedelta(minutes=1)
_UNIQUE_ID = re.compile(r"(?:[^\s,]{1,60}-)?([0-9]{9,10})\.[0-9]{1,12}", re.ASCII)
_DISPOSITIONS: dict[str, Disposition] = {
    "ANSWERED": "answered",
    "NO ANSWER": "unanswered",
    "BUSY": "busy",
    "FAILED": "failed",
    "CONGESTION": "failed",
}


def parse(data: bytes, zone: ZoneInfo, first_line: int = 1) -> Reading:
    """The records of a file, or of a piece of it that begins at that line."""
    return read_lines(data, first_line, partial(_record, zone=zone))


def is_row(row: Sequence[str]) -> bool:
    """Whether cells look like a line of this format."""
    return len(row) >= COLUMNS_MIN and local_time.is_stamp(row[START])


def _record(line: str, zone: ZoneInfo) -> CallRecord:
    row = cells(line)
    unique_id, created_at = _unique_id(row)
    duration, billed = seconds(row[12], "duration"), seconds(row[13], "billed time")
    disposition = _DISPOSITIONS.get(row[14])
    if disposition is None:
        raise Unreadable(f"its disposition {row[14][:40]!r} is none of {', '.join(_DISPOSITIONS)}")
    stamps = local_time.Stamps(row[START], row[ANSWER] if disposition == "answered" else "", row[END])
    at = local_time.times(stamps, duration, billed, zone, created_at)
    if created_at and at.started_at < created_at - _CLOCK_BEFORE_CHANNEL_MAX:
        raise Unreadable(
            f"it began at {at.started_at} before its channel was made ({created_at}): does the exchange write times of "
            f"another zone than {zone.key} (usegmtime)?"
        )
    return agreeing(
        CallRecord(
            source="asterisk",
            uid=f"{unique_id}-{_digest(row[2], row[6], row[START])}" if unique_id else f"line-{_digest(*row)}",
            call_id=unique_id,
            caller=number(row[1]),
            called=number(row[2]),
            started_at=at.started_at,
            answered_at=at.answered_at,
            ended_at=at.ended_at,
            billed_seconds=billed,
            disposition=disposition,
        )
    )


def _unique_id(row: Sequence[str]) -> tuple[str, datetime | None]:
    """The unique id, if the line has one, and the instant in it: when the channel was made."""
    optional = len(row) - COLUMNS_MIN
    if optional < 0:
        raise Unreadable(f"has {len(row)} columns, a record has at least {COLUMNS_MIN}")
    if optional >= _NEW_COLUMNS:
        optional -= _NEW_COLUMNS
    if optional > 2:
        raise Unreadable(f"has {len(row)} columns, more than any record")
    found = _UNIQUE_ID.fullmatch(row[COLUMNS_MIN]) if optional else None
    if found is None:
        if optional == 2:
            raise Unreadable(f"its unique id {row[COLUMNS_MIN][:40]!r} is none")
        return "", None  # one column more, and it is the user field
    return identity(found[0]), datetime.fromtimestamp(int(found[1]), UTC)


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode("utf-8", "replace")).hexdigest()[:16]
