"""What stands in our address lists, and whose it is. Pure.

Only entries with our comment are ours. Others put theirs into the same lists: an operator by hand, DHCP and PPP by
themselves (these are *dynamic*). They are never touched. One that holds an address which we want there does our work
(one list can't hold an address twice), so we *lean* on it and show it as enforced; when it goes, ours comes.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from enforcement.routeros.commands import Row
from enforcement.routeros.durations import seconds_of
from enforcement.routeros.router import ALLOWED, BOTH_COMMENT, GARDEN_COMMENT, LISTS, NOTICE, SUSPENDED
from enforcement.routeros.rules import is_own, is_true
from enforcement.state import Address, LineState

PROPERTIES = (".id", "list", "address", "comment", "dynamic", "disabled", "timeout")
STATES = {NOTICE: LineState.NOTICE, SUSPENDED: LineState.SUSPENDED}
LIST_OF = {state: name for name, state in STATES.items()}


class Key(NamedTuple):
    """A list holds an address once."""

    list_name: str
    address: Address


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, as far as it matters."""

    id: str
    comment: str = ""
    is_disabled: bool = False
    ends_in_seconds: int | None = None
    """None: it stays, over reboots too."""

    @classmethod
    def of(cls, row: Row) -> "Entry":
        timeout = row.get("timeout", "")
        ends = seconds_of(timeout) if timeout else None
        return cls(row[".id"], row.get("comment", ""), is_true(row, "disabled"), ends)


@dataclass
class Lists:
    """All entries of our lists on a router."""

    own: dict[Key, Entry] = field(default_factory=dict)
    foreign: dict[Key, Entry] = field(default_factory=dict)
    broken: list[tuple[int, Entry]] = field(default_factory=list)
    """Ours, but what they hold is no address (any more); with the IP version of their menu."""

    def read(self, version: int, rows: Iterable[Row]) -> None:
        """Takes in what a router printed."""
        for row in rows:
            address = address_of(row)
            if is_own(row):
                if address is None:
                    self.broken.append((version, Entry.of(row)))
                else:
                    self.own[Key(row["list"], address)] = Entry.of(row)
            elif address is not None:
                self.foreign[Key(row["list"], address)] = Entry.of(row)

    def lines(self, leaning: Iterable[Key]) -> dict[Address, LineState]:
        """Restricted addresses; the stricter state wins."""
        found: dict[Address, LineState] = {}
        for name in (NOTICE, SUSPENDED):
            state = STATES[name]
            for key, entry in self.own.items():
                if key[0] == name and not entry.is_disabled:
                    found[key[1]] = state
            for key in leaning:
                if key.list_name == name and self.holds_foreign(key):
                    found[key.address] = max(state, found.get(key.address, state))
        return found

    def garden(self, leaning: Iterable[Key]) -> frozenset[Address]:
        ours = (key for key, entry in self.own.items() if key.list_name == ALLOWED and is_garden(entry))
        others = (key for key in leaning if key.list_name == ALLOWED and self.holds_foreign(key))
        return frozenset(key.address for key in (*ours, *others))

    def holds_foreign(self, key: Key) -> bool:
        """Somebody else's entry does our work."""
        entry = self.foreign.get(key)
        return entry is not None and not entry.is_disabled

    def superseded(self) -> list[Key]:
        """Ours that no longer say anything: a notice beside a suspension, and what somebody disabled."""
        return [
            key
            for key, entry in self.own.items()
            if entry.is_disabled or (key.list_name == NOTICE and self._is_suspended(key.address))
        ]

    def counts(self) -> Mapping[str, int]:
        """How many of ours each list has."""
        return {name: sum(key.list_name == name for key in self.own) for name in LISTS}

    def _is_suspended(self, address: Address) -> bool:
        entry = self.own.get(Key(SUSPENDED, address))
        return entry is not None and not entry.is_disabled


def is_garden(entry: Entry) -> bool:
    return entry.comment in (GARDEN_COMMENT, BOTH_COMMENT) and not entry.is_disabled


def address_of(row: Row) -> Address | None:
    """None for names and for ranges that are no network."""
    with suppress(ValueError):
        return Address.parse(row.get("address", ""))
    return None
