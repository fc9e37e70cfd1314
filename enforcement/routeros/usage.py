"""What subscribers transfer, from a router's simple queues. Pure.

Where an ISP shapes, there is a queue for each subscriber already, and its counters are exact. They begin from zero
when the router reboots or a queue is made anew, which shows as a counter that shrank. So the *generation* names the
router alone: a wrong guess of "rebooted" would count everything twice, and a reboot that nobody notices loses no more
than a queue had counted before.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress

from enforcement.routeros.commands import Row
from enforcement.routeros.rules import is_true
from enforcement.state import Address, Counted

MENU = "/queue/simple"
_SESSION = re.compile("<[a-z0-9]+-(.+)>")
PROPERTIES = (".id", "name", "target", "bytes", "disabled", "dynamic")


def counted(rows: Iterable[Row], sessions: Iterable[Row], wanted: Collection[Address], generation: str) -> Counted:
    """The first queue of an address counts, as in the router. One with several targets counts for the first wanted.

    A PPP session's queue is named after its interface, ``<pppoe-name>``; `sessions` say which address that has.
    """
    asked = frozenset(wanted)
    address_of = {session.get("name", ""): session.get("address", "") for session in sessions}
    found: dict[Address, tuple[int, int]] = {}
    for row in rows:
        address = next((one for one in _targets(row, address_of) if one in asked), None)
        if address is not None and address not in found and not is_true(row, "disabled"):
            found[address] = _down_and_up(row)
    return Counted(generation, found)


def _targets(row: Row, address_of: Mapping[str, str]) -> Iterator[Address]:
    for text in row.get("target", "").split(","):
        session = _SESSION.fullmatch(text)
        with suppress(ValueError):  # a target may be any interface
            yield Address.parse(address_of.get(session[1], "") if session else text)


def _down_and_up(row: Row) -> tuple[int, int]:
    """Printed the other way round, as the subscriber's upload/download."""
    up, _, down = row.get("bytes", "").partition("/")
    return int(down) if down.isdigit() else 0, int(up) if up.isdigit() else 0
