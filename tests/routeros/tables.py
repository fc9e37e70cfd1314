"""What one menu of the router holds: rows with an `.id`, in an order, some of them dynamic."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from config.clock import Clock
from tests.routeros.durations import duration_text
from tests.routeros.menus import Menu
from tests.routeros.profiles import Profile
from tests.routeros.refusal import Refused, no_such_item

Arguments = Mapping[str, str]
Listener = Callable[["Row", bool], None]
"""Hears of a row that is new or changed; the flag says that it is gone."""
_BOOLEANS = {"yes": "true", "true": "true", "no": "false", "false": "false"}
_SERIALS = count(1)


@dataclass(slots=True)
class World:
    """What the tables of one router share."""

    clock: Clock
    profile: Profile
    names: dict[str, list[str]] = field(default_factory=dict)
    """What the router's resolver knows: a name in an address list becomes these addresses."""


@dataclass(slots=True, eq=False)
class Row:
    """One item. What is printed stands in `values`, with `.id` first."""

    values: dict[str, str]
    expires_at: datetime | None = None
    owner: str = ""
    """Who made a dynamic row: `dns`, `dhcp`, `ppp`, `radius`, `builtin`; empty when it was added by command."""
    serial: int = field(default_factory=lambda: next(_SERIALS))
    """Never changes, also over a reboot: who deletes a foreign row and adds it anew is found out."""

    @property
    def id(self) -> str:
        return self.values[".id"]

    @property
    def is_dynamic(self) -> bool:
        return self.values.get("dynamic") == "true"

    @property
    def is_enabled(self) -> bool:
        return self.values.get("disabled") != "true"


