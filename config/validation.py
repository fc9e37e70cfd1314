"""What is wrong with a settings file, in an admin's words: each problem with its place, and what was probably meant."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from config.errors import Problem, without_password

Known = Mapping[str, Sequence[str]]
"""The tables of the file with their keys."""


def problems_of(error: ValidationError, known: Known) -> list[Problem]:
    """What pydantic found, each with its place."""
    items = error.errors()
    # A list whose members are wrong is also "too short": once is enough.
    broken = {item["loc"][:2] for item in items if len(item["loc"]) > 2}
    return [Problem(_place(item), _message(item, known)) for item in items if item["loc"] not in broken]


def _place(item: Any) -> str:
    """``[section] key``, with ``item 2`` for a member of a list."""
    section, *rest = item["loc"]
    if not rest and not isinstance(item["input"], dict):
        return str(section)  # a key above the first table
    parts = (f"item {part + 1}" if isinstance(part, int) else part for part in rest)
    return f"[{section}] {' '.join(parts)}".rstrip()


def _message(item: Any, known: Known) -> str:
    if item["type"] == "extra_forbidden":
        return _unknown_key_message(item["loc"], known)
    if item["type"] == "tuple_type" and isinstance(item["input"], dict):
        return f"is one of several: write [[{item['loc'][0]}]]"
    if item["type"] == "missing":
        return "is needed"
    if item["type"] == "model_type":
        return f"is a table: write [{item['loc'][0]}] on a line of its own"
    text = str(item["msg"]).removeprefix("Value error, ")
    return without_password(f"{text} (it is {item['input']!r})")


def _unknown_key_message(location: tuple[str, ...], known: Known) -> str:
    *section, key = location
    homes = [name for name, keys in known.items() if key in keys]
    close = get_close_matches(key, known.get(section[0], []) if section else known)
    if homes:
        hint = f"it belongs to [{homes[0]}]"
    elif close:
        hint = f"did you mean {close[0]}?"
    else:
        hint = "see the commented example, config/hradlo.toml"
    return f"is not a setting here: {hint}"
