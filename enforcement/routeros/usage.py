"""What subscribers transfer, from a router's simple queues. Pure.

Where an ISP shapes, there is a queue for each subscriber already, and its counters are exact. They begin from zero
when the router reboots or a queue is made anew, which shows as a counter that shrank. So the *generation* names the
router alone: a wrong guess of "rebooted" would count everything twice, and a reboot that nobody notices loses no more
than a queue had counted before.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress

from enforcement.routeros.commands import Row
from enforcement.routeros.rules import is_true
from enforcement.state import Address, Counted

MENU = "/queue/simple"
PROPERTIES = (".id", "name", "target", "bytes", "disabled", "dynamic")


def counted(rows: Iterable[Row], wanted: Collection[Address], generation: str) -> Counted:
    """The first queue of an address counts, as in the router. One with several targets counts for the first wanted."""
    asked = frozenset(wanted)
    found: dict[Address, tuple[int, int]] = {}
    for row in rows:
        address = next((one for one in _targets(row) if one in asked), None)
        if address is not None and address not in found and not is_true(row, "disabled"):
            found[address] = _down_and_up(row)
    return Counted(generation, found)


def _targets(row: Row) -> Iterator[Address]:
    for text in row.get("target", "").split(","):
        with suppress(ValueError):  # a target may be an interface
            yield Address.parse(text)


def _down_and_up(row: Row) -> tuple[int, int]:
    """Printed the other way round, as the subscriber's upload/download."""
    up, _, down = row.get("bytes", "").partition("/")
    return int(down) if down.isdigit() else 0, int(up) if up.isdigit() else 0