class Table:
    """One menu with items; an unordered one appends."""

    def __init__(self, path: str, menu: Menu, world: World) -> None:
        self.path = path
        self.menu = menu
        self.world = world
        self.listeners: set[Listener] = set()
        self._rows: dict[str, Row] = {}
        self._ids = count(1)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(list(self._rows.values()))

    @property
    def is_volatile(self) -> bool:
        """Its rows come and go by themselves, and anybody may end them: sessions, connections."""
        return self.menu.commands == {"remove"}

    # Reading

    def printed(self, row: Row) -> Mapping[str, str]:
        """The row as `print` shows it at this instant."""
        if row.expires_at is None:
            return row.values
        left = row.expires_at - self.world.clock.now()
        return {**row.values, "timeout": duration_text(left)}

    def named(self, text: str) -> Row:
        """By `.id`, or by name where items have one; raises `Refused`."""
        row = self._rows.get(text)
        if row is None and "name" in self.menu.arguments:
            row = next((each for each in self if each.values.get("name") == text), None)
        if row is None:
            raise no_such_item(is_volatile=self.is_volatile)
        return row

    def find(self, **values: str) -> list[Row]:
        """For tests: the rows with these values, written with underscores."""
        wanted = {name.replace("_", "-"): value for name, value in values.items()}
        return [row for row in self if wanted.items() <= row.values.items()]

    # Writing by command

    def add(self, arguments: Arguments) -> Row:
        """A new row; raises `Refused` and changes nothing when it can't be."""
        given = dict(arguments)
        before = self._place(given.pop("place-before", ""))
        if source := given.pop("copy-from", ""):
            copied = {name: value for name, value in self.named(source).values.items() if name in self.menu.arguments}
            given = {**copied, **given}
        values = {**self.menu.defaults, **self._checked(given)}
        for name in self.menu.required:
            if not values.get(name):
                raise Refused(f"missing =.{name}=" if name == "id" else f"missing ={name}=", 1)
        return self._insert(self._new_row(values), before)

    def set(self, row: Row, arguments: Arguments) -> None:
        """Changes a row; an empty value takes the property away."""
        if row.owner:
            raise Refused(
                "failure: cannot change builtin" if row.owner == "builtin" else "failure: can not change dynamic"
            )
        if only_of_add := {"place-before", "copy-from"} & arguments.keys():
            raise Refused(f"unknown parameter {min(only_of_add)}", 1)
        self._apply(row, self._checked(arguments))
        self._tell(row)

    def unset(self, row: Row, name: str) -> None:
        if name not in self.menu.arguments:
            raise Refused(f"unknown parameter {name}", 1)
        self.set(row, {name: self.menu.defaults.get(name, "")})

    def remove(self, row: Row) -> None:
        if row.owner and not self.is_volatile:
            word = "builtin" if row.owner == "builtin" else "dynamic"
            raise Refused(f"failure: can not remove {word}")
        self.delete(row)

    def move(self, rows: Iterable[Row], destination: str) -> None:
        """Before the row of that `.id`, or to the end when it is empty."""
        moved = list(rows)
        if any(row.is_dynamic for row in moved):
            raise Refused("failure: can not move builtin")
        before = self._place(destination)
        if before in moved:
            return
        for row in moved:
            del self._rows[row.id]
        for row in moved:
            self._file(row, before)
            self._tell(row)

    # What the router does by itself

    def appear(self, values: Arguments, owner: str, *, is_first: bool = False) -> Row:
        """A dynamic row that nobody added by command."""
        row = self._new_row({**self.menu.defaults, **values, "dynamic": "true"})
        row.owner = owner
        first = next(iter(self._rows.values()), None) if is_first else None
        return self._insert(row, first)

    def put(self, values: Arguments) -> Row:
        """A row that was always there, and that no command could add."""
        return self._insert(self._new_row({**self.menu.defaults, **values}), None)

    def delete(self, row: Row) -> None:
        """Takes it away, without asking."""
        del self._rows[row.id]
        self._tell(row, is_gone=True)

    def reboot(self) -> None:
        """What is dynamic is gone, counters begin anew, and every `.id` may be another row's."""
        before = list(self)
        self._ids = count(1)
        self._rows = {}
        for row in before:
            if not row.is_dynamic:
                row.values[".id"] = self._next_id()
                self.zero_counters(row)
                self._rows[row.id] = row
        for row in before:
            self._tell(row, is_gone=row.is_dynamic)

    def zero_counters(self, row: Row) -> None:
        for name in self.menu.counters & row.values.keys():
            row.values[name] = "0/0" if "/" in row.values[name] else "0"

    def expire(self, now: datetime) -> None:
        """Lets go of what has timed out."""

    # Inside

    def _next_id(self) -> str:
        return f"*{next(self._ids):X}"

    def _new_row(self, values: Arguments) -> Row:
        return Row(
            {
                ".id": self._next_id(),
                **{name: value for name, value in values.items() if value != "" or name in self.menu.defaults},
            }
        )

    def _insert(self, row: Row, before: Row | None) -> Row:
        self._file(row, before)
        self._tell(row)
        return row

    def _apply(self, row: Row, values: Arguments) -> None:
        """Puts checked values into a row; raises `Refused` before anything is changed."""
        for name, value in values.items():
            if value == "" and name not in self.menu.defaults:
                row.values.pop(name, None)
            else:
                row.values[name] = value

    def _checked(self, arguments: Arguments) -> dict[str, str]:
        """The arguments as they will be stored; raises `Refused` for a wrong one."""
        checked = {}
        for name, value in arguments.items():
            if name not in self.menu.arguments:
                raise Refused(f"unknown parameter {name}", 1)
            checked[name] = self._value(name, value)
        return checked

    def _value(self, name: str, value: str) -> str:
        if name in self.menu.booleans:
            if value not in _BOOLEANS:
                raise Refused(f"invalid value for argument {name}", 1)
            return _BOOLEANS[value]
        choices = self.menu.choices.get(name)
        if choices is not None and value and value.lstrip("!") not in choices:
            raise Refused(f"input does not match any value of {name}", 1)
        return value

    def _place(self, text: str) -> Row | None:
        if not text:
            return None
        row = self.named(text)
        if row.is_dynamic:
            raise Refused("failure: can not move builtin")
        return row

    def _file(self, row: Row, before: Row | None) -> None:
        if before is None:
            self._rows[row.id] = row
            return
        rows = list(self._rows.values())
        rows.insert(rows.index(before), row)
        self._rows = {each.id: each for each in rows}

    def _tell(self, row: Row, *, is_gone: bool = False) -> None:
        for listener in list(self.listeners):
            listener(row, is_gone)
