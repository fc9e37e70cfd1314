"""The chart of transferred data: round at its top, without gaps, also when clocks change."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.services.usage import UsageRow
from portal.customer.chart import chart, filled, round_above

PRAGUE = ZoneInfo("Europe/Prague")


def row(*at: int, down: int = 5) -> UsageRow:
    """A row that began at this time of Prague's clocks."""
    return UsageRow(datetime(*at, tzinfo=PRAGUE).astimezone(UTC), down, 1)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("most", "top"), [(0, 1), (1, 1), (9, 10), (23 * 10**9, 30 * 10**9), (7 * 10**8, 8 * 10**8), (10**12, 10**12)]
)
def test_the_top_is_a_round_number(most: int, top: int) -> None:
    assert round_above(most) == top


@given(st.integers(1, 10**18))
def test_every_bar_fits_and_the_highest_is_at_least_half_as_high_as_the_chart(most: int) -> None:
    assert most <= round_above(most) <= max(2 * most, 1)


def test_a_day_without_data_stands_there_as_nothing() -> None:
    found = filled([row(2026, 11, 2), row(2026, 11, 4)], "day", PRAGUE)

    assert [(one.starts_at.astimezone(PRAGUE).day, one.down_bytes) for one in found] == [(2, 5), (3, 0), (4, 5)]


@pytest.mark.parametrize("day", [25, 29])
def test_days_are_found_again_when_clocks_change(day: int) -> None:
    month = 10 if day == 25 else 3
    rows = [row(2026, month, day - 1), row(2026, month, day), row(2026, month, day + 1)]

    assert filled([rows[0], rows[2]], "day", PRAGUE)[1].starts_at == rows[1].starts_at
    assert filled(rows, "day", PRAGUE) == rows


def test_months_follow_each_other_past_the_new_year() -> None:
    found = filled([row(2025, 11, 1), row(2026, 2, 1)], "month", PRAGUE)

    assert [one.starts_at.astimezone(PRAGUE).month for one in found] == [11, 12, 1, 2]


def test_a_day_with_25_hours_has_25_bars() -> None:
    assert len(filled([row(2026, 10, 25, 0), row(2026, 10, 25, 23)], "hour", PRAGUE)) == 25


def test_the_edge_names_the_first_a_middle_and_the_last_row() -> None:
    rows = [row(2026, 11, day) for day in range(1, 12)]

    assert chart(rows).labelled == (rows[0], rows[5], rows[10])
    assert chart(rows[:1]).labelled == (rows[0],)
    assert chart([]).labelled == ()
