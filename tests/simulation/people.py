"""Simulated subscribers: when each of them pays, reads the notice, makes mistakes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from random import Random

BILLED_UNTIL_ON = date(2025, 12, 31)
"""The last day that the program before Hradlo invoiced."""
HABITS = (
    # chance, days from the due date to the payment
    (0.55, (-10, 0)),
    (0.15, (1, 13)),
    (0.15, (14, 30)),
    (0.10, (31, 70)),
    (0.05, (400, 400)),
)


@dataclass
class Subscriber:
    """One contract and who is behind it."""

    number: str
    addresses: dict[str, list[str]]
    """Site -> addresses there."""
    email: str
    habit_days: tuple[int, int]
    reads_chance: float
    """… the notice and confirms it, each time that they see it."""
    pays_at_notice_chance: float
    pays_when_suspended_chance: float
    is_sloppy: float
    """The chance of a wrong symbol or amount."""
    pays_on: dict[str, int] = field(default_factory=dict)
    """Invoice -> days after its due date."""

    def patience_days(self, invoice: str, random: Random) -> int:
        if invoice not in self.pays_on:
            self.pays_on[invoice] = random.randint(*self.habit_days)
        return self.pays_on[invoice]


def village(count: int, sites: Sequence[str], random: Random) -> list[Subscriber]:
    """Subscribers of all kinds; some have addresses at two sites, some no e-mail."""
    chances, habits = zip(*HABITS, strict=True)
    return [
        Subscriber(
            number=str(1001 + index),
            addresses=_addresses(index, sites, random),
            email=f"c{index}@isp.example" if random.random() < 0.8 else "",
            habit_days=random.choices(habits, chances)[0],
            reads_chance=random.choice((0.02, 0.3, 0.7)),
            pays_at_notice_chance=random.choice((0.0, 0.05, 0.3)),
            pays_when_suspended_chance=random.choice((0.05, 0.5, 0.9)),
            is_sloppy=random.choice((0.0, 0.02, 0.1)),
        )
        for index in range(count)
    ]


def _addresses(index: int, sites: Sequence[str], random: Random) -> dict[str, list[str]]:
    home = random.choice(sites)
    addresses = {home: [f"10.1.{index}.5"]}
    if random.random() < 0.3:
        addresses[home].append(f"2001:db8:{index:x}::/56")
    if random.random() < 0.1:
        other = next(site for site in sites if site != home)
        addresses[other] = [f"10.2.{index}.5"]
    return addresses
