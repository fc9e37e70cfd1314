"""The ISP's day. Instants are in UTC, but days are meant where the ISP is: after midnight UTC still has yesterday."""

from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo


# A round asks for one moment a hundred thousand times.
@lru_cache(maxsize=64)
def day_of(at: datetime, zone: ZoneInfo) -> date:
    """The day that it is in a time zone at an instant."""
    return at.astimezone(zone).date()
