"""Which router answers, and whether it is still the one that answered before."""

from collections.abc import Mapping
from dataclasses import dataclass

from config.counting import counted
from enforcement.routeros.commands import Row
from enforcement.routeros.durations import seconds_of
from enforcement.routeros.transport import Transport, print_if_there
from enforcement.state import LineState, Plan

REMOVED_SHARE_MAX = 0.3
REMOVED_MIN = 50
"""Fewer removals are never too many."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A router, as it names itself."""

    name: str
    serial: str = ""
    """Empty where there is none: a virtual router."""
    version: str = ""
    board: str = ""
    uptime_seconds: int = 0

    def __str__(self) -> str:
        serial = f", serial number {self.serial}" if self.serial else ""
        return f"{self.name} ({self.board}, RouterOS {self.version}{serial})"

    def is_same_as(self, other: "Identity") -> bool:
        """An operator may rename a router; its serial number stays."""
        if self.serial or other.serial:
            return self.serial == other.serial
        return self.name == other.name


async def read_identity(transport: Transport) -> Identity:
    """Asks a router who it is, and since when it runs."""
    resource = await _single(transport, "/system/resource", "uptime", "version", "board-name")
    named = await _single(transport, "/system/identity", "name")
    board = await _single(transport, "/system/routerboard", "serial-number")  # virtual machines have none
    return Identity(
        named.get("name", ""),
        board.get("serial-number", ""),
        resource.get("version", ""),
        resource.get("board-name", ""),
        seconds_of(resource.get("uptime", "")) or 0,
    )


async def _single(transport: Transport, path: str, *properties: str) -> Row:
    rows = await print_if_there(transport, path, properties)
    return rows[0] if rows else {}


def objection(plan: Plan, held: Mapping[LineState, int]) -> str:
    """Why a plan is not for a router that is not the one we knew: empty when it does little harm. Pure.

    `held` says how many lines the router has in each state. A plan for the old router, or for one that
    was restored from somebody's backup, gives itself away by its size.
    """
    for state, count in held.items():
        removed = sum(change.before is state for change in plan.changes)
        if removed >= REMOVED_MIN and removed > REMOVED_SHARE_MAX * count:
            return f"{removed} of its {count} lines in {state} would leave that state"
    added = len(plan.restrictions)
    return f"{counted(added, 'line')} would be restricted on it" if added >= REMOVED_MIN else ""
