"""What a call costs, and how long a call some credit lets go on. Pure.

    billed = first                                          for a call of at most `first` seconds
             first + ceil((duration - first) / step) * step otherwise
    cost   = connection fee + ceil(price per minute * billed / 60)

in ten-thousandths of the currency unit (`credit`), VAT included. A call that nobody answered, or of 0 s, costs nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from billing.voip.credit import Credit
from billing.voip.numbers import Called, Nature

SHORT = "short:"
"""How the prefix of a national short number begins in a deck, because 1188 alone would be a place in America."""
PREMIUM_DIGITS_MIN = 2


Prices = tuple[Credit, Credit, int, int]
"""What decides about the cost of a call: per minute, for the connection, first seconds, step."""


class Rate(NamedTuple):
    """One row of a deck."""

    id: int | None
    """Kept with every call that was rated by it; None of what is free without any deck."""
    prefix: str
    destination: str
    price_per_minute_e4: int
    connect_e4: int
    first_seconds: int
    step_seconds: int

    def cost(self, seconds: int) -> Credit:
        """Of a call of so many seconds."""
        return Credit(self.cost_e4(seconds))

    def cost_e4(self, seconds: int) -> int:
        """`cost` as a bare number, for a hundred thousand calls a second."""
        if seconds <= 0:
            return 0
        billed = self.first_seconds
        if seconds > billed:
            billed += -((billed - seconds) // self.step_seconds) * self.step_seconds
        return self.connect_e4 - (-self.price_per_minute_e4 * billed // 60)

    @property
    def prices(self) -> Prices:
        return Credit(self.price_per_minute_e4), Credit(self.connect_e4), self.first_seconds, self.step_seconds

    @property
    def is_free(self) -> bool:
        return not (self.price_per_minute_e4 or self.connect_e4)

    def affordable_seconds(self, credit: Credit, seconds_max: int) -> int:
        """The longest call, of at most `seconds_max`, that costs no more than the credit; 0 for none."""
        if self.cost_e4(seconds_max) <= credit.e4:
            return seconds_max
        left = credit.e4 - self.connect_e4
        if left < 0:
            return 0
        if not self.price_per_minute_e4:
            return seconds_max
        # ceil(price * billed / 60) <= left exactly when billed <= left * 60 / price
        billed_max = left * 60 // self.price_per_minute_e4
        if billed_max < self.first_seconds:
            return 0
        steps = (billed_max - self.first_seconds) // self.step_seconds
        return min(self.first_seconds + steps * self.step_seconds, seconds_max)


FREE = Rate(None, "", "", 0, 0, 1, 1)


@dataclass(frozen=True, slots=True)
class DeckHead:
    """Which deck it is: what rows of the database say of it."""

    id: int
    version: str
    """Unique over all databases: what the deck is kept in memory by."""
    name: str


class Deck:
    """A whole price list in memory: the longest prefix is found in a plain dict, tried by length.

    It never changes; a new one takes its place.
    """

    def __init__(self, head: DeckHead, rates: Iterable[Rate]) -> None:
        self.head = head
        self._numbers: dict[str, Rate] = {}
        self._shorts: dict[str, Rate] = {}
        for rate in rates:
            if rate.prefix.startswith(SHORT):
                self._shorts[rate.prefix.removeprefix(SHORT)] = rate
            else:
                self._numbers[rate.prefix] = rate
        self._lengths = _lengths(self._numbers)
        self._short_lengths = _lengths(self._shorts)

    def __len__(self) -> int:
        return len(self._numbers) + len(self._shorts)

    @property
    def rates(self) -> list[Rate]:
        return [*self._numbers.values(), *self._shorts.values()]

    def longest(self, digits: str, *, is_short: bool = False) -> Rate | None:
        """The rate with the longest prefix of a number in international form, or of a short one."""
        table, lengths = (self._shorts, self._short_lengths) if is_short else (self._numbers, self._lengths)
        for length in lengths:
            found = table.get(digits[:length])
            if found is not None:
                return found
        return None

    def rate_of(self, called: Called) -> Rate | None:
        """What the number is rated by; None when the deck does not know it, which no paid call passes.

        A premium number is never rated by a prefix that means a whole country: a deck without it would sell it
        at the price of a landline.
        """
        if called.nature in (Nature.EMERGENCY, Nature.FREE):
            return FREE
        found = self.longest(called.digits, is_short=called.is_short)
        if found is not None and called.nature is Nature.PREMIUM and not called.is_short:
            is_whole_country = len(found.prefix) < len(called.country_code) + PREMIUM_DIGITS_MIN
            return None if is_whole_country else found
        return found


def _lengths(table: dict[str, Rate]) -> tuple[int, ...]:
    return tuple(sorted({len(prefix) for prefix in table}, reverse=True))
