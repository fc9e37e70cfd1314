"""What may stand in services.csv, and whose address is whose."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import groupby
from typing import TypeAlias

from billing.customers.rules import customer_number
from billing.importing import Row, Sheet, read
from billing.money import Money
from config.setting_types import MAIN_SITE, SITE_PATTERN

COLUMNS = ("contract_number", "customer_number", "kind", "product", "price", "starts_on", "addresses")
OPTIONAL_COLUMNS = ("billed_until_on", "period_months", "ends_on", "site")
KINDS = ("internet", "insurance", "voip", "other")
PERIODS_MONTHS = (1, 3, 12)
# No service of a subscriber is larger; a slip of the pen must not suspend half of the network.
_SHORTEST_PREFIX = {4: 16, 6: 32}
_MAC = re.compile("([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")
_NAME_LENGTH_MAX = 64
# The rest of 127.0.0.0/8 is where the demo's subscribers live.
_THIS_MACHINE = ip_network("127.0.0.0/16")

Network: TypeAlias = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One service of the file."""

    line: int
    contract_number: str
    customer_number: str
    kind: str
    product: str
    price: Money
    starts_on: date
    networks: tuple[Network, ...]
    bindings: tuple[str, ...] = ()
    """What it is known by where its address changes: ``dhcp:AA:BB:CC:DD:EE:FF``, ``ppp:name``."""
    billed_until_on: date | None = None
    """The last day that another program has invoiced; None: nothing is."""
    period_months: int | None = None
    ends_on: date | None = None
    site: str = ""
    """Where the networks are; empty: where they are already, or where the file is imported."""

    @property
    def key(self) -> tuple[str, str, str, date]:
        """What says that a service is the same one as before."""
        return self.contract_number, self.kind, self.product, self.starts_on

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(canonical(network) for network in self.networks)


@dataclass(frozen=True, slots=True)
class Claim:
    """A network and the service that says it is its own."""

    network: Network
    owner: str
    """In words, e.g. ``contract 1001, Fiber 100``."""
    line: int = 0
    """Of the file; 0 for a service that is stored and stays as it is."""
    site: str = MAIN_SITE

    @property
    def first(self) -> tuple[int, int]:
        return self.network.version, int(self.network.network_address)

    @property
    def last(self) -> tuple[int, int]:
        return self.network.version, int(self.network.broadcast_address)


def read_services(data: bytes, source: str) -> Sheet[ServiceRow]:
    """Parses services.csv; raises `InputRejected` when not even its header can be read."""
    sheet = read(data, source, COLUMNS, _service, optional=OPTIONAL_COLUMNS)
    sheet.refuse_repeated("product", lambda row: row.key)
    customers: dict[str, str] = {}
    for row in sheet.rows:
        first = customers.setdefault(row.contract_number, row.customer_number)
        if first != row.customer_number:
            message = f"contract {row.contract_number} belongs to customer {first} in an earlier line"
            sheet.refuse(row.line, "customer_number", message)
    return sheet


def _service(row: Row) -> ServiceRow:
    none: tuple[tuple[Network, ...], tuple[str, ...]] = ((), ())
    networks, bindings = row.read("addresses", _addresses, none)
    service = ServiceRow(
        line=row.line,
        contract_number=row.symbol("contract_number"),
        customer_number=row.read("customer_number", customer_number, ""),
        kind=row.choice("kind", KINDS),
        product=row.text("product", 200, is_needed=True),
        price=row.read("price", _price, Money()),
        starts_on=row.date("starts_on"),
        networks=networks,
        bindings=bindings,
        billed_until_on=row.date_or_none("billed_until_on"),
        period_months=row.read("period_months", _months, None) if row.has("period_months") else None,
        ends_on=row.date_or_none("ends_on"),
        site=row.read("site", _site, "") if row.has("site") else "",
    )
    for column, day in (("billed_until_on", service.billed_until_on), ("ends_on", service.ends_on)):
        if day is not None and day < service.starts_on:
            row.refuse(column, f"is {day}, but the service starts on {service.starts_on}")
    return service


def _price(text: str) -> Money:
    found = Money.parse(text)
    if found < Money():
        raise ValueError(f"{text!r} is less than nothing: a discount is a lower price")
    return found


