"""The rules, as text that an admin can read and review: one table `inet hradlo`, and nothing else.

How a packet of a subscriber goes through it:

* **prerouting (nat)**: TCP 80 of a line in notice or suspended is sent to the notice server, unless it asks the
  gateway itself or a host of the garden. Only the first packet of a connection passes here.
* **forward**: every packet of a suspended line, in both directions, with no `ct state established` shortcut
  ahead: so a running download ends as soon as the line is suspended. Upwards is refused loudly (TCP reset, ICMP),
  downwards is let through by a trickle per subscriber, just enough for the client to be told by our reset.

Each combination of line state and prefix length in use has a hash set of masked addresses: interval sets take
seconds for one change with 100,000 elements. Hash sets need a `size`, or dumps of them are silently incomplete.

There are no anonymous sets and no counters here on purpose: the seal (`seal.py`) compares the kernel's rules byte
for byte.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple, Self

from config.errors import DriverError
from config.settings import Settings
from enforcement.state import Address, LineState, Observed

TABLE = "hradlo"
SET_SIZE = 262_144
"""Most addresses of one state and prefix length; also what makes the kernel's dumps whole."""
METER_SIZE = 65_536
"""Most subscribers whose rate is measured at the same time."""
REFUSALS_PER_SECOND = 20
"""ICMP refusals to one subscriber; what is above is dropped silently."""
ARRIVALS_PER_SECOND = 10
"""Packets that reach a suspended line against its state, so that its end of the connection learns the end."""

_INTERFACE = re.compile(r"[A-Za-z0-9._@:-]{1,15}\*?")
_SET_NAME = re.compile(r"(notice|suspended|garden|down|up)([46])_(\d{1,3})")


@dataclass(frozen=True, slots=True)
class NftSettings:
    """What the rules are made of."""

    subscriber_interfaces: tuple[str, ...]
    """Names as `ip link` shows them; a name that ends in ``*`` means all that begin so (``ppp*``)."""
    notice_addresses: tuple[IPv4Address | IPv6Address, ...]
    notice_port: int = 8080
    resolvers: tuple[IPv4Address | IPv6Address, ...] = ()
    dns_queries_per_second: int = 20

    def __post_init__(self) -> None:
        for interface in self.subscriber_interfaces:
            if not _INTERFACE.fullmatch(interface):
                raise DriverError(
                    f"{interface!r} in [enforcement] subscriber_interfaces is not the name of an interface.",
                    "Write it as `ip link` shows it.",
                )

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(
            subscriber_interfaces=settings.enforcement.subscriber_interfaces,
            notice_addresses=settings.notice.addresses,
            notice_port=settings.notice.port,
            resolvers=settings.enforcement.resolvers,
            dns_queries_per_second=settings.enforcement.dns_queries_per_second,
        )


class SetName(NamedTuple):
    """One set of the table: ``suspended6_56`` holds the suspended IPv6 networks of 56 bits."""

    kind: str
    version: int
    prefix_length: int

    def __str__(self) -> str:
        return f"{self.kind}{self.version}_{self.prefix_length}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None when the set is not one of these."""
        match = _SET_NAME.fullmatch(text)
        return cls(match[1], int(match[2]), int(match[3])) if match else None

    @classmethod
    def of_line(cls, address: Address, state: LineState) -> Self:
        return cls(str(state), address.version, address.prefix_length)

    @classmethod
    def of_garden(cls, address: Address) -> Self:
        return cls("garden", address.version, address.prefix_length)


Layout = frozenset[SetName]
"""The sets that a table has; its rules follow from them."""

SMALLEST_LAYOUT: Layout = frozenset(
    {
        SetName("notice", 4, 32),
        SetName("suspended", 4, 32),
        SetName("notice", 6, 64),
        SetName("suspended", 6, 64),
        SetName("garden", 4, 32),
        SetName("garden", 6, 128),
    }
)
"""Always there, so that the first subscriber needs no new rules; other prefix lengths come when they are needed."""


def layout_for(observed: Observed) -> Layout:
    """The sets that hold these lines and this garden. Notice and suspended always come in pairs."""
    sizes = {(address.version, address.prefix_length) for address in observed.lines}
    lines = {SetName(kind, *size) for size in sizes for kind in ("notice", "suspended")}
    return SMALLEST_LAYOUT | lines | {SetName.of_garden(address) for address in observed.garden}


def ruleset_text(settings: NftSettings, layout: Layout) -> str:
    """The whole table; loading it replaces the one that was there in one transaction."""
    body = [*_sets(layout), *_meters(), *_redirecting(settings, layout), *_refusing(settings, layout)]
    lines = [f"table inet {TABLE} {{ }}", f"delete table inet {TABLE}", f"table inet {TABLE} {{", *body, "}"]
    return "\n".join(lines) + "\n"


def elements_text(observed: Observed) -> Iterator[str]:
    """The lines and the garden, to be loaded in the same transaction as the rules."""
    content: dict[SetName, list[Address]] = {}
    for address, state in observed.lines.items():
        content.setdefault(SetName.of_line(address, state), []).append(address)
    for address in observed.garden:
        content.setdefault(SetName.of_garden(address), []).append(address)
    for name, addresses in sorted(content.items()):
        items = ",\n".join(str(ip_address(address.packed)) for address in addresses)
        yield f"add element inet {TABLE} {name} {{\n{items}\n}}\n"


def _sets(layout: Layout) -> Iterator[str]:
    for name in sorted(layout):
        key = "ipv4_addr" if name.version == 4 else "ipv6_addr"
        yield f"  set {name} {{ type {key}; size {SET_SIZE}; }}"


