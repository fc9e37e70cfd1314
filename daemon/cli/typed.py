"""What a person typed, read: a bad value ends the command with its place, before anything is done."""

from collections.abc import Callable
from typing import TypeVar

from config.errors import InputRejected, Problem

T = TypeVar("T")


def needed(parse: Callable[[str], T], text: str, place: str) -> T:
    """The value of an option such as `--until`, or of an argument; raises `InputRejected` with the parser's reason."""
    try:
        return parse(text)
    except ValueError as error:
        raise InputRejected("Nothing was done.", [Problem(place, str(error))]) from None


def given(parse: Callable[[str], T], text: str, place: str) -> T | None:
    """The same of an option that may be left out: None then."""
    return needed(parse, text, place) if text else None
