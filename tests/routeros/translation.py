"""A router's rules and lists as a ruleset of nftables: what they say, as far as the stand-in understands it. Pure.

FastTrack is emulated by a mark on the connection: `fasttrack-connection` sets it, and the first rule of `forward`
accepts whatever bears it, past all other rules, until the connection is gone (reference: no flowtable was to be had).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.routeros.address_lists import normalised

TABLE = "routeros"
FASTTRACK_MARK = "0x00000001"

Rule = Mapping[str, str]
_AFTER_FILTERS = 100
_BASE_CHAINS = {
    "filter": {"input": "input", "forward": "forward", "output": "output"},
    "nat": {"dstnat": "prerouting", "srcnat": "postrouting"},
    "raw": {"prerouting": "prerouting", "output": "output"},
}
"""Of each table: the router's chain, and the kernel's hook."""
_PRIORITIES = {"dstnat": "dstnat", "srcnat": "srcnat"}
_REJECTIONS = {
    "icmp-network-unreachable": "net-unreachable",
    "icmp-host-unreachable": "host-unreachable",
    "icmp-protocol-unreachable": "prot-unreachable",
    "icmp-port-unreachable": "port-unreachable",
    "icmp-net-prohibited": "net-prohibited",
    "icmp-host-prohibited": "host-prohibited",
    "icmp-admin-prohibited": "admin-prohibited",
    "icmp-no-route": "no-route",
    "icmp-address-unreachable": "addr-unreachable",
}
_PROTOCOLS = {"ipsec-esp": "esp", "ipsec-ah": "ah", "udp-lite": "udplite", "icmpv6": "ipv6-icmp"}
_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
_IGNORED = frozenset(
    {".id", "chain", "action", "comment", "log", "log-prefix", "bytes", "packets", "invalid", "dynamic", "disabled"}
)
_OF_ACTIONS = frozenset({"jump-target", "reject-with", "to-addresses", "to-ports", "address-list-timeout"})
_SIMPLE_ACTIONS = {"accept": "accept", "drop": "drop", "tarpit": "drop", "return": "return", "masquerade": "masquerade"}


class NotUnderstood(Exception):
    """A rule says something that the stand-in can't say to the kernel."""


