"""Wall-clock time is read in the ISP's zone, also in the nights in which it is ambiguous or missing."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.voip.calls.local_time import Stamps, times
from billing.voip.calls.record import Unreadable
from tests.billing.voip.calls.exchanges import PRAGUE

# On 25 October 2026, 3:00 summer time (1:00 UTC) becomes 2:00 winter time.
BACK = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)


def shown(at: datetime) -> str:
    return f"{at.astimezone(PRAGUE):%Y-%m-%d %H:%M:%S}"


def test_in_summer_and_in_winter_the_zone_is_another_one() -> None:
    for month, hour in ((7, 10), (12, 11)):
        stamps = Stamps(f"2026-{month:02}-01 12:00:00", f"2026-{month:02}-01 12:00:05", f"2026-{month:02}-01 12:01:00")

        assert times(stamps, 60, 55, PRAGUE).started_at == datetime(2026, month, 1, hour, tzinfo=UTC)


@pytest.mark.parametrize("before_minutes", [1, 30, 59])
@pytest.mark.parametrize("lasts_minutes", [2, 61, 125])
def test_a_call_over_the_turn_of_the_clocks_is_as_long_as_it_says(before_minutes: int, lasts_minutes: int) -> None:
    start = BACK - timedelta(minutes=before_minutes)
    end = start + timedelta(minutes=lasts_minutes)
    stamps = Stamps(shown(start), shown(start), shown(end))

    found = times(stamps, lasts_minutes * 60, lasts_minutes * 60, PRAGUE, near=start)

    assert found == (start, start, end)


def test_inside_the_hour_that_comes_twice_the_call_s_id_says_which_it_was() -> None:
    second = BACK + timedelta(minutes=10)
    stamps = Stamps(shown(second), "", shown(second + timedelta(seconds=30)))

    assert times(stamps, 30, 0, PRAGUE, near=second).started_at == second
    assert times(stamps, 30, 0, PRAGUE).started_at == second - timedelta(hours=1)  # the earlier, for want of better


def test_an_hour_that_never_was_names_the_zone() -> None:
    with pytest.raises(Unreadable, match="did not exist in Europe/Prague"):
        times(Stamps("2026-03-29 02:30:00", "", "2026-03-29 03:00:01"), 1, 0, PRAGUE)


@pytest.mark.parametrize("stamp", ["", "2026-11-28", "2026-11-31 10:00:00", "2026-11-28T10:00:00", "28.11.2026 10:00"])
def test_what_is_no_time_is_named(stamp: str) -> None:
    with pytest.raises(Unreadable, match="no time like"):
        times(replace_start(stamp), 1, 0, PRAGUE)


def replace_start(stamp: str) -> Stamps:
    return Stamps("2026-11-28 10:00:00", "", "2026-11-28 10:00:01")._replace(start=stamp)


def test_seconds_that_do_not_fit_the_times_are_named() -> None:
    with pytest.raises(Unreadable, match="1 s lie between start and end, but it says that it lasted 10 s"):
        times(Stamps("2026-11-28 10:00:00", "", "2026-11-28 10:00:01"), 10, 0, PRAGUE)
