"""FreeSWITCH's CSV (mod_cdr_csv, template `example`, the default), one line a call's first leg:

    caller_id_name, caller_id_number, destination_number, context, start_stamp, answer_stamp, end_stamp, duration,
    billsec, hangup_cause, uuid, bleg_uuid, accountcode, read_codec, write_codec

Times are the exchange's wall clock; `freeswitch_json` has them in UTC and is better in the night when clocks go back.
"""

from collections.abc import Sequence
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

COLUMNS_MIN, COLUMNS_MAX = 13, 20
START = 4
_UNANSWERED = frozenset(("NO_ANSWER", "ORIGINATOR_CANCEL", "NO_USER_RESPONSE", "ALLOTTED_TIMEOUT", "NORMAL_CLEARING"))


def parse(data: bytes, zone: ZoneInfo, first_line: int = 1) -> Reading:
    """The records of a file, or of a piece of it that begins at that line."""
    return read_lines(data, first_line, partial(_record, zone=zone))


def is_row(row: Sequence[str]) -> bool:
    """Whether cells look like a line of this format."""
    return COLUMNS_MIN <= len(row) <= COLUMNS_MAX and local_time.is_stamp(row[START])


def disposition(hangup_cause: str, *, was_answered: bool) -> Disposition:
    """How a call went, by its cause of Q.850 as FreeSWITCH names it."""
    if was_answered:
        return "answered"
    if hangup_cause == "USER_BUSY":
        return "busy"
    return "unanswered" if hangup_cause in _UNANSWERED else "failed"


def _record(line: str, zone: ZoneInfo) -> CallRecord:
    row = cells(line)
    if not COLUMNS_MIN <= len(row) <= COLUMNS_MAX:
        raise Unreadable(f"has {len(row)} columns, a record has {COLUMNS_MIN} to {COLUMNS_MAX}")
    duration, billed = seconds(row[7], "duration"), seconds(row[8], "billed time")
    at = local_time.times(local_time.Stamps(row[START], row[5], row[6]), duration, billed, zone)
    uuid = identity(row[10])
    return agreeing(
        CallRecord(
            source="freeswitch",
            uid=uuid,
            call_id=uuid,
            caller=number(row[1]),
            called=number(row[2]),
            started_at=at.started_at,
            answered_at=at.answered_at,
            ended_at=at.ended_at,
            billed_seconds=billed,
            disposition=disposition(row[9], was_answered=at.answered_at is not None),
        )
    )
