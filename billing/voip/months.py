"""Calendar months, as the cap and the statement count them: in the ISP's zone. Pure."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from billing.importing import iso_date

Bounds = tuple[datetime, datetime]
"""The first instant of a month, and the next one's."""


def of(now: datetime, zone: ZoneInfo) -> str:
    """The month of an instant, like 2026-11."""
    return f"{now.astimezone(zone):%Y-%m}"


def first_day(text: str) -> date:
    """Reads ``2026-11``; raises `ValueError`."""
    try:
        return iso_date(f"{text}-01")
    except ValueError:
        raise ValueError(f"{text!r} is no month: write it like 2026-11") from None


def before(day: date) -> date:
    """The first day of the month before a day's."""
    return (day.replace(day=1) - timedelta(days=1)).replace(day=1)


def bounds(first_on: date, zone: ZoneInfo) -> Bounds:
    """From when to when a month lasts."""
    next_on = (first_on + timedelta(days=31)).replace(day=1)
    return datetime.combine(first_on, time(), zone), datetime.combine(next_on, time(), zone)
