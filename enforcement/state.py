"""The values that enforcement talks in: what a line's state is, what is desired, observed and planned.

Pure. An `Address` is a network in a form that 100,000 of can be compared in milliseconds.
"""

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from socket import AF_INET, inet_pton
from typing import NamedTuple, Self


class LineState(IntEnum):
    """What a subscriber's line is; a larger value is the stricter one."""

    OPEN = 0
    NOTICE = 1
    SUSPENDED = 2

    def __str__(self) -> str:
        return self.name.lower()


class Address(NamedTuple):
    """One IPv4 or IPv6 network: packed base address (4 or 16 bytes) and prefix length in bits."""

    packed: bytes
    prefix_length: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads ``10.0.0.1``, ``10.0.0.0/29``, ``2001:db8::/56``; raises `ValueError` on host bits."""
        with suppress(OSError):  # nearly all are single IPv4 addresses: ten times as fast
            return cls(inet_pton(AF_INET, text), 32)
        network = ipaddress.ip_network(text)
        return cls(network.network_address.packed, network.prefixlen)

    @property
    def version(self) -> int:
        return 4 if len(self.packed) == 4 else 6

    @property
    def is_single(self) -> bool:
        return self.prefix_length == len(self.packed) * 8

    def __str__(self) -> str:
        host = ipaddress.ip_address(self.packed)
        return str(host) if self.is_single else f"{host}/{self.prefix_length}"


@dataclass(frozen=True, slots=True)
class Desired:
    """How the network should be. An address that is not in `lines` is OPEN."""

    lines: Mapping[Address, LineState]
    garden: frozenset[Address] = frozenset()
    """What a suspended line still reaches: banks, the portal's host."""


@dataclass(frozen=True, slots=True)
class Observed:
    """How the network was when somebody last looked."""

    lines: Mapping[Address, LineState]
    """Only restricted addresses: NOTICE or SUSPENDED."""
    garden: frozenset[Address] = frozenset()
    is_installed: bool = True
    """The driver's own rules are there and as this version writes them."""


class Change(NamedTuple):
    """One address goes from one state to another."""

    address: Address
    before: LineState
    after: LineState

    @property
    def is_restore(self) -> bool:
        return self.after < self.before

    def __str__(self) -> str:
        return f"{self.address} {self.before} -> {self.after}"


@dataclass(frozen=True)
class Plan:
    """What a driver is to do: a value that can be printed, checksummed and judged before it is applied."""

    restores: tuple[Change, ...] = ()
    """Always first, never braked."""
    restrictions: tuple[Change, ...] = ()
    garden_added: tuple[Address, ...] = ()
    garden_removed: tuple[Address, ...] = ()
    installs: bool = False
    """The driver's own rules must be (re)written first."""

    @property
    def changes(self) -> tuple[Change, ...]:
        return self.restores + self.restrictions

    @property
    def size(self) -> int:
        """How many addresses are written."""
        return len(self.restores) + len(self.restrictions) + len(self.garden_added) + len(self.garden_removed)

    @property
    def is_empty(self) -> bool:
        return not (self.changes or self.garden_added or self.garden_removed or self.installs)

    def lines(self) -> Iterable[str]:
        """The plan as text, one step a line, in the order in which it is carried out."""
        if self.installs:
            yield "install rules"
        yield from (f"restore {change}" for change in self.restores)
        yield from (f"restrict {change}" for change in self.restrictions)
        yield from (f"garden + {address}" for address in self.garden_added)
        yield from (f"garden - {address}" for address in self.garden_removed)

    @cached_property
    def checksum(self) -> str:
        """12 hex digits that change whenever the plan does."""
        return hashlib.sha256("\n".join(self.lines()).encode()).hexdigest()[:12]


NOTHING = Plan()


@dataclass(frozen=True, slots=True)
class Counted:
    """Counters of a router: bytes (down, up) of each address, and which life of the counters this is."""

    generation: str = ""
    bytes_of: Mapping[Address, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a driver reports after a plan: how many it wrote, and whose live flows it ended."""

    changed: int = 0
    flows_ended: int = 0
    notes: tuple[str, ...] = field(default=())
