"""Which periods of a service are to be invoiced, and for how much. Pure.

Periods follow the calendar: months, quarters or years. Whoever begins or ends within one pays for the days: each
calendar month that a period touches costs ``price × days / days of that month``, rounded half up once per month,
so a whole month costs exactly its price. A new price counts from its day on, within a month as well; the days of a
pause cost nothing. A service is invoiced in advance: as soon as a period has begun.

A product that is not billed while suspended (`bills_suspended`) leaves out every month at whose invoicing the line
is suspended, and of a quarter or a year no more than that; what was invoiced before stays invoiced.
"""

from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from billing.money import ZERO, Money

_DAY = timedelta(days=1)
PERIODS_AT_ONCE_MAX = 1200
"""A hundred years of months: more is a mistyped date."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a service is invoiced by."""

    service_id: int
    starts_on: date
    ends_on: date | None
    """The last day."""
    period_months: int
    billed_until_on: date | None
    prices: tuple[tuple[date, Money], ...]
    """Agreed for this service: (valid from, per month), oldest first …"""
    list_prices: tuple[tuple[date, Money], ...] = ()
    """… and the product's, where none is agreed."""
    pauses: tuple[tuple[date, date | None], ...] = ()
    """First and last day."""
    is_skipped: bool = False
    """The line is suspended and the product is not billed then."""


@dataclass(frozen=True, slots=True)
class Charge:
    """A period of a service and what it costs; zero where it is paused, skipped or free."""

    service_id: int
    from_on: date
    until_on: date
    total: Money


def due_charges(terms: Terms, until_on: date) -> Iterator[Charge]:
    """The periods that begin until that day and are not invoiced yet, in order, without a gap."""
    begins = terms.billed_until_on + _DAY if terms.billed_until_on else terms.starts_on
    last = min(until_on, terms.ends_on) if terms.ends_on else until_on
    for _ in range(PERIODS_AT_ONCE_MAX):
        if begins > last:
            return
        ends = period_end(begins, 1 if terms.is_skipped else terms.period_months)
        if terms.ends_on:
            ends = min(ends, terms.ends_on)
        total = ZERO if terms.is_skipped else cost(terms, begins, ends)
        yield Charge(terms.service_id, begins, ends, total)
        begins = ends + _DAY


def period_end(day: date, period_months: int) -> date:
    """The last day of the calendar period of that many months in which a day is."""
    months = day.year * 12 + day.month - 1
    last = months - months % period_months + period_months - 1
    year, month = divmod(last, 12)
    return date(year, month + 1, monthrange(year, month + 1)[1])


def cost(terms: Terms, from_on: date, until_on: date) -> Money:
    """What the days cost, both included."""
    first_of_next = until_on + _DAY
    if from_on.day == first_of_next.day == 1 and _is_even(terms, from_on, until_on):  # nearly always: whole months
        months = 12 * (first_of_next.year - from_on.year) + first_of_next.month - from_on.month
        return Money(price_on(terms, from_on).minor * months)
    return Money.total(_month_cost(terms, first, last) for first, last in _months(from_on, until_on))


def _months(from_on: date, until_on: date) -> Iterator[tuple[date, date]]:
    while from_on <= until_on:
        last = min(period_end(from_on, 1), until_on)
        yield from_on, last
        from_on = last + _DAY


def _month_cost(terms: Terms, first: date, last: date) -> Money:
    """Exact to the end, then rounded half up once."""
    days = monthrange(first.year, first.month)[1]
    if _is_even(terms, first, last):
        weighted = price_on(terms, first).minor * ((last - first).days + 1)
    else:
        weighted = sum(price_on(terms, day).minor for day in _days(first, last) if not is_paused(terms.pauses, day))
    return Money((2 * weighted + days) // (2 * days))


def _is_even(terms: Terms, first: date, last: date) -> bool:
    """No pause and no change of price within these days."""
    if any(begins <= last and (ends is None or ends >= first) for begins, ends in terms.pauses):
        return False
    return not any(first < day <= last for prices in (terms.prices, terms.list_prices) for day, _ in prices)


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=count) for count in range((last - first).days + 1))


def is_paused(pauses: Iterable[tuple[date, date | None]], day: date) -> bool:
    """Whether a day falls into one of the pauses."""
    return any(first <= day and (last is None or day <= last) for first, last in pauses)


def price_on(terms: Terms, day: date) -> Money:
    """The price per month that counts on a day: agreed for the service, else the product's, else none."""
    agreed = _valid(terms.prices, day)
    return agreed if agreed is not None else _valid(terms.list_prices, day) or ZERO


def _valid(prices: Sequence[tuple[date, Money]], day: date) -> Money | None:
    return next((price for valid_from_on, price in reversed(prices) if valid_from_on <= day), None)
