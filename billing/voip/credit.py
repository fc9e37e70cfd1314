"""Credit: an exact count of ten-thousandths of the currency unit, the one type of prices and balances of calls.

A call of some seconds costs less than a haléř, so calls are counted a hundred times finer than `Money`. The two meet
in one place, `Credit.of` and `Credit.in_money`: topping up is whole money and converts exactly; what is left of a
balance is shown and booked in the ledger **rounded up** to whole minor units, so that the ISP never owes less than
it says. Prices include VAT. Floats never enter.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from billing.money import Money

PER_UNIT = 10_000
PER_MINOR = 100
_DECIMAL = re.compile(r"(-?)(\d{1,9})(?:\.(\d{1,4}))?", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Credit:
    """An amount in ten-thousandths (`e4`) of `isp.currency`."""

    e4: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads decimal text such as ``1.21`` or ``0.0105``; raises `ValueError` for anything else."""
        match = _DECIMAL.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not a price: write it like 1.21, with at most four decimal places")
        sign, units, fraction = match.groups()
        e4 = int(units) * PER_UNIT + int((fraction or "").ljust(4, "0"))
        return cls(-e4 if sign else e4)

    @classmethod
    def of(cls, money: Money) -> Self:
        """Whole money as credit; exact."""
        return cls(money.minor * PER_MINOR)

    @classmethod
    def total(cls, amounts: Iterable["Credit"]) -> Self:
        return cls(sum(amount.e4 for amount in amounts))

    def in_money(self) -> Money:
        """As money, rounded up to whole minor units."""
        return Money(-(-self.e4 // PER_MINOR))

    def __add__(self, other: "Credit") -> "Credit":
        return Credit(self.e4 + other.e4)

    def __sub__(self, other: "Credit") -> "Credit":
        return Credit(self.e4 - other.e4)

    def __neg__(self) -> "Credit":
        return Credit(-self.e4)

    def __bool__(self) -> bool:
        return self.e4 != 0

    def __str__(self) -> str:
        """Decimal text with a point and two to four places, as `parse` reads it."""
        sign = "-" if self.e4 < 0 else ""
        units, rest = divmod(abs(self.e4), PER_UNIT)
        places = f"{rest:04d}"
        return f"{sign}{units}.{places[:2]}{places[2:].rstrip('0')}"


NONE = Credit(0)
