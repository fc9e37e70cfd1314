"""Who has which address at present: a router's DHCP leases and PPP sessions. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress

from enforcement.routeros.commands import Row
from enforcement.routeros.rules import is_true
from enforcement.state import Address

LEASES, SESSIONS = "/ip/dhcp-server/lease", "/ppp/active"
LEASE_PROPERTIES = ("active-address", "active-mac-address", "status", "disabled")
SESSION_PROPERTIES = ("name", "address")


def bindings(leases: Iterable[Row], sessions: Iterable[Row]) -> Mapping[str, frozenset[Address]]:
    """``dhcp:MAC`` and ``ppp:name`` -> addresses; only those that are in use now."""
    found: defaultdict[str, set[Address]] = defaultdict(set)
    for lease in leases:
        if lease.get("status") == "bound" and not is_true(lease, "disabled"):
            _add(found, f"dhcp:{lease.get('active-mac-address', '').upper()}", lease.get("active-address", ""))
    for session in sessions:
        _add(found, f"ppp:{session.get('name', '')}", session.get("address", ""))
    return {name: frozenset(addresses) for name, addresses in found.items()}


def _add(found: defaultdict[str, set[Address]], name: str, address: str) -> None:
    with suppress(ValueError):
        found[name].add(Address.parse(address))
