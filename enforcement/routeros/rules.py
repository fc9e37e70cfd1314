"""The rules on a router, as data; what is wrong with those that are there; and the commands that mend it. Pure.

How a packet of a subscriber goes through them:

* **dstnat**: TCP 80 of a line in notice or suspended is sent to the notice server, unless it asks a host of
  `hradlo-allowed`. **srcnat** spares what goes there, so that the server sees who asks.
* **forward**: two jumps at the very top lead what a suspended line sends and receives into our chains. They stand
  above every `accept` and `fasttrack-connection`, because an open download would go on behind those.
* IPv6 can't be sent to the notice everywhere: plain HTTP of a line in notice is refused there, and browsers turn to
  IPv4.

A router knows no transaction. So a chain is built whole before a jump leads into it (*inert*, then *active*). A chain
that is not as it should be is never mended in place: its successor is built beside it (`hradlo-out-2`), the jump is
turned in one command, the old one goes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from enforcement.routeros.commands import Command, Row
from enforcement.routeros.router import ALLOWED, MARK, MENUS, NAT, NOTICE, SUSPENDED, VERSION, Router

REFUSALS = "50,100:packet"
"""ICMP refusals a second, and at once; what is above is dropped silently."""

_COMPARED = (
    *("chain", "action", "protocol", "dst-port", "src-port", "src-address", "dst-address", "jump-target"),
    *("src-address-list", "dst-address-list", "to-addresses", "to-ports", "reject-with", "content"),
    *("in-interface", "out-interface", "in-interface-list", "out-interface-list"),
    *("connection-state", "connection-mark", "packet-mark"),
)
"""What must be as we wrote it, or absent. Rates are left out: versions print them differently."""
_HARMLESS_NAT = frozenset({"log", "passthrough", "return", "add-src-to-address-list", "add-dst-to-address-list"})
_HARMLESS = _HARMLESS_NAT | {"drop", "reject", "tarpit"}
"""In `forward`, a rule that does one of these may stand above our jumps: it lets nothing through."""

Tables = Mapping[str, Sequence[Row]]
"""Menu -> its rules in the router's order."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of ours."""

    slot: str
    menu: str
    arguments: Mapping[str, str]

    @property
    def comment(self) -> str:
        return VERSION + self.slot

    @property
    def chain(self) -> str:
        return self.arguments["chain"]

    def in_chain(self, name: str) -> "Rule":
        return Rule(self.slot, self.menu, {**self.arguments, "chain": name})

    def jumping_to(self, name: str) -> "Rule":
        return Rule(self.slot, self.menu, {**self.arguments, "jump-target": name})

    def adding(self, before: str | None = None) -> Command:
        place = {"place-before": before} if before else {}
        return Command(self.menu, "add", {**self.arguments, "comment": self.comment, **place})

    def matches(self, row: Row) -> bool:
        """The router has it so, and it is in force."""
        if row.get("comment") != self.comment or is_true(row, "disabled"):
            return False
        return all(_plain(row.get(key, "")) == self.arguments.get(key, "") for key in _COMPARED)


def is_true(row: Row, flag: str) -> bool:
    """Flags are ``true`` or ``yes``, by version."""
    return row.get(flag) in ("true", "yes")


def is_own(row: Row) -> bool:
    return row.get("comment", "").startswith(MARK)


def inner_rules(router: Router, version: int) -> dict[str, list[Rule]]:
    """The rules of our own chains, in their order."""
    menu = MENUS[version].filter

    def chain(name: str, *rules: tuple[str, dict[str, str]]) -> list[Rule]:
        return [Rule(slot, menu, {"chain": name, **arguments}) for slot, arguments in rules]

    drop = {"action": "drop"}
    return {
        "hradlo-out": chain(
            "hradlo-out",
            ("out-allowed", {"action": "accept", "dst-address-list": ALLOWED}),
            *_names(router, "out-dns", "dst-port", "src-address", 1),
            ("out-reset", {"action": "reject", "protocol": "tcp", "reject-with": "tcp-reset"}),
            ("out-reject", {"action": "reject", "reject-with": "icmp-admin-prohibited", "limit": REFUSALS}),
            ("out-drop", drop),
        ),
        "hradlo-in": chain(
            "hradlo-in",
            ("in-allowed", {"action": "accept", "src-address-list": ALLOWED}),
            *_names(router, "in-dns", "src-port", "dst-address", 2),
            ("in-drop", drop),
        ),
    }


