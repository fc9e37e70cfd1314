"""Kamailio's call records as `docs/exchange/kamailio.cfg` has them written (acc's CDRs by db_flatstore), one a line:

    start|end|duration|id|caller|called|invited|answered

start (of the answered call) and end are seconds since 1970 in UTC, the duration has milliseconds, invited and answered
microseconds; answered is empty when nobody answered. Of the duration, whole seconds are billed: the call that is cut
at its limit ends some tenths of a second later, which is nobody's cost.
"""

import re
from datetime import UTC, datetime

from billing.voip.calls.record import (
    CallRecord,
    Disposition,
    Reading,
    Unreadable,
    agreeing,
    identity,
    number,
    read_lines,
)

COLUMNS = 8
_EPOCH = re.compile(r"([0-9]{9,10})(?:\.[0-9]{1,6})?", re.ASCII)
_DURATION = re.compile(r"([0-9]{1,7})\.[0-9]{1,6}", re.ASCII)
_LINE = re.compile(r"[0-9]{9,10}\|[0-9]{9,10}\|[0-9]{1,7}\.[0-9]{1,6}\|", re.ASCII)


def parse(data: bytes, first_line: int = 1) -> Reading:
    """The records of a file, or of a piece of it that begins at that line."""
    return read_lines(data, first_line, _record)


def is_line(line: str) -> bool:
    """Whether it looks like a line of this format."""
    return _LINE.match(line) is not None


def _record(line: str) -> CallRecord:
    row = line.split("|")
    if len(row) != COLUMNS:
        raise Unreadable(f"has {len(row)} columns instead of {COLUMNS}")
    start, end, duration, uid, caller, called, invited, answered = row
    talked = _DURATION.fullmatch(duration)
    if talked is None:
        raise Unreadable(f"its duration {duration[:40]!r} is no number of seconds like 61.250000")
    disposition: Disposition = "answered" if answered else "unanswered"
    return agreeing(
        CallRecord(
            source="kamailio",
            uid=identity(uid),
            call_id=uid,
            caller=number(caller),
            called=number(called),
            started_at=_instant(invited, "invited"),
            answered_at=_instant(start, "start") if answered else None,
            ended_at=_instant(end, "end"),
            billed_seconds=int(talked[1]),
            disposition=disposition,
        )
    )


def _instant(text: str, what: str) -> datetime:
    """The second; what stands behind its point would only make instants of one line disagree."""
    found = _EPOCH.fullmatch(text)
    if found is None:
        raise Unreadable(f"its {what} {text[:40]!r} is no number of seconds since 1970")
    return datetime.fromtimestamp(int(found[1]), UTC)
