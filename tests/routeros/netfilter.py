"""The simulated router on real packets: its rules and lists in the kernel of a network namespace. Needs root.

    with Netfilter(router, {"ether1": "wan", "bridge": "lan"}, namespace="gateway"):
        …

After every command that changed something, and before it is answered, the whole table is replaced in one
transaction. `/ip/firewall/connection` is the kernel's own. Simple queues count what is not FastTracked.
"""

import json
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from errno import ENOENT
from types import TracebackType
from typing import Any, Self, TypeVar

from pyroute2 import NFCTSocket, netns
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple

from tests.routeros.address_lists import normalised
from tests.routeros.simulator import Simulator
from tests.routeros.tables import Listener, Row, Table
from tests.routeros.translation import FASTTRACK_MARK, TABLE, Ruleset

_PATHS = {4: "/ip/firewall", 6: "/ipv6/firewall"}
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}
_SEEN_REPLY, _ASSURED = 1 << 1, 1 << 2
_KINDS = ("filter", "nat", "raw")
_QUEUES = "/queue/simple"

Answer = TypeVar("Answer")
Tuple = tuple[int, str, int, str, int]
"""Protocol, source, its port, destination, its port."""


class NetfilterError(Exception):
    """The kernel did not take the rules."""


class Netfilter:
    """Carries a router's rules into a namespace, and takes them away at the end."""

    def __init__(self, router: Simulator, interfaces: Mapping[str, str], namespace: str = "") -> None:
        """Without a namespace: the one that this process lives in."""
        self._router = router
        self._interfaces = dict(interfaces)
        self._prefix = ("ip", "netns", "exec", namespace) if namespace else ()
        entering: dict[str, Any] = {"initializer": netns.setns, "initargs": (namespace,)} if namespace else {}
        self._worker = ThreadPoolExecutor(1, **entering)
        self._versions = tuple(version for version, path in _PATHS.items() if f"{path}/filter" in router.tables)
        self._stale = set(self._versions)
        self.not_understood: dict[int, list[str]] = {}
        """IP version -> rules that are not enforced, and why."""

    def __enter__(self) -> Self:
        for version in self._versions:
            for kind in (*_KINDS, "address-list"):
                table = self._router.tables.get(f"{_PATHS[version]}/{kind}")
                if table is not None:
                    table.listeners.add(self._hearing(version))
            path = f"{_PATHS[version]}/connection"
            self._router.tables[path] = KernelConnections(path, self._router.tables[path], version, self.inside)
        self._router.tables[_QUEUES].listeners.add(lambda row, is_gone: self._stale.update(self._versions))
        self._router.before_print[_QUEUES] = self.count
        self._router.before_answer.append(self.settle)
        self.settle()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._router.before_answer.remove(self.settle)
        del self._router.before_print[_QUEUES]
        for version in self._versions:
            with suppress(NetfilterError):
                self._nft("delete", "table", _family(version), TABLE)
        self._worker.shutdown()

    def settle(self) -> None:
        """Brings the kernel to what the router's tables say, if they changed."""
        while self._stale:
            version = self._stale.pop()
            self._keep_counters(version)
            rules, lists, queues = self._rules(version), self._lists(version), self._queues(version)
            ruleset = Ruleset(version, rules, lists, self._interfaces, queues)
            self._nft("-f", "-", stdin=ruleset.text())
            self.not_understood[version] = ruleset.not_understood

    def count(self) -> None:
        """Reads what the rules have counted so far into their rows."""
        self._stale.update(self._versions)
        self.settle()

    def inside(self, work: Callable[[], Answer]) -> Answer:
        """Calls it in the namespace."""
        return self._worker.submit(work).result()

    def _hearing(self, version: int) -> Listener:
        return lambda row, is_gone: self._stale.add(version)

    def _rules(self, version: int) -> dict[str, list[Mapping[str, str]]]:
        return {kind: [row.values for row in self._in_force(version, kind)] for kind in _KINDS}

    def _in_force(self, version: int, kind: str) -> Iterator[Row]:
        for row in self._router.tables.get(f"{_PATHS[version]}/{kind}", ()):
            if row.is_enabled and row.values.get("invalid") != "true":
                yield row

    def _lists(self, version: int) -> dict[str, list[str]]:
        lists: dict[str, list[str]] = {}
        for row in self._in_force(version, "address-list"):
            lists.setdefault(row.values["list"], []).append(row.values["address"])
        return lists

    def _queues(self, version: int) -> dict[str, list[str]]:
        queues = {}
        for row in self._router.tables[_QUEUES]:
            targets = row.values["target"].split(",") if row.is_enabled else []
            queues[row.id] = [target for target in targets if normalised(target, version)]
        return queues

    def _keep_counters(self, version: int) -> None:
        """The kernel's counters begin anew with every table: what was counted is added up here."""
        with suppress(NetfilterError):  # there is no table yet
            listed = json.loads(self._nft("-j", "-t", "list", "table", _family(version), TABLE))
            for item in listed["nftables"]:
                if "rule" in item:
                    self._add_up(version, item["rule"])

    def _add_up(self, version: int, rule: dict[str, Any]) -> None:
        counted = next((part["counter"] for part in rule["expr"] if "counter" in part), None)
        if counted is None or "comment" not in rule:
            return
        kind = rule["chain"].partition("_")[0]
        way, _, number = rule["comment"].rpartition(" ")
        rows = self._router.tables[_QUEUES if way else f"{_PATHS[version]}/{kind}"]
        for row in (row for row in rows if row.id == number):
            for name in ("bytes", "packets"):
                parts = [int(part) for part in row.values[name].split("/")]
                parts[-1 if way == "down" else 0] += counted[name]
                row.values[name] = "/".join(str(part) for part in parts)

    def _nft(self, *arguments: str, stdin: str = "") -> str:
        command = [*self._prefix, "nft", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=30)
        if done.returncode:
            raise NetfilterError(f"{done.stderr}\n{stdin}")
        return done.stdout


