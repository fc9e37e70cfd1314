"""Which periods are invoiced, and for how much."""

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from billing.money import Money
from billing.services.periods import Charge, Terms, cost, due_charges, is_paused, period_end

PRICE = Money(599_00)


def terms(**changes: Any) -> Terms:
    values: dict[str, Any] = {
        "service_id": 1,
        "starts_on": date(2026, 1, 1),
        "ends_on": None,
        "period_months": 1,
        "billed_until_on": None,
        "prices": ((date(2026, 1, 1), PRICE),),
    }
    return Terms(**values | changes)


def charges(until_on: date, **changes: Any) -> list[tuple[date, date, str]]:
    return [(each.from_on, each.until_on, str(each.total)) for each in due_charges(terms(**changes), until_on)]


def test_a_month_is_due_when_it_begins() -> None:
    assert charges(date(2026, 1, 1)) == [(date(2026, 1, 1), date(2026, 1, 31), "599.00")]
    assert charges(date(2025, 12, 31)) == []


def test_every_month_that_was_missed_is_due() -> None:
    assert [each[0] for each in charges(date(2026, 3, 15))] == [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)]


def test_what_is_invoiced_is_not_due_again() -> None:
    assert charges(date(2026, 1, 31), billed_until_on=date(2026, 1, 31)) == []


def test_who_begins_within_a_month_pays_for_the_days() -> None:
    assert charges(date(2026, 1, 20), starts_on=date(2026, 1, 17)) == [(date(2026, 1, 17), date(2026, 1, 31), "289.84")]


def test_who_ends_within_a_month_pays_for_the_days() -> None:
    assert charges(date(2026, 4, 1), ends_on=date(2026, 2, 14)) == [
        (date(2026, 1, 1), date(2026, 1, 31), "599.00"),
        (date(2026, 2, 1), date(2026, 2, 14), "299.50"),
    ]


def test_a_quarter_and_a_year_follow_the_calendar() -> None:
    assert charges(date(2026, 4, 1), period_months=3) == [
        (date(2026, 1, 1), date(2026, 3, 31), "1797.00"),
        (date(2026, 4, 1), date(2026, 6, 30), "1797.00"),
    ]
    assert charges(date(2026, 11, 1), period_months=12, starts_on=date(2026, 11, 1)) == [
        (date(2026, 11, 1), date(2026, 12, 31), "1198.00")
    ]


def test_a_new_price_counts_from_its_day() -> None:
    prices = ((date(2026, 1, 1), Money(310_00)), (date(2026, 1, 11), Money(620_00)))

    assert charges(date(2026, 1, 1), prices=prices) == [(date(2026, 1, 1), date(2026, 1, 31), "520.00")]


def test_the_products_price_counts_where_none_is_agreed() -> None:
    agreed_later = {"prices": ((date(2026, 2, 1), Money(100_00)),), "list_prices": ((date(2020, 1, 1), PRICE),)}

    assert [each[2] for each in charges(date(2026, 2, 1), **agreed_later)] == ["599.00", "100.00"]


def test_the_days_of_a_pause_cost_nothing() -> None:
    assert charges(date(2026, 1, 1), pauses=((date(2026, 1, 1), date(2026, 1, 16)),)) == [
        (date(2026, 1, 1), date(2026, 1, 31), "289.84")
    ]


def test_a_period_that_is_skipped_costs_nothing_and_does_not_come_again() -> None:
    assert charges(date(2026, 1, 1), is_skipped=True) == [(date(2026, 1, 1), date(2026, 1, 31), "0.00")]


days = st.dates(date(2024, 1, 1), date(2027, 12, 31))


@given(days, st.none() | days, st.sampled_from([1, 3, 12]), st.lists(days, min_size=1, max_size=6))
def test_every_day_is_in_exactly_one_period_however_often_the_run_comes(
    starts_on: date, ends_on: date | None, months: int, runs: list[date]
) -> None:
    if ends_on is not None and ends_on < starts_on:
        starts_on, ends_on = ends_on, starts_on
    billed: date | None = None
    seen: list[Charge] = []
    for run_on in sorted(runs):
        found = list(
            due_charges(
                terms(starts_on=starts_on, ends_on=ends_on, period_months=months, billed_until_on=billed), run_on
            )
        )
        seen += found
        billed = found[-1].until_on if found else billed

    for before, after in pairwise(seen):
        assert after.from_on == before.until_on + timedelta(days=1)
    if seen:
        assert seen[0].from_on == starts_on
        assert all(each.from_on <= max(runs) for each in seen)
        assert ends_on is None or seen[-1].until_on <= ends_on
        assert billed is not None
        covers_last_run = billed >= (max(runs) if ends_on is None else min(max(runs), ends_on))
        assert covers_last_run


@given(days, st.integers(1, 10**7), st.lists(st.tuples(days, st.none() | days), max_size=3))
def test_the_days_of_a_month_cost_together_what_the_month_costs_to_a_haler_each(
    day: date, price: int, pauses: list[tuple[date, date | None]]
) -> None:
    month = day.replace(day=1), period_end(day, 1)
    of = terms(prices=((date(2020, 1, 1), Money(price)),), pauses=tuple(pauses))

    parts = cost(of, month[0], day) + (cost(of, day + timedelta(days=1), month[1]) if day < month[1] else Money())

    assert abs((parts - cost(of, *month)).minor) <= 1
    if not any(is_paused(pauses, month[0] + timedelta(days=n)) for n in range(31)):
        assert cost(of, *month) == Money(price)


def test_of_a_year_no_more_than_the_month_is_left_out_while_the_line_is_suspended() -> None:
    skipped = charges(date(2026, 3, 1), starts_on=date(2026, 3, 1), period_months=12, is_skipped=True)

    assert skipped == [(date(2026, 3, 1), date(2026, 3, 31), "0.00")]
