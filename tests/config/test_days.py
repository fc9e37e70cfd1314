"""Days are the ISP's, instants are UTC's."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from config.days import day_of

PRAGUE = ZoneInfo("Europe/Prague")


@pytest.mark.parametrize(
    ("midnight", "day"),
    [
        (datetime(2026, 6, 30, 22, tzinfo=UTC), date(2026, 7, 1)),
        (datetime(2025, 12, 31, 23, tzinfo=UTC), date(2026, 1, 1)),
    ],
)
def test_a_day_begins_at_the_midnight_of_its_zone(midnight: datetime, day: date) -> None:
    assert day_of(midnight, PRAGUE) == day
    assert day_of(midnight - timedelta(microseconds=1), PRAGUE) == day - timedelta(days=1)
