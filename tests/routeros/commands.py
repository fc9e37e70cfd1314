"""What a command of a logged-in user does, and what is answered.

An answer is a series of sentences without their tag: `!re` rows, `!trap`, `!empty`, `!done`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.routeros.queries import compiled
from tests.routeros.refusal import Refused, no_permission, no_such_command, no_such_menu
from tests.routeros.tables import Row, Table

Sentence = tuple[bytes, list[bytes]]
"""The reply word, and the words after it."""
DONE: Sentence = (b"!done", [])
_PRINT_ARGUMENTS = {
    ".proplist",
    "count-only",
    "detail",
    "stats",
    "brief",
    "terse",
    "without-paging",
    "interval",
    "once",
}
_FLAGS = {"count-only", "detail", "stats", "brief", "terse", "without-paging", "once"}
_READING = {"print", "getall", "find", "listen", "get"}


@dataclass(frozen=True, slots=True)
class Command:
    """One command as it was received."""

    path: str
    """E.g. ``/ip/firewall/address-list/add``."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    bare: frozenset[str] = frozenset()
    """Attributes that came without a second ``=``."""
    queries: tuple[str, ...] = ()
    tag: bytes | None = None
    user: str = ""

    @property
    def menu(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def writes(self) -> bool:
        """Whether it is meant to change the router."""
        return self.name not in _READING | {"login", "cancel", "quit"}

    def __str__(self) -> str:
        words = [f"={name}={value}" for name, value in self.arguments.items()]
        return " ".join([self.path, *words, *(f"?{query}" for query in self.queries)])


def parsed(words: Sequence[bytes], user: str) -> Command:
    """Raises `Refused` for words that are none of the API's."""
    arguments: dict[str, str] = {}
    bare: set[str] = set()
    queries: list[str] = []
    tag = next((word[5:] for word in words if word.startswith(b".tag=")), None)
    for word in words[1:]:
        text = text_of(word)
        if text.startswith("="):
            name, equals, value = text[1:].partition("=")
            arguments[name] = value
            bare |= set() if equals else {name}
        elif text.startswith("?"):
            queries.append(text[1:])
    return Command(text_of(words[0]), arguments, frozenset(bare), tuple(queries), tag, user)


def text_of(word: bytes) -> str:
    """Bytes that are no UTF-8 survive a round trip: the router keeps what it was given."""
    return word.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def trap_sentences(refused: Refused) -> list[Sentence]:
    """A `!trap` and its `!done`."""
    category = [] if refused.category is None else [b"=category=%d" % refused.category]
    message = [b"=message=" + bytes_of(refused.message)] if refused.message else []
    return [(b"!trap", [*category, *message]), DONE]


def done_with(value: str) -> list[Sentence]:
    return [(b"!done", [b"=ret=" + bytes_of(value)])]


class Commands:
    """Carries out commands on the tables of one router."""

    def __init__(
        self,
        tables: Mapping[str, Table],
        singles: Mapping[str, Callable[[], Mapping[str, str]]],
        system: Mapping[str, Callable[[], None]],
        *,
        answers_empty: bool,
    ) -> None:
        self._tables = tables
        self._singles = singles
        """Menus with one row, which is made when it is asked for."""
        self._system = system
        """Commands that are no menu's: `/system/reboot`."""
        self._answers_empty = answers_empty

    def run(self, command: Command, policies: frozenset[str]) -> Iterable[Sentence]:
        """Does it; raises `Refused`. A print's rows are those of this instant."""
        needed = "read" if not command.writes else "reboot" if command.path == "/system/reboot" else "write"
        if needed not in policies:
            raise no_permission()
        if command.path in self._system:
            self._system[command.path]()
            return [DONE]
        table = self.table_of(command)
        if command.name in ("print", "getall"):
            return self._print(table, command, policies)
        if command.name not in table.menu.commands | {"find", "get"}:
            raise no_such_command()
        if missing := {name for name in command.bare if name not in _FLAGS}:
            raise Refused(f"missing value(s) of argument(s) {' '.join(sorted(missing))}", 1)
        work: Callable[[Table, Command], list[Sentence]] = getattr(self, f"_{command.name.replace('-', '_')}")
        return work(table, command)

    def table_of(self, command: Command) -> Table:
        """Raises `Refused` when there is no such menu."""
        table = self._tables.get(command.menu)
        if table is None:
            is_a_menus_beginning = any(path.startswith(f"{command.path}/") for path in self._tables)
            raise no_such_command() if is_a_menus_beginning else no_such_menu()
        return table

    # Reading

    def _print(self, table: Table, command: Command, policies: frozenset[str]) -> Iterable[Sentence]:
        for name in command.arguments.keys() - _PRINT_ARGUMENTS:
            raise Refused(f"unknown parameter {name}", 1)
        matches = compiled(command.queries)
        rows = [row for row in self.rows_of(table) if matches(row)]
        if "count-only" in command.arguments:
            return done_with(str(len(rows)))
        hidden = table.menu.sensitive if "sensitive" not in policies else frozenset()
        return self._row_sentences(rows, command.arguments.get(".proplist", ""), hidden)

    def rows_of(self, table: Table) -> Iterable[Mapping[str, str]]:
        """As they are printed now."""
        made = self._singles.get(table.path)
        if made is not None:
            return [made()]
        rows = [table.printed(row) for row in table]
        if table.menu.is_single:
            return [{name: value for name, value in row.items() if name != ".id"} for row in rows]
        return rows

    def _row_sentences(
        self, rows: Sequence[Mapping[str, str]], proplist: str, hidden: frozenset[str]
    ) -> Iterator[Sentence]:
        """Put into words now, so that it is one instant's picture, however slowly it is read."""
        sentences: list[Sentence] = [(b"!re", row_words(row, proplist, hidden)) for row in rows]
        if not rows and self._answers_empty:
            sentences.append((b"!empty", []))
        return iter([*sentences, DONE])

    def _find(self, table: Table, command: Command) -> list[Sentence]:
        """All of them: only `print` honours queries."""
        return done_with(";".join(row.id for row in table))

    def _get(self, table: Table, command: Command) -> list[Sentence]:
        row = table.named(self._numbers(command)[0])
        name = command.arguments.get("value-name", "")
        return done_with(table.printed(row).get(name, ""))

    # Writing

    def _add(self, table: Table, command: Command) -> list[Sentence]:
        return done_with(table.add(command.arguments).id)

    def _set(self, table: Table, command: Command) -> list[Sentence]:
        changes = {name: value for name, value in command.arguments.items() if name not in (".id", "numbers")}
        if table.menu.is_single:
            table.set(next(iter(table)), changes)
            return [DONE]
        return self._for_each(table, command, lambda row: table.set(row, changes))

    def _remove(self, table: Table, command: Command) -> list[Sentence]:
        return self._for_each(table, command, table.remove)

    def _unset(self, table: Table, command: Command) -> list[Sentence]:
        name = command.arguments.get("value-name", "")
        return self._for_each(table, command, lambda row: table.unset(row, name))

    def _enable(self, table: Table, command: Command) -> list[Sentence]:
        return self._for_each(table, command, lambda row: table.set(row, {"disabled": "no"}))

    def _disable(self, table: Table, command: Command) -> list[Sentence]:
        return self._for_each(table, command, lambda row: table.set(row, {"disabled": "yes"}))

    def _comment(self, table: Table, command: Command) -> list[Sentence]:
        comment = command.arguments.get("comment", "")
        return self._for_each(table, command, lambda row: table.set(row, {"comment": comment}))

    def _edit(self, table: Table, command: Command) -> list[Sentence]:
        raise Refused("failure: no editor in the API", 5)

    def _move(self, table: Table, command: Command) -> list[Sentence]:
        rows = [table.named(number) for number in self._numbers(command)]
        table.move(rows, command.arguments.get("destination", ""))
        return [DONE]

    def _make_static(self, table: Table, command: Command) -> list[Sentence]:
        def keep(row: Row) -> None:
            row.owner = ""
            row.values["dynamic"] = "false"

        return self._for_each(table, command, keep)

    def _reset_counters(self, table: Table, command: Command) -> list[Sentence]:
        return self._for_each(table, command, table.zero_counters)

    def _reset_counters_all(self, table: Table, command: Command) -> list[Sentence]:
        for row in table:
            table.zero_counters(row)
        return [DONE]

    def _for_each(self, table: Table, command: Command, work: Callable[[Row], object]) -> list[Sentence]:
        """In order; stops at the first that can't be done, and those before it stay done."""
        for number in self._numbers(command):
            work(table.named(number))
        return [DONE]

    def _numbers(self, command: Command) -> list[str]:
        text = command.arguments.get(".id", command.arguments.get("numbers", ""))
        if not text:
            raise Refused("missing =.id=", 1)
        return text.split(",")


def row_words(row: Mapping[str, str], proplist: str = "", hidden: frozenset[str] = frozenset()) -> list[bytes]:
    """A row as attribute words; with a list of properties, only those that it has, in the list's order."""
    if proplist:
        row = {name: row[name] for name in proplist.split(",") if name in row}
    return [bytes_of(f"={name}={value}") for name, value in row.items() if name not in hidden]
