"""Firewall rules: what fits together, which are invalid, and the dummy rule that shows FastTrack's counters."""

from collections.abc import Callable, Iterable

from tests.routeros.menus import PROTOCOLS, Menu
from tests.routeros.refusal import Refused
from tests.routeros.tables import Arguments, Row, Table, World

DUMMY = "special dummy rule to show fasttrack counters"
_WITH_PORTS = {"tcp", "udp", "udp-lite", "dccp", "sctp"}
_CHAINS_OF_NAT = {"dst-nat": "dstnat", "redirect": "dstnat", "src-nat": "srcnat", "masquerade": "srcnat"}
_OWN_CHAINS_OF_NAT = {"dstnat", "srcnat", "input", "output"}


class RuleTable(Table):
    """An ordered table of rules: filter, nat, mangle, raw."""

    def __init__(self, path: str, menu: Menu, world: World, interfaces: Callable[[], Iterable[str]]) -> None:
        super().__init__(path, menu, world)
        self._interfaces = interfaces

    def show_dummy(self, *, is_shown: bool) -> None:
        """The dynamic rule at the top, while there is a rule that FastTracks."""
        dummies = [row for row in self if row.owner == "builtin"]
        if is_shown and not dummies:
            chain = "prerouting" if self.path.endswith(("mangle", "raw")) else "forward"
            values = {"chain": chain, "action": "passthrough", "comment": DUMMY}
            self.appear(values, "builtin", is_first=True)
        for row in [] if is_shown else dummies:
            self.delete(row)

    @property
    def has_fasttrack(self) -> bool:
        return any(row.values["action"] == "fasttrack-connection" and row.is_enabled for row in self)

    def _new_row(self, values: Arguments) -> Row:
        self._judge(values)
        row = super()._new_row(values)
        self._mark_invalid(row)
        return row

    def _apply(self, row: Row, values: Arguments) -> None:
        self._judge({name: value for name, value in {**row.values, **values}.items() if value != ""})
        super()._apply(row, values)
        self._mark_invalid(row)

    def _judge(self, values: Arguments) -> None:
        """Raises `Refused` for what can't be one rule."""
        action, chain, protocol = values["action"], values.get("chain", ""), values.get("protocol", "").lstrip("!")
        if protocol and protocol not in PROTOCOLS and not protocol.isdigit():
            raise Refused("invalid value for argument protocol", 1)
        if {"dst-port", "src-port", "port"} & values.keys() and protocol not in _WITH_PORTS:
            raise Refused("failure: ports can be specified if proto is tcp, udp, udp-lite, dccp, sctp")
        if action == "reject" and values.get("reject-with") == "tcp-reset" and protocol != "tcp":
            raise Refused("failure: tcp-reset can be used only with tcp protocol")
        if action == "jump" and not values.get("jump-target"):
            raise Refused("failure: must specify jump target")
        if self.path.endswith("/nat"):
            self._judge_nat(action, chain)

    def _judge_nat(self, action: str, chain: str) -> None:
        wanted = _CHAINS_OF_NAT.get(action)
        if (
            wanted
            and chain in _OWN_CHAINS_OF_NAT
            and chain not in (wanted, "output" if wanted == "dstnat" else "input")
        ):
            raise Refused(f"failure: {action} action must be in {wanted} chain")

    def _mark_invalid(self, row: Row) -> None:
        """A rule about an interface that isn't there is kept, and does nothing."""
        named = {row.values.get(name, "").lstrip("!") for name in ("in-interface", "out-interface")} - {""}
        row.values["invalid"] = "true" if named - set(self._interfaces()) else "false"
