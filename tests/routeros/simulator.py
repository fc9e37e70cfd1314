"""The router: its tables, its users, its connections, its clock; reboot, and what is foreign in it."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager

from config.clock import Clock, SystemClock
from tests.routeros.address_lists import AddressListTable
from tests.routeros.arrivals import Arrivals
from tests.routeros.commands import Command, Commands, Sentence
from tests.routeros.durations import duration_text
from tests.routeros.faults import Faults
from tests.routeros.menus import Menu, menus
from tests.routeros.profiles import PROFILES
from tests.routeros.rules import RuleTable
from tests.routeros.session import Session
from tests.routeros.tables import Row, Table, World

USER, PASSWORD = "hradlo", "only-for-tests-7"
POLICY = "read,write,api,!local,!telnet,!ssh,!ftp,!reboot,!policy,!test,!winbox,!password,!web,!sniff,!sensitive,!romon"
FULL = "local,telnet,ssh,ftp,reboot,read,write,policy,test,winbox,password,web,sniff,sensitive,api,romon"
MARK = "hradlo:"
"""Begins the comment of everything that Hradlo owns."""
_VOLATILE = frozenset({"bytes", "packets", "timeout", ".id"})


class Simulator:
    """One simulated MikroTik router. `running` gives it a port."""

    def __init__(
        self,
        *,
        profile: str = "7.18",
        clock: Clock | None = None,
        identity: str = "gateway",
        serial_number: str = "HF60900ABCD",
        has_ipv6: bool | None = None,
        interfaces: Iterable[str] = ("ether1", "bridge"),
    ) -> None:
        self.profile = PROFILES[profile]
        self.clock = clock or SystemClock()
        self.faults = Faults()
        self.commands: list[Command] = []
        """Everything that was received, in the order in which it was done."""
        self.sessions: set[Session] = set()
        self.before_answer: list[Callable[[], None]] = []
        """Called after a command was carried out and before its answer is sent: `netfilter` takes hold there."""
        self.before_print: dict[str, Callable[[], None]] = {}
        """Menu -> what is called before it is printed: counters of real packets are read there."""
        self.is_up = True
        """False: every connection is reset at once."""
        self.port = self.tls_port = 0
        self.world = World(self.clock, self.profile)
        self.serial_number = serial_number
        self.booted_at = self.clock.now()
        ipv6 = not self.profile.is_v6 if has_ipv6 is None else has_ipv6  # v6 ships with the package switched off
        self.tables = self._made_tables(menus(self.profile, has_ipv6=ipv6))
        self._furnish(identity, interfaces)
        singles = {"/system/resource": self._resource, "/system/routerboard": self._routerboard}
        self._commands = Commands(
            self.tables, singles, {"/system/reboot": self.reboot}, answers_empty=self.profile.answers_empty
        )
        self.arrivals = Arrivals(self.faults, lambda command: len(self.tables.get(command.menu, ())))

    # For tests

    def add(self, path: str, **values: str) -> Row:
        """Adds an item as somebody else would; names with underscores."""
        row = self.tables[path].add({name.replace("_", "-"): value for name, value in values.items()})
        self.settle()
        return row

    @property
    def address_list(self) -> AddressListTable:
        """`/ip/firewall/address-list`."""
        return self._address_list("/ip/firewall/address-list")

    @property
    def address_list_v6(self) -> AddressListTable:
        """`/ipv6/firewall/address-list`."""
        return self._address_list("/ipv6/firewall/address-list")

    @property
    def writes(self) -> list[Command]:
        """The commands that were meant to change something."""
        return [command for command in self.commands if command.writes]

    def foreign(self) -> bytes:
        """Everything without Hradlo's mark, as bytes to compare: values, order and identity, without counters.

        Sessions and connections are left out: nobody configured them.
        """
        lines = []
        for path, table in sorted(self.tables.items()):
            for row in () if table.is_volatile else table:
                if row.values.get("comment", "").startswith(MARK):
                    continue
                values = {name: value for name, value in row.values.items() if name not in _VOLATILE}
                expires_at = row.expires_at.isoformat() if row.expires_at else ""
                lines.append(json.dumps([path, row.serial, values, expires_at]))
        return "\n".join(lines).encode()

    def reboot(self) -> None:
        """Static items stay; what is dynamic or timed, all connections, counters and every `.id` are void."""
        for session in list(self.sessions):
            session.reset()
        for table in self.tables.values():
            table.reboot()
        self._show_dummies()
        self.booted_at = self.clock.now()
        self.settle()

    def tick(self) -> None:
        """Lets time out what has timed out; every command does it, too."""
        now = self.clock.now()
        for table in self.tables.values():
            table.expire(now)
        self.settle()

    def settle(self) -> None:
        """What was changed takes hold on real packets, if there are any."""
        for call in self.before_answer:
            call()

    def drop_connections(self) -> None:
        """Resets every connection; the router itself stays as it is."""
        for session in list(self.sessions):
            session.reset()

    # For sessions

    def run(self, command: Command, policies: frozenset[str]) -> Iterable[Sentence]:
        if command.name in ("print", "getall") and command.menu in self.before_print:
            self.before_print[command.menu]()
        try:
            return self._commands.run(command, policies)
        finally:
            self.settle()

    def table_of(self, command: Command) -> Table:
        return self._commands.table_of(command)

    def note(self, command: Command) -> None:
        self.commands.append(command)
        self.tick()

    def has_room(self, service: str) -> bool:
        """Whether another connection is taken."""
        row = self.tables["/ip/service"].named(service)
        count = sum(session.service == service for session in self.sessions)
        return self.is_up and row.is_enabled and count < int(row.values["max-sessions"])

    def password_of(self, user: str) -> str | None:
        rows = self.tables["/user"].find(name=user)
        return rows[0].values.get("password", "") if rows and rows[0].is_enabled else None

    def policies_of(self, user: str) -> frozenset[str]:
        groups = [row.values["group"] for row in self.tables["/user"].find(name=user)]
        rows = [row for name in groups for row in self.tables["/user/group"].find(name=name)]
        return frozenset(policy for row in rows for policy in row.values["policy"].split(",") if policy[:1] != "!")

    # Building

    def _address_list(self, path: str) -> AddressListTable:
        table = self.tables[path]
        assert isinstance(table, AddressListTable)
        return table

    def _made_tables(self, found: Mapping[str, Menu]) -> dict[str, Table]:
        tables = {path: self._made_table(path, menu) for path, menu in found.items()}
        tables["/ip/firewall/filter"].listeners.add(self._hear_of_rule)
        return tables

    def _made_table(self, path: str, menu: Menu) -> Table:
        if path.endswith("/firewall/address-list"):
            return AddressListTable(path, menu, self.world)
        if path.endswith(("/firewall/filter", "/firewall/nat", "/firewall/mangle", "/firewall/raw")):
            return RuleTable(path, menu, self.world, self._interface_names)
        return Table(path, menu, self.world)

    def _interface_names(self) -> Iterable[str]:
        return [row.values["name"] for row in self.tables["/interface"]]

    def _furnish(self, identity: str, interfaces: Iterable[str]) -> None:
        """What a router out of the box has."""
        put = self._put
        for name in interfaces:
            put("/interface", name=name, type="ether", running="true", disabled="false", rx_byte="0", tx_byte="0")
        for name, port in (("api", "8728"), ("api-ssl", "8729"), ("winbox", "8291"), ("www", "80")):
            put("/ip/service", name=name, port=port, address="", max_sessions="20", disabled="false")
        put("/system/identity", name=identity)
        put("/user/group", name="full", policy=FULL)
        put("/user/group", name="read", policy="read,api")
        put("/user/group", name="hradlo", policy=POLICY)
        put("/user", name="admin", group="full", password="", disabled="false")
        put("/user", name=USER, group="hradlo", password=PASSWORD, disabled="false")
        put("/ip/firewall/connection/tracking", enabled="auto", loose_tcp_tracking="true", tcp_established_timeout="1d")
        put("/ip/settings", ip_forward="true", rp_filter="no", allow_fast_path="true")
        put("/ip/dns", servers="192.0.2.53", allow_remote_requests="true", cache_size="2048KiB")
        put("/system/package", name="routeros", version=self.profile.number, disabled="false")

    def _put(self, path: str, **values: str) -> None:
        self.tables[path].put({name.replace("_", "-"): value for name, value in values.items()})

    def _hear_of_rule(self, row: Row, is_gone: bool) -> None:
        if row.owner != "builtin":
            self._show_dummies()

    def _show_dummies(self) -> None:
        filters = self.tables["/ip/firewall/filter"]
        assert isinstance(filters, RuleTable)
        for name in ("filter", "mangle", "raw"):
            table = self.tables[f"/ip/firewall/{name}"]
            assert isinstance(table, RuleTable)
            table.show_dummy(is_shown=filters.has_fasttrack)

    def _resource(self) -> dict[str, str]:
        return {
            "uptime": duration_text(self.clock.now() - self.booted_at),
            "version": self.profile.version,
            "build-time": "2026-01-15 10:00:00",
            "free-memory": "805306368",
            "total-memory": "1073741824",
            "cpu": "ARM64",
            "cpu-count": "4",
            "cpu-load": "3",
            "architecture-name": "arm64",
            "board-name": "RB5009UG+S+",
            "platform": "MikroTik",
        }

    def _routerboard(self) -> dict[str, str]:
        return {"routerboard": "true", "model": "RB5009UG+S+", "serial-number": self.serial_number}


@asynccontextmanager
async def running(
    router: Simulator, host: str = "127.0.0.1", *, tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[Simulator]:
    """Serves the router on `router.port`, and on `router.tls_port` when there is a context."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(_sessions(router, "api"), host, port)]
    router.port = servers[0].sockets[0].getsockname()[1]
    if tls is not None:
        servers.append(await loop.create_server(_sessions(router, "api-ssl"), host, 0, ssl=tls))
        router.tls_port = servers[1].sockets[0].getsockname()[1]
    try:
        yield router
    finally:
        for server in servers:
            server.close()
        router.drop_connections()
        await asyncio.sleep(0)  # lets the transports close


def _sessions(router: Simulator, service: str) -> Callable[[], Session]:
    return lambda: Session(router, service)
