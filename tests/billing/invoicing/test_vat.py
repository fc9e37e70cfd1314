"""VAT within consumer prices: from the sum of each rate, shared among the lines to the haléř."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.invoicing.vat import basis_points, split, vat_within
from billing.money import Money
from config.errors import InputRejected

STANDARD, REDUCED = ("standard", 2100), ("reduced", 1200)


def test_21_per_cent_are_taken_out_from_the_top() -> None:
    assert vat_within(Money(121_00), 2100) == Money(21_00)
    assert vat_within(Money(599_00), 2100) == Money(103_96)
    assert vat_within(Money(-599_00), 2100) == Money(-103_96)


@pytest.mark.parametrize(
    ("category", "on", "expected"),
    [("standard", date(2026, 1, 1), 2100), ("reduced", date(2023, 12, 31), 1500), ("reduced", date(2024, 1, 1), 1200)],
)
def test_the_rate_of_the_day_counts(category: str, on: date, expected: int) -> None:
    assert basis_points("CZ", category, on) == expected


def test_an_isps_own_rate_wins_from_its_day_on() -> None:
    own = [("standard", date(2027, 1, 1), 2300)]

    assert basis_points("CZ", "standard", date(2026, 12, 31), own) == 2100
    assert basis_points("CZ", "standard", date(2027, 1, 1), own) == 2300


def test_a_category_without_a_rate_is_named() -> None:
    with pytest.raises(InputRejected, match=r"CZ luxury.*\[invoicing\] vat_rates"):
        basis_points("CZ", "luxury", date(2026, 1, 1))


amounts = st.integers(-(10**9), 10**9).filter(bool).map(Money)


@given(st.lists(st.tuples(st.sampled_from([STANDARD, REDUCED, ("exempt", 0)]), amounts), min_size=1, max_size=12))
def test_lines_add_up_to_their_group_and_groups_to_the_document(lines: list[tuple[tuple[str, int], Money]]) -> None:
    of_lines, groups = split(lines)

    for rate, group in groups.items():
        mine = [each for each, (its_rate, _) in zip(of_lines, lines, strict=True) if its_rate == rate]
        assert Money.total(each.vat for each in mine) == group.vat == vat_within(group.base + group.vat, rate[1])
        assert Money.total(each.base for each in mine) == group.base
    for each, (rate, total) in zip(of_lines, lines, strict=True):
        assert each.base + each.vat == total
        assert abs(each.vat.minor - vat_within(total, rate[1]).minor) <= 2
