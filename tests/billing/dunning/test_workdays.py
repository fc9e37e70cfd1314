"""Local days and hours: when a day begins, and when a suspension may begin."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from billing.dunning.policy import Policy
from billing.dunning.workdays import day_begins_at, midnight_of, next_suspension_moment, working_day
from tests.billing.dunning.examples import POLICY, PRAGUE, prague

EVERY_DAY = Policy(suspend_weekdays=frozenset(range(7)), holiday_country="")

instants = st.integers(0, 4 * 366 * 86_400).map(
    lambda seconds: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(0, seconds)
)
# No hour that a spring night leaves out: such a moment comes when the clocks have jumped, up to an hour late.
hours = st.sampled_from([time(0), time(2), time(3), time(8), time(12, 30), time(16), time(23, 59)])
policies = st.builds(
    Policy,
    zone=st.sampled_from([PRAGUE, ZoneInfo("UTC"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata")]),
    quiet_from=hours,
    quiet_until=hours,
    suspend_weekdays=st.frozensets(st.integers(0, 6), min_size=1),
    holiday_country=st.sampled_from(["CZ", ""]),
)


def is_quiet(at: time, policy: Policy) -> bool:
    """Walks the hours of a day from the one to the other, by the minute."""
    minute, until = policy.quiet_from, policy.quiet_until
    while minute != until:
        if minute.replace(second=0) == at.replace(second=0, microsecond=0):
            return True
        minute = (datetime.combine(date(2026, 1, 1), minute) + timedelta(minutes=1)).time()
    return False


# ── when a suspension may begin ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("at", "moment"),
    [
        ("2026-03-26 12:00", "2026-03-26 12:00"),  # a Thursday
        ("2026-03-26 07:59", "2026-03-26 08:00"),
        ("2026-03-26 08:00", "2026-03-26 08:00"),
        ("2026-03-26 15:59", "2026-03-26 15:59"),
        ("2026-03-26 16:00", "2026-03-27 08:00"),
        ("2026-03-26 23:59", "2026-03-27 08:00"),
        ("2026-03-27 16:00", "2026-03-30 08:00"),  # over the weekend on which summer begins
        ("2026-10-23 16:00", "2026-10-26 08:00"),  # and ends
        ("2026-04-02 16:00", "2026-04-07 08:00"),  # Good Friday and Easter Monday
        ("2026-12-23 16:00", "2026-12-28 08:00"),  # 24, 25, 26 December
        ("2026-07-03 16:00", "2026-07-07 08:00"),  # a Sunday and a Monday in July
        ("2026-11-17 10:00", "2026-11-18 08:00"),  # a Tuesday
        ("2028-02-28 16:00", "2028-02-29 08:00"),
    ],
)
def test_evenings_weekends_and_czech_holidays_are_spared(at: str, moment: str) -> None:
    assert next_suspension_moment(prague(at), POLICY) == prague(moment)


@pytest.mark.parametrize(
    ("at", "moment"),
    [
        ("2026-03-26 11:59", "2026-03-26 11:59"),
        ("2026-03-26 12:00", "2026-03-26 13:00"),
        ("2026-03-26 13:00", "2026-03-26 13:00"),
        ("2026-03-26 23:00", "2026-03-26 23:00"),
    ],
)
def test_quiet_hours_may_lie_within_a_day(at: str, moment: str) -> None:
    policy = Policy(quiet_from=time(12), quiet_until=time(13))

    assert next_suspension_moment(prague(at), policy) == prague(moment)


def test_the_same_hour_twice_means_no_quiet_hours() -> None:
    policy = Policy(quiet_from=time(8), quiet_until=time(8))

    assert next_suspension_moment(prague("2026-03-26 08:00"), policy) == prague("2026-03-26 08:00")


def test_a_single_weekday_is_enough() -> None:
    policy = Policy(suspend_weekdays=frozenset({2}))

    assert next_suspension_moment(prague("2026-03-26 12:00"), policy) == prague("2026-04-01 08:00")


def test_a_policy_that_leaves_no_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="no moment"):
        next_suspension_moment(prague("2026-03-26 12:00"), Policy(suspend_weekdays=frozenset()))


def test_in_an_autumn_night_a_quiet_hour_that_strikes_twice_is_quiet_twice() -> None:
    policy = replace(EVERY_DAY, quiet_from=time(22), quiet_until=time(2, 30))
    second_two_oclock = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)

    assert next_suspension_moment(second_two_oclock, policy) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


@given(instants, policies)
@example(datetime(2026, 10, 25, 1, 0, tzinfo=UTC), Policy(quiet_from=time(22), quiet_until=time(3)))
def test_a_suspension_moment_is_decent_and_never_early(at: datetime, policy: Policy) -> None:
    moment = next_suspension_moment(at, policy)
    local = moment.astimezone(policy.zone)

    assert moment >= at
    assert local.weekday() in policy.suspend_weekdays
    assert not is_quiet(local.time(), policy)
    assert next_suspension_moment(moment, policy) == moment


@given(instants, policies, st.floats(0, 1))
def test_no_decent_moment_is_passed_over(at: datetime, policy: Policy, part: float) -> None:
    moment = next_suspension_moment(at, policy)
    between = at + (moment - at) * part

    assert next_suspension_moment(between, policy) == moment


# ── days ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_local_day_begins_at_its_own_midnight() -> None:
    assert midnight_of(date(2026, 7, 1), POLICY) == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert midnight_of(date(2026, 1, 1), POLICY) == datetime(2025, 12, 31, 23, tzinfo=UTC)


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25), date(2028, 2, 29), date(2026, 6, 1)])
def test_work_begins_at_its_hour_on_the_wall(day: date) -> None:
    assert day_begins_at(day, POLICY).astimezone(PRAGUE) == datetime.combine(day, time(8), PRAGUE)


@given(instants, policies)
def test_a_working_day_is_the_latest_that_has_begun(at: datetime, policy: Policy) -> None:
    day = working_day(at, policy)

    assert day_begins_at(day, policy) <= at < day_begins_at(day + timedelta(days=1), policy)
