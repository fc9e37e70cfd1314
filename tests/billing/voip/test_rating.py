"""What a call costs, against a slow and obvious model; and how long a call some credit lets go on."""

from fractions import Fraction
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from billing.voip.credit import Credit
from billing.voip.numbers import called
from billing.voip.rating import Deck, DeckHead, Rate

RATES = st.builds(
    Rate,
    id=st.just(1),
    prefix=st.just("420"),
    destination=st.just("Česko"),
    price_per_minute_e4=st.integers(0, 500_000),
    connect_e4=st.integers(0, 100_000),
    first_seconds=st.integers(1, 120),
    step_seconds=st.integers(1, 120),
)
HEAD = DeckHead(1, "v1", "standard")


def slow_cost(rate: Rate, seconds: int) -> int:
    """Second by second, as a person would count with a stopwatch."""
    if seconds == 0:
        return 0
    billed = rate.first_seconds
    while billed < seconds:
        billed += rate.step_seconds
    return rate.connect_e4 + ceil(Fraction(rate.price_per_minute_e4 * billed, 60))


def slow_longest(prefixes: set[str], digits: str) -> str | None:
    for length in range(len(digits), 0, -1):
        if digits[:length] in prefixes:
            return digits[:length]
    return None


def rate(prefix: str, price: str = "1.20") -> Rate:
    return Rate(1, prefix, prefix, Credit.parse(price).e4, 0, 60, 1)


@given(RATES, st.integers(0, 8000))
def test_a_call_costs_what_counting_second_by_second_says(rate: Rate, seconds: int) -> None:
    assert rate.cost(seconds).e4 == slow_cost(rate, seconds)


@given(RATES, st.integers(0, 2_000_000), st.integers(1, 4000))
def test_the_longest_affordable_call_is_affordable_and_no_longer_one_is(rate: Rate, e4: int, seconds_max: int) -> None:
    seconds = rate.affordable_seconds(Credit(e4), seconds_max)

    assert 0 <= seconds <= seconds_max
    assert rate.cost(seconds).e4 <= e4
    if seconds < seconds_max:
        assert rate.cost(seconds + 1).e4 > e4


def test_the_worked_examples_of_the_price_page() -> None:
    per_second = Rate(1, "420", "Česko", Credit.parse("1.21").e4, 0, 60, 1)
    per_minute = Rate(1, "49", "Německo", Credit.parse("3.0105").e4, Credit.parse("0.5").e4, 60, 60)

    assert [str(per_second.cost(s)) for s in (0, 1, 60, 61, 90)] == ["0.00", "1.21", "1.21", "1.2302", "1.815"]
    assert [str(per_minute.cost(s)) for s in (1, 61, 600)] == ["3.5105", "6.521", "30.605"]


@given(
    st.sets(st.text("01234", min_size=1, max_size=6), min_size=1, max_size=40),
    st.text("01234", min_size=1, max_size=9),
)
def test_the_longest_prefix_is_the_one_that_cutting_digit_by_digit_finds(prefixes: set[str], digits: str) -> None:
    deck = Deck(HEAD, [rate(prefix) for prefix in prefixes])

    found = deck.longest(digits)

    assert (found.prefix if found else None) == slow_longest(prefixes, digits)


def test_a_short_number_is_never_rated_as_a_place_in_america() -> None:
    deck = Deck(HEAD, [rate("420"), rate("1", "6"), rate("118", "7"), rate("short:118", "30")])

    assert deck.rate_of(called("1188", "CZ")).prefix == "short:118"  # type: ignore[union-attr]
    assert deck.rate_of(called("+1 212 555 0123", "CZ")).prefix == "1"  # type: ignore[union-attr]
    assert deck.rate_of(called("1212", "CZ")) is None


def test_a_premium_number_is_never_sold_at_the_price_of_its_country() -> None:
    bare = Deck(HEAD, [rate("420"), rate("4209", "2"), rate("49")])
    full = Deck(HEAD, [rate("420"), rate("42090", "60")])

    assert bare.rate_of(called("906123456", "CZ")) is None
    assert bare.rate_of(called("+49 900 1123456", "CZ")) is None
    assert full.rate_of(called("906123456", "CZ")).prefix == "42090"  # type: ignore[union-attr]


def test_emergency_and_free_numbers_cost_nothing_in_any_deck() -> None:
    deck = Deck(HEAD, [rate("420"), rate("short:1", "9")])

    for text in ("112", "+420158", "116111", "800123456"):
        found = deck.rate_of(called(text, "CZ"))
        assert found is not None
        assert found.is_free


def test_a_deck_that_knows_nothing_of_a_number_says_so() -> None:
    assert Deck(HEAD, [rate("420")]).rate_of(called("+49 30 123456", "CZ")) is None
