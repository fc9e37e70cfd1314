"""Errors name the place and the remedy."""

import pytest

from config import errors
from config.errors import HradloError, InputRejected, Problem, SettingsError


def test_a_problem_reads_place_first() -> None:
    assert str(Problem("line 7, column due_on", "is no date")) == "line 7, column due_on: is no date"


def test_an_error_ends_with_its_remedy() -> None:
    assert str(HradloError("The disk is full.", "Make room.")) == "The disk is full. Make room."
    assert str(HradloError("The disk is full.")) == "The disk is full."


def test_a_list_of_problems_shows_every_one_and_keeps_them() -> None:
    problems = [Problem("line 1", "a"), Problem("line 2", "b")]

    error = InputRejected("x.csv was refused.", problems, "Mend it and import again.")

    assert str(error) == "x.csv was refused.\n  line 1: a\n  line 2: b\n Mend it and import again."
    assert error.problems == tuple(problems)


@pytest.mark.parametrize(
    "kind", [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
)
def test_every_error_can_be_caught_as_one_and_stands_in_the_drawn_tree(kind: type[Exception]) -> None:
    assert issubclass(kind, HradloError)
    assert kind.__name__.startswith("_") or kind.__name__ in (errors.__doc__ or "")


def test_wrong_settings_are_told_apart_from_wrong_input() -> None:
    assert not issubclass(SettingsError, InputRejected)
