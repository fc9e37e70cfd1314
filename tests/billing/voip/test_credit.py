"""Credit counts ten-thousandths, exactly, and meets money in one place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.money import Money
from billing.voip.credit import Credit


@pytest.mark.parametrize(
    ("text", "e4", "shown"),
    [("1", 10_000, "1.00"), ("1.2", 12_000, "1.20"), ("0.0001", 1, "0.0001"), ("3.0105", 30_105, "3.0105"),
     ("-12.345", -123_450, "-12.345"), ("0", 0, "0.00")],
)  # fmt: skip
def test_credit_is_read_and_shown_with_two_to_four_places(text: str, e4: int, shown: str) -> None:
    assert Credit.parse(text) == Credit(e4)
    assert str(Credit(e4)) == shown


@pytest.mark.parametrize("text", ["", "1,2", "1.23456", "1e3", "٣", "nan", "+1", "1.", ".5"])
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a price"):
        Credit.parse(text)


@given(st.integers(-(10**12), 10**12))
def test_text_says_it_exactly(e4: int) -> None:
    assert Credit.parse(str(Credit(e4))) == Credit(e4)


@given(st.integers(0, 10**9))
def test_money_becomes_credit_exactly_and_credit_becomes_money_rounded_up(e4: int) -> None:
    rounded = Credit(e4).in_money()

    assert 0 <= Credit.of(rounded).e4 - e4 < 100
    assert Credit.of(Money(e4)).in_money() == Money(e4)