def _names(router: Router, slot: str, port: str, side: str, factor: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Any resolver by a trickle, questions and answers alike, unless the ISP has named its own."""
    if not router.resolvers:
        rate = router.dns_queries_per_second * factor
        yield slot, {"action": "accept", "protocol": "udp", port: "53", "dst-limit": f"{rate},{2 * rate},{side}/1m"}


def jumps(version: int) -> list[Rule]:
    """What leads into our chains: these make the rules active."""
    menu = MENUS[version].filter
    both = (("jump-out", "src-address-list", "hradlo-out"), ("jump-in", "dst-address-list", "hradlo-in"))
    return [
        Rule(slot, menu, {"chain": "forward", "action": "jump", "jump-target": target, side: SUSPENDED})
        for slot, side, target in both
    ]


def outer_rules(router: Router, version: int) -> list[Rule]:
    """Single rules in the router's own chains, those that spare before those that redirect."""
    if version == 6:
        refused = {"chain": "forward", "action": "reject", "reject-with": "tcp-reset", "protocol": "tcp"}
        where = {"dst-port": "80", "src-address-list": NOTICE, "dst-address-list": f"!{ALLOWED}"}
        return [Rule("web-notice", MENUS[6].filter, {**refused, **where})]
    server = str(router.notice_address)
    spared = {"chain": "srcnat", "action": "accept", "dst-address": server}
    sent = {"chain": "dstnat", "action": "dst-nat", "protocol": "tcp", "dst-port": "80"}
    target = {"dst-address-list": f"!{ALLOWED}", "to-addresses": server, "to-ports": str(router.notice_port)}
    pairs = (("suspended", SUSPENDED), ("notice", NOTICE))
    return [
        *(Rule(f"source-{slot}", NAT, {**spared, "src-address-list": name}) for slot, name in pairs),
        *(Rule(f"web-{slot}", NAT, {**sent, "src-address-list": name, **target}) for slot, name in pairs),
    ]


def menus(router: Router) -> list[str]:
    """The menus that must be read to know whether the rules are right."""
    return [NAT, *(MENUS[version].filter for version in router.versions)]


# What is wrong, and what mends it


def repair(tables: Tables, router: Router) -> list[Command]:
    """The commands that make the rules right, to be carried out one by one in this order; none when they are."""
    mending = _Mending(tables)
    for version in router.versions:
        inner = inner_rules(router, version)
        for rule in outer_rules(router, version):
            mending.build_outer(rule)
        for jump in jumps(version):
            mending.build_inner(jump, inner[jump.arguments["jump-target"]])
    return mending.commands()


def removal(tables: Tables) -> list[Command]:
    """The commands that take all our rules away: those that lead first."""
    return _removals([(menu, row) for menu, rows in tables.items() for row in rows if is_own(row)])


def lets_through(row: Row, rows: Sequence[Row], seen: frozenset[str] = frozenset()) -> bool:
    """Behind this rule of `forward`, somebody's packets would never come to our jumps."""
    action = row.get("action", "accept")
    if is_true(row, "disabled") or is_own(row) or action in _HARMLESS:
        return False
    target = row.get("jump-target", "")
    if action != "jump":
        return True
    inside = (one for one in rows if one.get("chain") == target)
    return target not in seen and any(lets_through(one, rows, seen | {target}) for one in inside)


def has_fasttrack(rows: Sequence[Row]) -> bool:
    """Open connections may go past all rules."""
    return any(row.get("action") == "fasttrack-connection" and not is_true(row, "disabled") for row in rows)


def translates(row: Row) -> bool:
    """This rule of NAT, of somebody else, would have the word before ours."""
    is_ours_or_off = is_own(row) or is_true(row, "disabled")
    return not is_ours_or_off and row.get("action", "accept") not in _HARMLESS_NAT


class _Mending:
    """Collects commands: what is built inert, what leads into it, and then what is left over."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._building: list[Command] = []
        self._leading: list[Command] = []
        self._kept: set[tuple[str, str]] = set()

    def commands(self) -> list[Command]:
        left = [
            (menu, row)
            for menu, rows in self._tables.items()
            for row in rows
            if is_own(row) and (menu, row[".id"]) not in self._kept
        ]
        return self._building + self._leading + _removals(left)

    def build_outer(self, rule: Rule) -> None:
        """A single rule, at the top of a chain of the router's own."""
        self._building += self._placed(rule)

    def build_inner(self, jump: Rule, rules: Sequence[Rule]) -> None:
        """A chain of ours, and the jump into it."""
        rows = self._tables[jump.menu]
        leading = [row for row in rows if row.get("comment") == jump.comment and row.get("jump-target")]
        name = leading[0]["jump-target"] if leading else ""
        if self._is_intact(rows, name, jump, rules):
            self._kept |= {(jump.menu, row[".id"]) for row in rows if row.get("chain") == name}
        else:
            name = _free_name(rows, jump.arguments["jump-target"])
            self._building += [rule.in_chain(name).adding() for rule in rules]
        self._leading += self._led(leading, jump.jumping_to(name))

    def _is_intact(self, rows: Sequence[Row], name: str, jump: Rule, rules: Sequence[Rule]) -> bool:
        present = [row for row in rows if row.get("chain") == name]
        return (
            name.startswith(jump.arguments["jump-target"])
            and len(present) == len(rules)
            and all(rule.in_chain(name).matches(row) for rule, row in zip(rules, present, strict=True))
        )

    def _led(self, leading: Sequence[Row], jump: Rule) -> list[Command]:
        """A jump that leads elsewhere is turned in one command: at no moment is there none."""
        name = jump.arguments["jump-target"]
        for row in leading:
            target = row["jump-target"]
            if target != name and jump.jumping_to(target).matches(row):
                turning = Command(jump.menu, "set", {".id": row[".id"], "jump-target": name}, jump.comment)
                return [turning, *self._moved_up(jump, row)]
        return self._placed(jump)

    def _placed(self, rule: Rule) -> list[Command]:
        """The rule exists, and nothing stands above it that would spoil it."""
        rows = self._tables[rule.menu]
        present = next((row for row in rows if rule.matches(row)), None)
        if present is not None:
            return self._moved_up(rule, present)
        first = _first_foreign(rows, rule.chain)
        return [rule.adding(before=first[".id"] if first else None)]

    def _moved_up(self, rule: Rule, present: Row) -> list[Command]:
        self._kept.add((rule.menu, present[".id"]))
        rows = self._tables[rule.menu]
        first = _first_foreign(rows, rule.chain)
        if first and any(_spoils(row, rows, rule.chain) for row in rows[: rows.index(present)]):
            return [Command(rule.menu, "move", {"numbers": present[".id"], "destination": first[".id"]}, rule.comment)]
        return []


def _spoils(row: Row, rows: Sequence[Row], chain: str) -> bool:
    if row.get("chain") != chain or is_true(row, "dynamic"):  # nothing can be placed before a dynamic rule
        return False
    return lets_through(row, rows) if chain == "forward" else translates(row)


def _first_foreign(rows: Sequence[Row], chain: str) -> Row | None:
    """Where ours go in front of; a dynamic rule would refuse that."""
    foreign = (row for row in rows if row.get("chain") == chain and not is_own(row))
    return next((row for row in foreign if not is_true(row, "dynamic")), None)


def _free_name(rows: Sequence[Row], name: str) -> str:
    """A chain that nothing stands in and nothing leads to."""
    taken = {row.get("chain") for row in rows} | {row.get("jump-target") for row in rows}
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(free for free in names if free not in taken)


def _removals(rows: Iterable[tuple[str, Row]]) -> list[Command]:
    inert_last = sorted(rows, key=lambda one: one[1].get("chain", "").startswith("hradlo-"))
    return [Command(menu, "remove", {".id": row[".id"]}, row.get("comment", "")) for menu, row in inert_last]


def _plain(value: str) -> str:
    return value.removesuffix("/32")