def _meters() -> Iterator[str]:
    """Who was let through how often lately; the kernel keeps them."""
    for name in ("queries", "answers", "refusals", "arrivals"):
        for version, key in ((4, "ipv4_addr"), (6, "ipv6_addr")):
            yield f"  set {name}{version} {{ type {key}; size {METER_SIZE}; flags dynamic,timeout; timeout 30s; }}"


def _redirecting(settings: NftSettings, layout: Layout) -> Iterator[str]:
    yield "  chain to_notice {"
    for address in settings.notice_addresses:
        family, target = ("ip", str(address)) if address.version == 4 else ("ip6", f"[{address}]")
        yield f"    meta nfproto ipv{address.version} meta l4proto tcp dnat {family} to {target}:{settings.notice_port}"
    yield "  }"
    yield from _garden_chain("to_garden", "daddr", layout)
    yield "  chain from_port_80 {"
    yield "    fib daddr type local return"
    yield "    jump to_garden"
    yield from _lookups("saddr", "notice", layout, "goto to_notice")
    yield from _lookups("saddr", "suspended", layout, "goto to_notice")
    yield "  }"
    yield "  chain prerouting {"
    yield "    type nat hook prerouting priority dstnat - 10; policy accept;"
    for interface in settings.subscriber_interfaces:
        yield f'    iifname "{interface}" tcp dport 80 goto from_port_80'
    yield "  }"


def _refusing(settings: NftSettings, layout: Layout) -> Iterator[str]:
    queries = settings.dns_queries_per_second
    yield from _metered("query", "queries", "saddr", f"limit rate {queries}/second burst {2 * queries} packets")
    yield from _metered("answer", "answers", "daddr", f"limit rate {2 * queries}/second burst {4 * queries} packets")
    yield from _garden_chain("from_garden", "saddr", layout)
    yield from _upstream_chain(settings)
    yield from _downstream_chain(settings)
    yield "  chain from_subscriber {"
    yield from _lookups("saddr", "suspended", layout, "goto refuse_upstream")
    yield "  }"
    yield "  chain to_subscriber {"
    yield from _lookups("daddr", "suspended", layout, "goto refuse_downstream")
    yield "  }"
    yield "  chain forward {"
    yield "    type filter hook forward priority filter - 10; policy accept;"
    for interface in settings.subscriber_interfaces:
        yield f'    iifname "{interface}" jump from_subscriber'
    for interface in settings.subscriber_interfaces:
        yield f'    oifname "{interface}" jump to_subscriber'
    yield "  }"


def _upstream_chain(settings: NftSettings) -> Iterator[str]:
    yield "  chain refuse_upstream {"
    yield "    jump to_garden"
    yield from _resolver_rules(settings, "daddr", "dport", "goto query")
    yield "    icmp type destination-unreachable accept"  # without errors, paths to the garden break
    yield "    icmpv6 type 1-4 accept"
    yield "    tcp flags & rst == rst accept"  # the subscriber's own end of a connection
    yield "    meta l4proto tcp reject with tcp reset"
    limit = f"limit rate {REFUSALS_PER_SECOND}/second burst {2 * REFUSALS_PER_SECOND} packets"
    for source, version in (("ip saddr", 4), (_wide("saddr"), 6)):
        yield f"    update @refusals{version} {{ {source} {limit} }} reject with icmpx admin-prohibited"
    yield "    drop"
    yield "  }"


def _downstream_chain(settings: NftSettings) -> Iterator[str]:
    yield "  chain refuse_downstream {"
    yield "    jump from_garden"
    yield from _resolver_rules(settings, "saddr", "sport", "goto answer")
    limit = f"limit rate {ARRIVALS_PER_SECOND}/second burst {ARRIVALS_PER_SECOND} packets"
    for destination, version in (("ip daddr", 4), (_wide("daddr"), 6)):
        yield f"    update @arrivals{version} {{ {destination} {limit} }} accept"
    yield "    drop"
    yield "  }"


def _metered(chain: str, meter: str, side: str, limit: str) -> Iterator[str]:
    """A chain that accepts what stays under the subscriber's limit and drops the rest."""
    yield f"  chain {chain} {{"
    yield f"    update @{meter}4 {{ ip {side} {limit} }} accept"
    yield f"    update @{meter}6 {{ {_wide(side)} {limit} }} accept"
    yield "    drop"
    yield "  }"


def _garden_chain(chain: str, side: str, layout: Layout) -> Iterator[str]:
    yield f"  chain {chain} {{"
    yield from _lookups(side, "garden", layout, "accept")
    yield "  }"


def _resolver_rules(settings: NftSettings, side: str, port: str, verdict: str) -> Iterator[str]:
    for resolver in settings.resolvers:
        family = "ip" if resolver.version == 4 else "ip6"
        for protocol in ("udp", "tcp"):
            yield f"    {family} {side} {resolver} {protocol} {port} 53 {verdict}"


def _lookups(side: str, kind: str, layout: Iterable[SetName], verdict: str) -> Iterator[str]:
    """One rule for each prefix length in use."""
    for name in sorted(layout):
        if name.kind == kind:
            yield f"    {masked(side, name)} @{name} {verdict}"


def masked(side: str, name: SetName) -> str:
    """The address of a packet as it stands in a set: cut to the prefix."""
    family, bits, kind = ("ip", 32, IPv4Address) if name.version == 4 else ("ip6", 128, IPv6Address)
    if name.prefix_length == bits:
        return f"{family} {side}"
    mask = (1 << bits) - (1 << (bits - name.prefix_length))
    return f"{family} {side} & {kind(mask)}"


def _wide(side: str) -> str:
    """IPv6 senders are measured by their /64: single addresses cost a subscriber nothing."""
    return f"ip6 {side} & ffff:ffff:ffff:ffff::"
