"""A price deck as a CSV file: read whole, checked whole, compared with the one that counts now. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from billing.importing import Row, Sheet, read
from billing.voip.credit import NONE, Credit
from billing.voip.numbers import called, country_code, examples, short_number
from billing.voip.rating import SHORT, Deck, Prices
from config.errors import Problem

COLUMNS = ("prefix", "destination", "price_per_minute", "connect", "first_seconds", "step_seconds")
PREFIX_DIGITS_MAX = 15
SECONDS_MAX = 3600
ABSURD_PER_MINUTE = Credit.parse("1000")
"""No call costs so much a minute; a decimal point is missing."""
ODD_RISE = Decimal(3)
"""A price that is so many times today's is worth a second look."""


@dataclass(frozen=True, slots=True)
class DeckRow:
    """One row of the file."""

    line: int
    prefix: str
    destination: str
    price_per_minute: Credit
    connect: Credit
    first_seconds: int
    step_seconds: int

    @property
    def prices(self) -> Prices:
        """What decides about the cost of a call."""
        return self.price_per_minute, self.connect, self.first_seconds, self.step_seconds


@dataclass(frozen=True, slots=True)
class Change:
    """A prefix whose price is another one than today."""

    prefix: str
    destination: str
    before: str
    """Words such as `1.21/min + 0.50, 60/60`; empty for a new prefix."""
    after: str
    """Empty for a prefix that is gone."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a deck changes, against the one that counts now."""

    raised: tuple[Change, ...] = ()
    lowered: tuple[Change, ...] = ()
    other: tuple[Change, ...] = ()
    """Cheaper in one way and dearer in another (the connection fee, the step)."""
    new: tuple[Change, ...] = ()
    gone: tuple[Change, ...] = ()
    unchanged: int = 0


def read_deck(data: bytes, source: str, country: str) -> Sheet[DeckRow]:
    """Parses and checks a file; `require_good` of what comes back raises with every problem and its place."""
    sheet = read(data, source, COLUMNS, _row)
    sheet.refuse_repeated("prefix", lambda row: row.prefix)
    _refuse_gaps(sheet, country)
    return sheet


def oddities(deck: Deck, country: str, changes: Changes) -> tuple[Problem, ...]:
    """What is taken although it looks odd: steep rises, and numbers that nobody could call."""
    steep = [each for each in changes.raised if _is_steep(each)]
    found = [Problem(f"prefix {each.prefix}", f"rises from {each.before} to {each.after}") for each in steep]
    for example in examples(country):
        if deck.rate_of(called(example, country)) is None:
            found.append(Problem(example, "has no price, so nobody can call it or numbers like it"))
    return tuple(found)


def compared(rows: Iterable[DeckRow], today: Deck | None) -> Changes:
    """What changes against today's deck."""
    old = {rate.prefix: rate for rate in today.rates} if today else {}
    kinds: dict[str, list[Change]] = {"raised": [], "lowered": [], "other": [], "new": []}
    unchanged = 0
    for row in sorted(rows, key=lambda each: each.prefix):
        before = old.pop(row.prefix, None)
        if before is None:
            kinds["new"].append(Change(row.prefix, row.destination, "", words(row.prices)))
        elif before.prices == row.prices:
            unchanged += 1
        else:
            change = Change(row.prefix, row.destination, words(before.prices), words(row.prices))
            kinds[_direction(before.prices, row.prices)].append(change)
    gone = tuple(Change(rate.prefix, rate.destination, words(rate.prices), "") for _, rate in sorted(old.items()))
    return Changes(**{name: tuple(found) for name, found in kinds.items()}, gone=gone, unchanged=unchanged)


def words(prices: Prices) -> str:
    """A price as an admin reads it: `1.21/min + 0.50, 60/60`."""
    per_minute, connect, first, step = prices
    fee = f" + {connect}" if connect else ""
    return f"{per_minute}/min{fee}, {first}/{step}"


def _direction(before: Prices, after: Prices) -> str:
    pairs = list(zip(before, after, strict=True))
    if all(new >= old for old, new in pairs):  # type: ignore[operator]
        return "raised"
    return "lowered" if all(new <= old for old, new in pairs) else "other"  # type: ignore[operator]


def _is_steep(change: Change) -> bool:
    before, after = (Decimal(text.partition("/")[0]) for text in (change.before, change.after))
    return after > before * ODD_RISE and before > 0


def _row(row: Row) -> DeckRow:
    price = row.read("price_per_minute", _price, NONE)
    if price > ABSURD_PER_MINUTE:
        row.refuse("price_per_minute", f"{price} a minute is absurd: is a decimal point missing?")
    connect = row.read("connect", _price, NONE)
    if connect > ABSURD_PER_MINUTE:
        row.refuse("connect", f"{connect} for a connection is absurd: is a decimal point missing?")
    return DeckRow(
        line=row.line,
        prefix=row.read("prefix", _prefix, ""),
        destination=row.text("destination", 120, is_needed=True),
        price_per_minute=price,
        connect=connect,
        first_seconds=row.read("first_seconds", _seconds, 1),
        step_seconds=row.read("step_seconds", _seconds, 1),
    )


def _price(text: str) -> Credit:
    found = Credit.parse(text)
    if found < NONE:
        raise ValueError(f"{text} is negative")
    return found


def _prefix(text: str) -> str:
    digits = text.removeprefix(SHORT).removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= PREFIX_DIGITS_MAX):
        raise ValueError(f"{text!r} is not a prefix: write digits like 420601, or short:1188")
    if text.startswith(SHORT):
        return SHORT + digits
    if digits.startswith("0"):
        raise ValueError(f"{text!r} begins with 0: write prefixes in international form, 420 and not 00420")
    return digits


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= SECONDS_MAX):
        raise ValueError(f"{text!r} is not a number of seconds from 1 to {SECONDS_MAX}")
    return int(text)


def _refuse_gaps(sheet: Sheet[DeckRow], country: str) -> None:
    """A deck without the home country would leave every subscriber without a telephone."""
    code = country_code(country)
    prefixes = {row.prefix for row in sheet.rows}
    if not sheet.rows:
        sheet.refuse(1, "", "there is no price in the file")
    elif code not in prefixes:
        sheet.refuse(1, "prefix", f"{code} is missing: numbers at home that no longer prefix has would have no price")
    for row in sheet.rows:
        digits = row.prefix.removeprefix(SHORT)
        short = short_number(digits, country) if row.prefix.startswith(SHORT) else None
        if short is not None and short.kind != "paid":
            sheet.refuse(row.line, "prefix", f"{digits} is free ({short.kind}): it has no price")
