"""When a call was, where the exchange writes wall-clock time without saying in which zone. Pure.

It is read in `isp.timezone`. In the night when clocks go back, an hour is written twice: the reading is taken in
which start, answer and end lie as far apart as the record's own seconds say; if both are possible (the whole call
lies in that hour), the one nearer to the instant that the call's id bears; without such an id, the earlier. An hour
that clocks left out in spring proves that the exchange runs in another zone, and is refused.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import product
from typing import NamedTuple
from zoneinfo import ZoneInfo

from billing.voip.calls.record import ROUNDING_SECONDS, Unreadable

_STAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", re.ASCII)


class Times(NamedTuple):
    """Of one call, in UTC."""

    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime


class Stamps(NamedTuple):
    """The same as the exchange wrote them; the answer is empty when nobody answered."""

    start: str
    answer: str
    end: str


def is_stamp(text: str) -> bool:
    return _STAMP.fullmatch(text) is not None


def times(
    stamps: Stamps, duration_seconds: int, billed_seconds: int, zone: ZoneInfo, near: datetime | None = None
) -> Times:
    """The instants; raises `Unreadable` where none fit the seconds."""
    starts, ends = _instants(stamps.start, "start", zone), _instants(stamps.end, "end", zone)
    fitting = [pair for pair in product(starts, ends) if _is_apart(*pair, duration_seconds)]
    if not fitting:
        apart = (ends[0] - starts[0]).total_seconds()
        raise Unreadable(f"{apart:g} s lie between start and end, but it says that it lasted {duration_seconds} s")
    started_at, ended_at = min(fitting, key=lambda pair: abs(pair[0] - (near or pair[0])))
    if not stamps.answer:
        return Times(started_at, None, ended_at)
    answered_at = min(
        _instants(stamps.answer, "answer", zone),
        key=lambda at: abs((ended_at - at).total_seconds() - billed_seconds),
    )
    return Times(started_at, answered_at, ended_at)


def _is_apart(since: datetime, until: datetime, by_seconds: int) -> bool:
    return abs((until - since).total_seconds() - by_seconds) <= ROUNDING_SECONDS


def _instants(stamp: str, what: str, zone: ZoneInfo) -> list[datetime]:
    """Each instant at which clocks of the zone showed this, the earlier first."""
    try:
        shown = datetime.fromisoformat(stamp) if is_stamp(stamp) else None
    except ValueError:
        shown = None
    if shown is None:
        raise Unreadable(f"its {what} {stamp[:40]!r} is no time like 2026-11-28 14:15:21")
    offsets = _offsets(shown.replace(second=0), zone)
    if not offsets:
        raise Unreadable(f"its {what} {stamp} did not exist in {zone.key}: does the exchange run in another zone?")
    return [(shown - offset).replace(tzinfo=UTC) for offset in offsets]


@lru_cache(maxsize=4096)
def _offsets(shown: datetime, zone: ZoneInfo) -> tuple[timedelta, ...]:
    """From UTC, the larger first: summer time comes before winter time."""
    found: set[timedelta] = set()
    for fold in (0, 1):
        offset = shown.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta()
        try:
            back = (shown - offset).replace(tzinfo=UTC).astimezone(zone)
        except OverflowError:
            continue
        if back.replace(tzinfo=None, fold=0) == shown:
            found.add(offset)
    return tuple(sorted(found, reverse=True))