class KernelConnections(Table):
    """`/ip/firewall/connection` as conntrack has it at this moment."""

    def __init__(self, path: str, replaced: Table, version: int, inside: Callable[[Callable[[], Any]], Any]) -> None:
        super().__init__(path, replaced.menu, replaced.world)
        self._version = version
        self._inside = inside
        self._known: dict[Tuple, Row] = {}

    def __iter__(self) -> Iterator[Row]:
        seen: dict[Tuple, dict[str, str]] = self._inside(self._dump)
        for gone in self._known.keys() - seen.keys():
            super().delete(self._known.pop(gone))
        for name, values in seen.items():
            if name in self._known:
                self._known[name].values.update(values)
            else:
                self._known[name] = self.appear(values, "")
        return super().__iter__()

    def delete(self, row: Row) -> None:
        """Here and in the kernel."""
        name = next(name for name, known in self._known.items() if known is row)
        self._inside(lambda: self._delete(name))
        del self._known[name]
        super().delete(row)

    def reboot(self) -> None:
        """A rebooted router knows no connection."""
        for row in self:
            self.delete(row)

    def _dump(self) -> dict[Tuple, dict[str, str]]:
        with NFCTSocket(nfgen_family=_FAMILIES[self._version]) as conntrack:
            return dict(self._described(message) for message in conntrack.dump())

    def _delete(self, name: Tuple) -> None:
        protocol, source, source_port, destination, destination_port = name
        exact = NFCTAttrTuple(
            family=_FAMILIES[self._version],
            saddr=source,
            daddr=destination,
            proto=protocol,
            sport=source_port,
            dport=destination_port,
        )
        with NFCTSocket(nfgen_family=_FAMILIES[self._version]) as conntrack:
            try:
                conntrack.entry("del", tuple_orig=exact)
            except NetlinkError as error:
                if error.code != ENOENT:
                    raise

    def _described(self, message: Any) -> tuple[Tuple, dict[str, str]]:
        """The entry's name, and how the router would print it."""
        name = self._tuple(message.get_attr("CTA_TUPLE_ORIG"))
        protocol, source, source_port, destination, destination_port = name
        reply = self._tuple(message.get_attr("CTA_TUPLE_REPLY"))
        status = message.get_attr("CTA_STATUS") or 0
        mark = message.get_attr("CTA_MARK") or 0
        return name, {
            "protocol": _PROTOCOLS.get(protocol, str(protocol)),
            "src-address": self._with_port(source, source_port),
            "dst-address": self._with_port(destination, destination_port),
            "reply-src-address": self._with_port(reply[1], reply[2]),
            "reply-dst-address": self._with_port(reply[3], reply[4]),
            "seen-reply": "true" if status & _SEEN_REPLY else "false",
            "assured": "true" if status & _ASSURED else "false",
            "fasttrack": "true" if mark & int(FASTTRACK_MARK, 16) else "false",
        }

    def _tuple(self, attribute: Any) -> Tuple:
        addresses, protocol = attribute.get_attr("CTA_TUPLE_IP"), attribute.get_attr("CTA_TUPLE_PROTO")
        source, destination = (addresses.get_attr(f"CTA_IP_V{self._version}_{side}") for side in ("SRC", "DST"))
        ports = (protocol.get_attr(f"CTA_PROTO_{side}_PORT") or 0 for side in ("SRC", "DST"))
        source_port, destination_port = ports
        return protocol.get_attr("CTA_PROTO_NUM"), source, source_port, destination, destination_port

    def _with_port(self, address: str, port: int) -> str:
        if not port:
            return address
        return f"{address}:{port}" if self._version == 4 else f"[{address}]:{port}"


def _family(version: int) -> str:
    return "ip" if version == 4 else "ip6"
