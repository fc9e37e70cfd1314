"""Rates and connections of one source."""

from hypothesis import given
from hypothesis import strategies as st

from portal.limits import ConnectionLimit, Rate, RequestLimit, spend


def test_a_full_burst_is_allowed_and_not_one_more() -> None:
    limit = RequestLimit(Rate.per_minute(120))

    verdicts = [limit.ask("a", now=1000.0).is_allowed for _ in range(31)]

    assert verdicts == [True] * 30 + [False]


def test_a_refused_request_says_when_the_next_one_is_allowed() -> None:
    limit = RequestLimit(Rate.per_minute(120))
    for _ in range(30):
        limit.ask("a", now=1000.0)

    refused = limit.ask("a", now=1000.0)

    assert refused.retry_after_seconds == 0.5
    assert limit.ask("a", now=1000.5).is_allowed


def test_one_source_does_not_use_up_another_ones_rate() -> None:
    limit = RequestLimit(Rate.per_minute(60))
    for _ in range(100):
        limit.ask("a", now=0.0)

    assert limit.ask("b", now=0.0).is_allowed


@given(st.integers(10, 600), st.lists(st.floats(0, 60), min_size=1, max_size=300))
def test_no_minute_has_more_than_the_rate_and_one_burst(per_minute: int, offsets: list[float]) -> None:
    rate, tat, allowed = Rate.per_minute(per_minute), 0.0, 0
    for offset in sorted(offsets):
        verdict = spend(rate, tat, 1000 + offset)
        allowed, tat = allowed + verdict.is_allowed, verdict.tat

    assert allowed <= per_minute + rate.burst + 1


def test_sources_that_rest_are_forgotten_when_the_memory_is_full() -> None:
    limit = RequestLimit(Rate.per_minute(60), sources_max=100)
    for number in range(1000):
        limit.ask(number, now=float(number * 10))

    assert len(limit) <= 100


def test_the_memory_is_bounded_even_when_every_source_is_busy() -> None:
    limit = RequestLimit(Rate.per_minute(60), sources_max=100)
    for number in range(1000):
        limit.ask(number, now=1.0)

    assert len(limit) <= 100


def test_a_source_has_so_many_connections_and_gets_one_back_for_each_that_ends() -> None:
    limit = ConnectionLimit(2)

    assert [limit.enter("a"), limit.enter("a"), limit.enter("a"), limit.enter("b")] == [True, True, False, True]

    limit.leave("a")

    assert limit.enter("a")


def test_a_source_without_connections_is_forgotten() -> None:
    limit = ConnectionLimit(2)
    limit.enter("a")
    limit.leave("a")

    assert len(limit) == 0