def _months(text: str) -> int | None:
    if text and text not in map(str, PERIODS_MONTHS):
        raise ValueError(f"{text!r} is none of {', '.join(map(str, PERIODS_MONTHS))}")
    return int(text) if text else None


def _site(text: str) -> str:
    if text and not re.fullmatch(SITE_PATTERN, text):
        raise ValueError(f"{text!r} is not the name of a site: small letters, digits, dots and dashes")
    return text


def _addresses(text: str) -> tuple[tuple[Network, ...], tuple[str, ...]]:
    """Fixed ones, and bindings."""
    words = text.split()
    fixed = {network(word) for word in words if not _is_binding(word)}
    bindings = {binding(word) for word in words if _is_binding(word)}
    return tuple(sorted(fixed, key=lambda each: (each.version, each))), tuple(sorted(bindings))


def _is_binding(word: str) -> bool:
    return word.startswith(("dhcp:", "ppp:"))


def binding(word: str) -> str:
    """The one way to write what a router knows a subscriber by; raises `ValueError`, which says what is wrong."""
    kind, _, name = word.partition(":")
    if kind == "dhcp" and _MAC.fullmatch(name):
        return f"dhcp:{name.upper().replace('-', ':')}"
    if kind == "ppp" and 0 < len(name) <= _NAME_LENGTH_MAX:
        return word
    raise ValueError(f"{word!r} is not like dhcp:AA:BB:CC:DD:EE:FF or ppp:name")


def network(text: str) -> Network:
    """An address or a prefix that a service can have; raises `ValueError`, which says what is wrong."""
    address, slash, length = text.partition("/")
    try:
        if "%" in text or (slash and not (length.isascii() and length.isdigit())):
            raise ValueError("is not an address or a prefix")
        found = ip_network(text) if slash else ip_network(ip_address(address))
    except ValueError as error:
        raise ValueError(_reason(text, error)) from None
    lowest = found.network_address
    if isinstance(lowest, IPv6Address) and lowest.ipv4_mapped:
        raise ValueError(f"{text} is an IPv4 address in IPv6 writing: write {lowest.ipv4_mapped}")
    if found.prefixlen < _SHORTEST_PREFIX[found.version]:
        raise ValueError(f"{text} is larger than /{_SHORTEST_PREFIX[found.version]}, too large for one service")
    if (
        lowest in _THIS_MACHINE
        or lowest == IPv6Address(1)
        or lowest.is_multicast
        or lowest.is_link_local
        or lowest.is_unspecified
    ):
        raise ValueError(f"{text} can't be a subscriber's address")
    return found


def _reason(text: str, error: ValueError) -> str:
    if "host bits" in str(error):
        fitting = ip_network(text, strict=False)
        return f"{text} is not the first address of a /{fitting.prefixlen}: write {fitting}, or the address alone"
    return f"{text!r} is not an address like 10.1.2.3, 10.1.2.8/29 or 2001:db8:1::/56"


def canonical(found: Network) -> str:
    """The one way to write a network; a single address stands without a prefix length."""
    if found.prefixlen == found.max_prefixlen:
        return str(found.network_address)
    return str(found)


def overlaps(claims: Iterable[Claim]) -> Iterator[tuple[Claim, Claim]]:
    """Pairs of claims that share an address of one site.

    They are each claim with the one that began before it and reaches furthest.
    """
    ordered = sorted(claims, key=lambda each: (each.site, each.first, each.last, each.line))
    for _, of_site in groupby(ordered, key=lambda each: each.site):
        furthest: Claim | None = None
        for claim in of_site:
            if furthest and claim.first <= furthest.last:
                yield furthest, claim
            if furthest is None or claim.last > furthest.last:
                furthest = claim


def covering(source: IPv4Address | IPv6Address) -> Iterator[str]:
    """Every network that the address could be in, as it is stored, the longest first."""
    for length in range(source.max_prefixlen, _SHORTEST_PREFIX[source.version] - 1, -1):
        host_bits = source.max_prefixlen - length
        lowest = type(source)(int(source) >> host_bits << host_bits)
        yield f"{lowest}/{length}" if host_bits else str(lowest)
