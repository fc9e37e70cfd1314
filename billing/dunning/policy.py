"""The rules' numbers, taken from the settings: how long, how much, and when nobody is suspended."""

from dataclasses import dataclass, field
from datetime import time
from typing import Self
from zoneinfo import ZoneInfo

from billing.money import Money
from config.settings import Settings

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Policy:
    """See the `[dunning]` table of the settings for the meaning of each; days are whole local days."""

    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Prague"))
    reminder_days: tuple[int, ...] = (3, 10)
    notice_days: int = 14
    minimum_debt: Money = Money(100_00)
    grace_days: int = 10
    notice_mail_days: int = 3
    suspend_unacknowledged_days: int = 0
    day_starts_at: time = time(8, 0)
    quiet_from: time = time(16, 0)
    quiet_until: time = time(8, 0)
    suspend_weekdays: frozenset[int] = frozenset(range(5))
    """0 = Monday."""
    holiday_country: str = "CZ"
    """ISO code; empty = holidays are not spared."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        dunning = settings.dunning
        return cls(
            zone=settings.zone,
            reminder_days=tuple(sorted(set(dunning.reminder_days))),
            notice_days=dunning.notice_days,
            minimum_debt=Money(dunning.minimum_debt_minor),
            grace_days=dunning.grace_days,
            notice_mail_days=dunning.notice_mail_days,
            suspend_unacknowledged_days=dunning.suspend_unacknowledged_days,
            day_starts_at=dunning.day_starts_at,
            quiet_from=dunning.quiet_from,
            quiet_until=dunning.quiet_until,
            suspend_weekdays=frozenset(WEEKDAYS.index(day) for day in dunning.suspend_weekdays),
            holiday_country=settings.isp.country if dunning.spares_holidays else "",
        )
