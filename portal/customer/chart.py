"""Transferred data as a chart: no gap between its bars, a round number at its top. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from billing.services.usage import UsageRow
from portal.pages import unit_of

_LABELS = 3
_ROUND = (1, 2, 3, 4, 5, 6, 8, 10)
"""Times a power of ten: also the half of it is a short number."""


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template needs besides the rows."""

    top: int
    """Bytes at the upper edge."""
    unit: str
    """In which the table counts."""
    labelled: tuple[UsageRow, ...]
    """Rows whose time stands below the chart: the first, one in the middle, the last."""


def chart(rows: Sequence[UsageRow]) -> Chart:
    most = max((max(row.down_bytes, row.up_bytes) for row in rows), default=0)
    places = sorted({0, len(rows) // 2, len(rows) - 1}) if len(rows) >= _LABELS else range(len(rows))
    return Chart(round_above(most), unit_of(most), tuple(rows[place] for place in places))


def round_above(most: int) -> int:
    """The smallest round number that is not below `most`; at least 1."""
    power = 1
    while power * 10 < most:
        power *= 10
    return next((power * times for times in _ROUND if power * times >= most), power)


def filled(rows: Sequence[UsageRow], span: str, zone: ZoneInfo) -> list[UsageRow]:
    """The rows, with zeros for what lies between the first and the last and was not counted."""
    known = {row.starts_at: row for row in rows}
    found, at = list[UsageRow](), rows[0].starts_at if rows else None
    while at is not None and at <= rows[-1].starts_at:
        found.append(known.pop(at, UsageRow(at, 0, 0)))
        at = _next(at, span, zone)
    return sorted([*found, *known.values()], key=lambda row: row.starts_at)


def _next(at: datetime, span: str, zone: ZoneInfo) -> datetime:
    if span == "hour":
        return at + timedelta(hours=1)
    day = at.astimezone(zone).date() + timedelta(days=1)
    if span == "month":
        day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return datetime.combine(day, time(), zone).astimezone(UTC)
