"""Amounts as banks write them in text: exact, or an error; a float never comes near."""

import re
from decimal import Decimal

from billing.money import MINOR_PER_UNIT, Money

UNITS_EXPONENT_MAX = 12
"""Below ten million million crowns, so that a number such as 1e999999999 is refused before it is computed."""
FRACTION_DIGITS_MAX = 12
"""Zeros after the haléře are let pass, as 130.00000 is."""

_SPACES = re.compile("[ \u00a0\u202f]")
_DECIMAL_TEXT = re.compile(r"([+-]?)([0-9]{1,13})(?:[.,]([0-9]{0,12}))?")


def amount(text: str) -> Money:
    """`18 204,70`, `-12.5`, `+7`; one decimal sign, and spaces between thousands. Else `ValueError`."""
    match = _DECIMAL_TEXT.fullmatch(_SPACES.sub("", text))
    if match is None:
        raise ValueError(f"is not an amount: {text[:40]!r}")
    sign, units, fraction = match.groups(default="")
    return exact(Decimal(f"{sign}{units}.{fraction}"))


def exact(value: Decimal | int) -> Money:
    """A number as money; `ValueError` if it is out of range or no whole number of haléře."""
    number = Decimal(value)
    exponent = number.as_tuple().exponent
    if number.adjusted() > UNITS_EXPONENT_MAX or not isinstance(exponent, int) or exponent < -FRACTION_DIGITS_MAX:
        raise ValueError(f"is out of range: {str(number)[:40]}")
    minor = number * MINOR_PER_UNIT
    if minor != minor.to_integral_value():
        raise ValueError(f"is not a whole number of haléře: {number}")
    return Money(int(minor))
