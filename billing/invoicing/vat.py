"""VAT: dated rates, and the tax within consumer prices. Pure, but for the file of rates that is read once.

Prices include VAT, so the tax is taken out from the top: of the *sum* of each rate on a document,
``vat = sum × rate / (100 + rate)``, rounded half up once; then it is shared among the lines so that they add up to
it exactly (zákon o DPH § 37; rounding line by line would differ on every third document).
"""

import tomllib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from billing.money import Money
from config.errors import InputRejected, Problem
from config.settings import Settings

_FILE = Path(__file__).parent / "vat_rates.toml"
_WHOLE = 10_000
"""Basis points in a hundred per cent."""

Rate = tuple[str, int]
"""Category and basis points."""


@dataclass(frozen=True, slots=True)
class Split:
    """An amount with VAT, taken apart."""

    base: Money
    vat: Money


@cache
def _file() -> dict[str, dict[str, list[tuple[date, int]]]]:
    read = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {
        country: {
            category: sorted((date.fromisoformat(day), round(percent * 100)) for day, percent in rates.items())
            for category, rates in categories.items()
        }
        for country, categories in read.items()
    }


def basis_points(country: str, category: str, on: date, own: Sequence[tuple[str, date, int]] = ()) -> int:
    """The rate that counts on a day; `own` are the ISP's (category, valid from, basis points), which win.

    Raises `InputRejected` for a category or a day without a rate.
    """
    mine = sorted((day, rate) for name, day, rate in own if name == category)
    for rates in (mine, _file().get(country, {}).get(category, [])):
        found = [rate for valid_from_on, rate in rates if valid_from_on <= on]
        if found:
            return found[-1]
    remedy = f'add it to [invoicing] vat_rates, such as "{category} {on} 21"'
    raise InputRejected("There is no VAT rate.", [Problem(f"{country} {category}", f"no rate on {on}: {remedy}")])


def rates_on(day: date, settings: Settings) -> Callable[[str], int]:
    """What knows the basis points of a category on a day; nought for all of who pays no VAT."""
    invoicing = settings.invoicing
    own = invoicing.own_vat_rates

    def rate_of(category: str) -> int:
        return basis_points(settings.isp.country, category, day, own) if invoicing.is_vat_payer else 0

    return rate_of


def vat_within(total: Money, rate_basis_points: int) -> Money:
    """The VAT in an amount, half up; of a negative amount the same with the sign turned."""
    size, whole = abs(total.minor), _WHOLE + rate_basis_points
    vat = (2 * size * rate_basis_points + whole) // (2 * whole)
    return Money(-vat if total.minor < 0 else vat)


def split(lines: Sequence[tuple[Rate, Money]]) -> tuple[list[Split], dict[Rate, Split]]:
    """Lines (rate, total) taken apart: each line, and each rate's sum that the lines add up to."""
    members: dict[Rate, list[int]] = defaultdict(list)
    for index, (rate, _) in enumerate(lines):
        members[rate].append(index)
    of_lines: dict[int, Split] = {}
    groups: dict[Rate, Split] = {}
    for rate, indexes in members.items():
        totals = [lines[index][1] for index in indexes]
        whole = Money.total(totals)
        vat = vat_within(whole, rate[1])
        groups[rate] = Split(whole - vat, vat)
        of_lines |= zip(indexes, _shared(totals, vat, rate[1]), strict=True)
    return [of_lines[index] for index in range(len(lines))], groups


def _shared(totals: Sequence[Money], vat: Money, rate: int) -> list[Split]:
    """The group's VAT among its lines: each its own rounded down, what is left to the largest remainders."""
    exact = [(total.minor * rate, _WHOLE + rate) for total in totals]
    shares = [numerator // whole for numerator, whole in exact]
    left = vat.minor - sum(shares)
    by_remainder = sorted(range(len(totals)), key=lambda index: (-(exact[index][0] % exact[index][1]), index))
    step = 1 if left >= 0 else -1
    for count in range(abs(left)):
        shares[by_remainder[count % len(totals)]] += step
    return [Split(total - Money(share), Money(share)) for total, share in zip(totals, shares, strict=True)]
