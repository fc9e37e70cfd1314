"""Local days and hours: when a day's work begins, and when a suspension may begin.

Pure. Country knowledge comes from the `holidays` library by the country code of the policy.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays
from holidays.utils import list_supported_countries

from billing.dunning.policy import Policy
from config.days import day_of

SEARCH_STEPS_MAX = 3 * 366
SATURDAY = 5


@lru_cache(maxsize=4096)
def _instant(day: date, at: time, zone: ZoneInfo, fold: int = 0) -> datetime:
    return datetime.combine(day, at, zone).replace(fold=fold).astimezone(UTC)


def day_begins_at(day: date, policy: Policy) -> datetime:
    """The instant at which things that are due on a local day are done."""
    return _instant(day, policy.day_starts_at, policy.zone)


def midnight_of(day: date, policy: Policy) -> datetime:
    """The instant at which a local day begins."""
    return _instant(day, time(0), policy.zone)


def working_day(now: datetime, policy: Policy) -> date:
    """The latest local day that has begun at its hour: before that hour it is still yesterday."""
    return _working_day(now, policy.day_starts_at, policy.zone)


@lru_cache(maxsize=64)
def _working_day(now: datetime, starts_at: time, zone: ZoneInfo) -> date:
    today = day_of(now, zone)
    return today if _instant(today, starts_at, zone) <= now else today - timedelta(days=1)


@lru_cache(maxsize=1024)
def _is_suspension_day(day: date, weekdays: frozenset[int], country: str) -> bool:
    if day.weekday() not in weekdays:
        return False
    return not country or day not in _holidays_of(country, day.year)


@lru_cache(maxsize=64)
def _holidays_of(country: str, year: int) -> holidays.HolidayBase:
    return holidays.country_holidays(country, years=year)


@lru_cache(maxsize=4096)
def is_working_day(day: date, country: str) -> bool:
    """Whether banks and offices work: no weekend and no public holiday of the country, as far as it is known."""
    if day.weekday() >= SATURDAY:
        return False
    return country not in list_supported_countries() or day not in _holidays_of(country, day.year)


def _is_quiet(at: time, policy: Policy) -> bool:
    if policy.quiet_from <= policy.quiet_until:
        return policy.quiet_from <= at < policy.quiet_until
    return at >= policy.quiet_from or at < policy.quiet_until


def next_suspension_moment(at: datetime, policy: Policy) -> datetime:
    """The first instant, not before `at`, at which a suspension may begin.

    Raises `ValueError` when the policy leaves no such moment within a year.
    """
    for _ in range(SEARCH_STEPS_MAX):
        local = at.astimezone(policy.zone)
        day, hour = local.date(), local.time()
        if not _is_suspension_day(day, policy.suspend_weekdays, policy.holiday_country):
            at = _next_time(at, day + timedelta(days=1), time(0), policy.zone)
        elif not _is_quiet(hour, policy):
            return at.astimezone(UTC)
        elif hour < policy.quiet_until:
            at = _next_time(at, day, policy.quiet_until, policy.zone)
        else:
            at = _next_time(at, day + timedelta(days=1), time(0), policy.zone)
    raise ValueError("the policy leaves no moment at which a suspension may begin")


def _next_time(at: datetime, day: date, hour: time, zone: ZoneInfo) -> datetime:
    """When it is `hour` on a local `day`, after `at`: in autumn an hour strikes twice."""
    first = _instant(day, hour, zone)
    return first if first > at else _instant(day, hour, zone, fold=1)
