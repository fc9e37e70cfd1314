"""One router as the rules see it, and the names of everything that Hradlo writes there. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from enforcement.state import Address

NOTICE, SUSPENDED, ALLOWED = "hradlo-notice", "hradlo-suspended", "hradlo-allowed"
LISTS = (SUSPENDED, NOTICE, ALLOWED)

MARK = "hradlo:"
"""Every comment of ours begins so; nothing without it is ever written. ASCII: WinBox writes other code pages."""
VERSION = f"{MARK}v1:"

LINE_COMMENT = f"{VERSION}line"
BASE_COMMENT = f"{VERSION}base"
"""The portal and the resolvers, which belong to the rules."""
GARDEN_COMMENT = f"{VERSION}garden"
BOTH_COMMENT = f"{VERSION}base+garden"
"""One address can't be twice in a list."""


@dataclass(frozen=True, slots=True)
class Menus:
    """Where things are on the router, of one address family."""

    lists: str
    filter: str
    connections: str


MENUS = {
    4: Menus("/ip/firewall/address-list", "/ip/firewall/filter", "/ip/firewall/connection"),
    6: Menus("/ipv6/firewall/address-list", "/ipv6/firewall/filter", "/ipv6/firewall/connection"),
}
NAT = "/ip/firewall/nat"


@dataclass(frozen=True, slots=True)
class Router:
    """What the rules of one router are made of."""

    name: str
    """The site's."""
    notice_address: IPv4Address
    """Where plain HTTP of restricted lines is sent; must be reached without being translated on the way."""
    notice_port: int
    """Of this router alone: it tells overlapping private addresses apart."""
    resolvers: tuple[IPv4Address | IPv6Address, ...] = ()
    """What suspended lines may ask for names. Without any, port 53 of everybody is open to them, by a trickle."""
    dns_queries_per_second: int = 20
    has_ipv6: bool = True

    @property
    def versions(self) -> tuple[int, ...]:
        return (4, 6) if self.has_ipv6 else (4,)

    def base(self, version: int) -> Iterator[Address]:
        """What is always allowed, of one family."""
        for address in (self.notice_address, *self.resolvers):
            if address.version == version:
                yield Address(address.packed, address.max_prefixlen)


def text(address: Address) -> str:
    """An address as the router prints it in a list: IPv6 hosts with their /128."""
    return f"{address}/128" if address.version == 6 and address.is_single else str(address)
