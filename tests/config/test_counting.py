"""A number agrees with its word."""

import pytest

from config.counting import counted


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 lines are open"), (1, "1 line is open"), (2, "2 lines are open"), (5_000, "5000 lines are open")],
)
def test_one_is_singular_and_all_else_is_plural(number: int, said: str) -> None:
    assert counted(number, "line is open", "lines are open") == said


def test_an_s_is_enough_for_most_words() -> None:
    assert [counted(number, "day") for number in (1, 2)] == ["1 day", "2 days"]
