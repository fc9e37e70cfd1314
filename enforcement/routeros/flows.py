"""Connections that go past the rules: a router with FastTrack carries open ones on until they end. Pure; see `ending`.

Only there, and only for lines that were suspended just now, they are ended: once for the whole plan. The rules refuse
everything else by themselves.
"""

from collections.abc import Collection, Iterator, Sequence
from ipaddress import ip_address

from enforcement.networks import Networks
from enforcement.routeros.commands import Command, Row
from enforcement.routeros.router import MENUS
from enforcement.state import Address

PROPERTIES = (".id", "src-address", "dst-address", "fasttrack")
REMOVED_AT_ONCE = 100


def endings(rows: Collection[Row], suspended: Collection[Address], version: int) -> list[Command]:
    """The commands that end the connections of these lines."""
    networks = Networks(suspended)
    ids = [row[".id"] for row in rows if any(end in networks for end in _ends(row))]
    return list(_removals(MENUS[version].connections, ids))


def _ends(row: Row) -> Iterator[bytes]:
    """A connection's two addresses; they are printed with their ports."""
    for name in ("src-address", "dst-address"):
        if packed := packed_of(row.get(name, "")):
            yield packed


def packed_of(text: str) -> bytes | None:
    """The address in ``10.0.0.1:443``, ``[2001:db8::1]:443``, ``2001:db8::1``; None when there is none."""
    host = text.rpartition("]:")[0].lstrip("[") or (text.rpartition(":")[0] if text.count(":") == 1 else text)
    try:
        return ip_address(host.strip("[]")).packed
    except ValueError:
        return None


def _removals(menu: str, ids: Sequence[str]) -> Iterator[Command]:
    for start in range(0, len(ids), REMOVED_AT_ONCE):
        yield Command(menu, "remove", {".id": ",".join(ids[start : start + REMOVED_AT_ONCE])})
