"""Ending the open connections of lines that were suspended, where FastTrack would carry them past the rules.

What could not be ended (a busy router, a connection to it that broke) is remembered and tried again: the lists are
right by then, so no later plan would name those lines any more.
"""

from collections.abc import Collection

from config.errors import DriverError
from enforcement.routeros.flows import PROPERTIES, endings
from enforcement.routeros.router import MENUS
from enforcement.routeros.rules import Tables, has_fasttrack
from enforcement.routeros.transport import Refused, Transport
from enforcement.routeros.writing import Writing
from enforcement.state import Address, LineState, Plan

_TRIES_MAX = 3


class Ending:
    """Whose connections are still to end on one router."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._pending: set[Address] = set()

    def heed(self, plan: Plan) -> None:
        """Before the plan is written: it may be written, and its answer lost."""
        self._pending -= {change.address for change in plan.restores}
        self._pending |= {change.address for change in plan.restrictions if change.after is LineState.SUSPENDED}

    async def end(self, tables: Tables, versions: Collection[int], writing: Writing) -> tuple[int, tuple[str, ...]]:
        """How many were ended, and a note when some may be left. Never an error: the lines are suspended already."""
        ended = 0
        try:
            for version in versions:
                mine = [address for address in self._pending if address.version == version]
                if mine and has_fasttrack(tables[MENUS[version].filter]):
                    ended += await self._end(mine, version, writing)
                self._pending -= set(mine)
        except DriverError as error:
            return ended, (f"open connections were not all ended ({error.message}); it is tried again",)
        return ended, ()

    async def _end(self, suspended: Collection[Address], version: int, writing: Writing) -> int:
        """A busy router breaks its list off when a connection ends meanwhile: what came goes, and it is asked anew."""
        ended = 0
        for _ in range(_TRIES_MAX):
            is_whole = True
            try:
                rows = await self._transport.stream_print(MENUS[version].connections, PROPERTIES, ("fasttrack", "true"))
            except Refused as refused:
                if refused.trap.is_no_such_command:  # IPv6 has no such list before it has FastTrack
                    return 0
                if not refused.trap.is_missing:
                    raise
                rows, is_whole = list(refused.rows), False
            ended += await writing.remove_what_is_there(endings(rows, suspended, version))
            if is_whole:
                break
        return ended
