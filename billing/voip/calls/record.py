"""A call as Hradlo understands it once it is over, whichever exchange told of it and in whichever format.

A parser of this folder turns bytes into `CallRecord`s and has one invariant: it returns records and the problems of
the lines that are none, or raises `CallsRejected`, nothing else. `disagreements` is the other half of the promise: a
line whose times and seconds do not agree is refused, because one shifted column would charge a call that never was.
"""

import csv
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from config.counting import counted
from config.errors import CallsRejected, Problem

Source = Literal["asterisk", "freeswitch", "kamailio"]
Disposition = Literal["answered", "unanswered", "busy", "failed"]

PROBLEMS_SHOWN_MAX = 20
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2099, 12, 31, tzinfo=UTC)
CALL_LASTS_MAX = timedelta(days=7)
ROUNDING_SECONDS = 2
"""Exchanges round each instant and each duration for itself."""
NUMBER_CHARACTERS_MAX = 64
ID_CHARACTERS_MAX = 120
LINE_CHARACTERS_MAX = 16_384

_ID = re.compile(r"[0-9A-Za-z._@:+=-]{1,120}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,7}", re.ASCII)


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call, or one leg of it that is charged for itself. Instants are UTC."""

    source: Source
    uid: str
    """What makes this record the same one when it comes again; unique within the source."""
    call_id: str
    """What the exchange called the call when it asked whether it may begin, so that the hold is settled. A call that
    was passed on has more than one record with the same; empty where the format does not tell."""
    caller: str
    """As the exchange wrote it: it may be national, international, a name, or empty when withheld."""
    called: str
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime
    billed_seconds: int
    """From the answer to the end as the exchange counted it; 0 for a call that nobody answered."""
    disposition: Disposition


def disagreements(record: CallRecord) -> Iterator[str]:
    """What in a record contradicts itself, each as the end of a sentence that began with its place."""
    if not EARLIEST <= record.started_at <= record.ended_at <= LATEST:
        yield f"it runs from {record.started_at} to {record.ended_at}, which is no time of a call"
    if record.ended_at - record.started_at > CALL_LASTS_MAX:
        yield f"it lasts {record.ended_at - record.started_at}, longer than any call"
    if record.billed_seconds < 0:
        yield f"its billed seconds are {record.billed_seconds}"
    if (record.disposition == "answered") != (record.answered_at is not None):
        yield f"it is {record.disposition}, but its answer time is {record.answered_at or 'missing'}"
    if record.answered_at is None:
        if record.billed_seconds:
            yield f"it was not answered, but {record.billed_seconds} s are billed"
    elif not record.started_at <= record.answered_at <= record.ended_at:
        yield f"it was answered at {record.answered_at}, outside its time"
    elif abs(_seconds(record.answered_at, record.ended_at) - record.billed_seconds) > ROUNDING_SECONDS:
        talked = _seconds(record.answered_at, record.ended_at)
        yield f"{talked:g} s lie between answer and end, but {record.billed_seconds} s are billed"


def _seconds(since: datetime, until: datetime) -> float:
    return (until - since).total_seconds()


def rejected(
    problems: Sequence[Problem],
    remedy: str = "Import the file as the exchange wrote it; docs/voip.md says how each exchange is set up.",
) -> CallsRejected:
    """The error of this folder: the first problems with their places, and what to do."""
    shown = list(problems[:PROBLEMS_SHOWN_MAX])
    if len(problems) > len(shown):
        shown.append(Problem("further on", counted(len(problems) - len(shown), "more problem")))
    return CallsRejected("The call records were refused whole; nothing of them was stored:", shown, remedy)


class Unreadable(ValueError):
    """A line is no call record: why, as the end of a sentence that begins with its place."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a parser made of its bytes."""

    records: tuple[CallRecord, ...] = ()
    problems: tuple[Problem, ...] = ()
    """Of the lines that are no records, each with its place."""


def number(text: str) -> str:
    """A caller or a called as the exchange wrote it, for people to read, too; raises `Unreadable`."""
    text = text.strip()
    if len(text) > NUMBER_CHARACTERS_MAX or not text.isprintable():
        raise Unreadable(f"{text[:NUMBER_CHARACTERS_MAX]!r} is no number that can be called")
    return text


def identity(text: str) -> str:
    """An exchange's id of a call; raises `Unreadable`."""
    if not _ID.fullmatch(text):
        raise Unreadable(f"its id {text[:ID_CHARACTERS_MAX]!r} is none")
    return text


def seconds(text: str, what: str) -> int:
    """A whole number of seconds; raises `Unreadable`."""
    if not _SECONDS.fullmatch(text):
        raise Unreadable(f"its {what} {text[:40]!r} is no number of seconds")
    return int(text)


def agreeing(record: CallRecord) -> CallRecord:
    """The record, if it does not contradict itself; else raises `Unreadable` with all that it contradicts."""
    found = "; ".join(disagreements(record))
    if found:
        raise Unreadable(found)
    return record


def read_lines(data: bytes, first_line: int, read_line: Callable[[str], CallRecord | None]) -> Reading:
    """One record a line. A line is a line whatever its quotes say, so that a damaged one does not take its neighbours
    with it. Names of callers may be in any encoding: nothing that is read of a line is not ASCII.
    """
    records, problems = [], []
    for place, raw in enumerate(data.removeprefix(BOM_UTF8).split(b"\n"), start=first_line):
        line = raw.decode("utf-8", "replace").rstrip("\r")
        if not line.strip():
            continue
        try:
            if len(line) > LINE_CHARACTERS_MAX:
                raise Unreadable(f"has {len(line)} characters, more than any call record")
            record = read_line(line)
        except Unreadable as error:
            problems.append(Problem(f"line {place}", str(error)))
        else:
            records += [record] if record else []
    return Reading(tuple(records), tuple(problems))


def cells(line: str) -> list[str]:
    """A line of CSV with commas; raises `Unreadable`."""
    try:
        (row,) = csv.reader([line], strict=True)
    except (csv.Error, ValueError) as error:
        raise Unreadable(f"is no CSV: {error}") from None
    return row
