"""What a person typed, read: a bad value ends the command with its place, before anything is done."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from config.errors import InputRejected, Problem

T = TypeVar("T")

_ID_MAX = 2**63 - 1
"""No database keeps a larger number."""


def id_(value: Any) -> Any:
    """What names a row, or several (a typer callback); raises `InputRejected` for a number that none can have."""
    for number in value if isinstance(value, list) else [value or 0]:
        if number > _ID_MAX:
            raise InputRejected("Nothing was done.", [Problem(str(number), "nothing has a number as long as this")])
    return value


Id = Annotated[int, typer.Argument(callback=id_)]


def needed(parse: Callable[[str], T], text: str, place: str) -> T:
    """The value of an option such as `--until`, or of an argument; raises `InputRejected` with the parser's reason."""
    try:
        return parse(text)
    except ValueError as error:
        raise InputRejected("Nothing was done.", [Problem(place, str(error))]) from None


def given(parse: Callable[[str], T], text: str, place: str) -> T | None:
    """The same of an option that may be left out: None then."""
    return needed(parse, text, place) if text else None
