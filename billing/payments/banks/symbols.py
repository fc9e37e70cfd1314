"""Payment symbols in text: `VS:123`, `/VS/123/SS/26000001`, `/VS123`, `vs. 123`.

Banks abroad know no symbols, so Czech banks and payers write them into texts and references. A text that names
two different variable symbols names none: a person decides.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from billing.payments.banks.statement import symbol

_MARK = r"(?<![A-Za-z]){}[ :/.]{{0,2}}([0-9]{{1,40}})"
_VARIABLE, _SPECIFIC, _CONSTANT = (re.compile(_MARK.format(mark), re.IGNORECASE) for mark in ("VS", "SS", "KS"))


@dataclass(frozen=True, slots=True)
class Symbols:
    """The three symbols of a payment, empty where there is none."""

    variable: str = ""
    specific: str = ""
    constant: str = ""


def symbols_in(*sources: Sequence[str]) -> Symbols:
    """The symbols that the texts name; the first source that names one has the last word about it."""
    return Symbols(*(_first(pattern, sources) for pattern in (_VARIABLE, _SPECIFIC, _CONSTANT)))


def _first(pattern: re.Pattern[str], sources: Iterable[Sequence[str]]) -> str:
    for texts in sources:
        named = {digits.lstrip("0") for text in texts for digits in pattern.findall(text)} - {""}
        if named:
            return _symbol(named.pop()) if len(named) == 1 else ""
    return ""


def _symbol(digits: str) -> str:
    try:
        return symbol(digits)
    except ValueError:
        return ""