@dataclass
class Ruleset:
    """Everything of one address family."""

    version: int
    tables: Mapping[str, Sequence[Rule]]
    """`filter`, `nat`, `raw` -> the rules that are enabled, in their order."""
    lists: Mapping[str, Sequence[str]]
    """Address list -> addresses, as the router stores them."""
    interfaces: Mapping[str, str] = field(default_factory=dict)
    """The router's names -> the kernel's."""
    queues: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Simple queue's `.id` -> the addresses that it is for; they count, and delay nothing."""
    not_understood: list[str] = field(default_factory=list)
    """Rules that were left out, and why."""

    def text(self) -> str:
        """For `nft -f -`: replaces the whole table in one transaction."""
        family = "ip" if self.version == 4 else "ip6"
        self._sets = {name: f"list_{number}" for number, name in enumerate(sorted(self._named_lists()))}
        self._limits: list[str] = []
        chains = [line for table in _BASE_CHAINS for line in self._chains(table)]
        body = [*self._set_lines(), *self._limits, *chains, *self._queue_lines()]
        start = [f"table {family} {TABLE} {{ }}", f"delete table {family} {TABLE}", f"table {family} {TABLE} {{"]
        return "\n".join([*start, *body, "}"]) + "\n"

    @property
    def _ip(self) -> str:
        return "ip" if self.version == 4 else "ip6"

    def _named_lists(self) -> set[str]:
        rules = [rule for table in self.tables.values() for rule in table]
        named = {rule.get(side, "").lstrip("!") for rule in rules for side in ("src-address-list", "dst-address-list")}
        return (named | self.lists.keys()) - {""}

    def _set_lines(self) -> Iterator[str]:
        kind = "ipv4_addr" if self.version == 4 else "ipv6_addr"
        for name, short in self._sets.items():
            addresses = [each for each in self.lists.get(name, ()) if normalised(each, self.version)]
            elements = f" elements = {{ {', '.join(addresses)} }}" if addresses else ""
            yield f"  set {short} {{ type {kind}; flags interval; auto-merge;{elements} }}"

    def _queue_lines(self) -> Iterator[str]:
        """What is FastTracked passes them by; the first that is meant counts."""
        yield f"  chain queues {{ type filter hook forward priority {_AFTER_FILTERS}; policy accept;"
        yield f"    ct mark and {FASTTRACK_MARK} == {FASTTRACK_MARK} accept"
        for name, addresses in self.queues.items():
            for way, side in (("up", "saddr"), ("down", "daddr")):
                for address in addresses:
                    yield f'    {self._ip} {side} {address} counter accept comment "{way} {name}"'
        yield "  }"

    # Chains

    def _chains(self, table: str) -> Iterator[str]:
        rules = self.tables.get(table, ())
        hooks = _BASE_CHAINS[table]
        names = dict.fromkeys([*hooks, *(rule["chain"] for rule in rules)])
        for name in names:
            yield f"  chain {_chain(table, name, hooks)} {{"
            if name in hooks:
                kind = "nat" if table == "nat" else "filter"
                priority = _PRIORITIES.get(name, table)
                yield f"    type {kind} hook {hooks[name]} priority {priority}; policy accept;"
            if (table, name) == ("filter", "forward"):
                yield f"    ct mark and {FASTTRACK_MARK} == {FASTTRACK_MARK} accept"
            yield from self._rules(table, [rule for rule in rules if rule["chain"] == name], names)
            yield "  }"

    def _rules(self, table: str, rules: Iterable[Rule], chains: Iterable[str]) -> Iterator[str]:
        for rule in rules:
            try:
                matches = list(self._matches(rule))
                action = self._action(table, rule, chains)
            except NotUnderstood as problem:
                self.not_understood.append(f"/{table} {rule.get('.id')}: {problem}")
                continue
            words = " ".join([*matches, "counter", action]).rstrip()
            yield f'    {words} comment "{rule.get(".id", "")}"'

    # Matchers

    def _matches(self, rule: Rule) -> Iterator[str]:
        for name, value in _in_order(rule):
            if name == "limit":
                rate, burst, *_ = value.split(":")[0].split(",")
                yield f"limit rate {_rate(rate)} burst {burst} packets"
            elif name == "dst-limit":
                yield self._rate_of_each_address(value)
            elif name not in _IGNORED | _OF_ACTIONS:
                yield self._match(name, value)

    def _match(self, name: str, value: str) -> str:
        sign, said = _negated(value)
        side = name[0]  # of source or destination
        match name:
            case "protocol":
                return f"meta l4proto {sign}{_PROTOCOLS.get(said, said)}"
            case "src-address" | "dst-address":
                return f"{self._ip} {side}addr {sign}{said}"
            case "src-address-list" | "dst-address-list":
                return f"{self._ip} {side}addr {sign}@{self._sets[said]}"
            case "src-port" | "dst-port":
                return f"th {side}port {sign}{{ {said} }}"
            case "in-interface" | "out-interface":
                return f'{side}ifname {sign}"{self.interfaces.get(said, said)}"'
            case "connection-state":
                return f"ct state {sign}{{ {said} }}"
            case "dst-address-type":
                return f"fib daddr type {sign}{said}"
        raise NotUnderstood(f"{name}={value}")

    def _rate_of_each_address(self, value: str) -> str:
        """``20,40,src-address/1m``: a rate for each address."""
        rate, burst, mode = value.split(",", 2)
        sides = {"src-address": "saddr", "dst-address": "daddr"}
        side = sides.get(mode.partition("/")[0])
        if side is None:
            raise NotUnderstood(f"dst-limit={value}")
        name = f"limit_{len(self._limits)}"
        kind = "ipv4_addr" if self.version == 4 else "ipv6_addr"
        self._limits.append(f"  set {name} {{ type {kind}; size 65535; flags dynamic,timeout; timeout 60s; }}")
        return f"update @{name} {{ {self._ip} {side} limit rate {_rate(rate)} burst {burst} packets }}"

    # Actions

    def _action(self, table: str, rule: Rule, chains: Iterable[str]) -> str:
        action = rule["action"]
        if action in _SIMPLE_ACTIONS:
            return _SIMPLE_ACTIONS[action]
        if action in ("passthrough", "log"):
            return ""
        if action == "jump":
            target = rule["jump-target"]
            return f"jump {_chain(table, target, _BASE_CHAINS[table])}" if target in chains else ""
        if action == "reject":
            return self._rejection(rule.get("reject-with", "icmp-network-unreachable"))
        if action == "fasttrack-connection":
            return f"ct mark set ct mark or {FASTTRACK_MARK}"
        if action in ("dst-nat", "src-nat", "redirect"):
            return self._translation(action, rule)
        raise NotUnderstood(f"action={action}")

    def _rejection(self, how: str) -> str:
        if how == "tcp-reset":
            return "reject with tcp reset"
        if how not in _REJECTIONS:
            raise NotUnderstood(f"reject-with={how}")
        name = _REJECTIONS[how]
        if self.version == 6 and name == "net-unreachable":
            name = "no-route"
        return f"reject with {'icmp' if self.version == 4 else 'icmpv6'} {name}"

    def _translation(self, action: str, rule: Rule) -> str:
        port = f":{rule['to-ports']}" if rule.get("to-ports") else ""
        if action == "redirect":
            return f"redirect to {port}" if port else "redirect"
        address = rule.get("to-addresses", "")
        shown = f"[{address}]" if self.version == 6 and port else address
        return f"{'dnat' if action == 'dst-nat' else 'snat'} to {shown}{port}"


def _in_order(rule: Rule) -> list[tuple[str, str]]:
    """The protocol first: ports mean nothing without it; rates last: they count what came so far."""
    ranks = {"protocol": 0, "limit": 2, "dst-limit": 2}
    return sorted(rule.items(), key=lambda item: ranks.get(item[0], 1))


def _chain(table: str, name: str, hooks: Mapping[str, str]) -> str:
    """A name that nft takes: what is no letter is written as its number."""
    escaped = re.sub(r"[^A-Za-z0-9_]", lambda match: f"_{ord(match[0]):x}_", name)
    return f"{table}_{escaped}" if name in hooks else f"{table}_own_{escaped}"


def _negated(value: str) -> tuple[str, str]:
    return ("!= ", value[1:]) if value.startswith("!") else ("", value)


def _rate(text: str) -> str:
    """``50`` or ``10/1m``."""
    number, _, per = text.partition("/")
    unit = per.removeprefix("1") or "s"
    if unit not in _UNITS:
        raise NotUnderstood(f"a rate of {text}")
    return f"{number}/{_UNITS[unit]}"
