"""A lab ISP whose gateway is a MikroTik router: Hradlo stands on a host behind it, and enforces through its API."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import routeros_api

from daemon.lab import topology as net
from daemon.lab.isp import LabIsp
from daemon.lab.topology import Namespace
from tests.namespaces import inside
from tests.routeros.simulator import MARK, PASSWORD, USER

OWN_V4, OWN_V6 = "203.0.113.70", "2001:db8:200::70"
"""The host that Hradlo runs on, in the ISP's own network behind the router."""
OFFICE = "203.0.113.64/26"
"""From where the router may be managed."""
ADMIN = "admin"
ROUTER = """
[[routeros]]
site = "main"
host = "{host}"
port = {port}
user = "{user}"
authority = "{folder}/router/ca.pem"
notice_address = "{own_v4}"
notice_port = 8101
"""
MENUS = [
    "/ip/firewall/filter",
    "/ip/firewall/nat",
    "/ip/firewall/mangle",
    "/ip/firewall/raw",
    "/ip/firewall/address-list",
    "/ip/service",
    "/ip/dhcp-server/lease",
    "/ipv6/firewall/filter",
    "/ipv6/firewall/address-list",
]
VOLATILE = {"id", "bytes", "packets"}
"""What changes by itself, or with a reboot."""

Row = dict[str, str]


class RouterIsp(LabIsp):
    """The lab with a simulated MikroTik router in the gateway's place, on real packets."""

    own_v4, own_v6 = OWN_V4, OWN_V6
    enforcement = 'driver = "routeros"'

    def __init__(self, profile: str = "7.18") -> None:
        super().__init__(4)
        self.profile = profile
        self._api_port = 0

    @property
    def home(self) -> Namespace:
        """A host of the ISP, next to the servers of its internet."""
        return self.topology.internet

    def _write_settings(self) -> None:
        for address in (f"{OWN_V4}/24", f"{OWN_V6}/64"):
            self.home.run("ip", "address", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))
        port = self._start_router()
        password = self.folder / "secrets" / "routeros_password"
        password.write_text(PASSWORD, encoding="ascii")
        password.chmod(0o600)
        host = net.GATEWAY_WAN_V4
        self.routers = ROUTER.format(host=host, port=port, user=USER, folder=self.folder, own_v4=OWN_V4)
        super()._write_settings()

    def _start_router(self) -> int:
        """Returns the port of its API over TLS."""
        (self.folder / "router").mkdir()
        said = self.folder / "router.log"
        with said.open("wb") as log:
            self.topology.gateway.start(
                *(sys.executable, "-m", "tests.routeros", "--profile", self.profile, "--host", net.GATEWAY_WAN_V4),
                *("--furnished", OFFICE, "--certificates", str(self.folder / "router")),
                *("--clock-offset-file", str(self.folder / "clock-offset")),
                *("--ipv6", "--netfilter", "ether1=wan", "bridge=lan"),
                stdout=log,
                stderr=log,
                cwd=Path(__file__).parents[2],
            )
        self.wait_for("the router", lambda: "listening" in said.read_text(encoding="utf-8"))
        _, plain, encrypted = said.read_text(encoding="utf-8").split()
        self._api_port = int(plain)
        return int(encrypted)

    # What an admin sees and does on the router

    def rows(self, menu: str) -> list[Row]:
        """What the router prints."""
        return self._as_admin(lambda api: list(api.get_resource(menu).get()))

    def own_rows(self, menu: str) -> list[Row]:
        """What bears Hradlo's mark there."""
        return [row for row in self.rows(menu) if row.get("comment", "").startswith(MARK)]

    def listed(self, list_name: str) -> list[str]:
        """The addresses in one of Hradlo's lists, of both families."""
        menus = ("/ip/firewall/address-list", "/ipv6/firewall/address-list")
        return [row["address"] for menu in menus for row in self.rows(menu) if row["list"] == list_name]

    def foreign(self) -> dict[str, list[Row]]:
        """Everything that is not Hradlo's and outlives a reboot, in the router's order."""
        return {
            menu: [
                {name: value for name, value in row.items() if name not in VOLATILE}
                for row in self.rows(menu)
                if not row.get("comment", "").startswith(MARK) and row.get("dynamic") != "true"
            ]
            for menu in MENUS
        }

    def reboot_router(self) -> None:
        def reboot(api: Any) -> None:
            api.get_binary_resource("/system").call("reboot")

        with suppress(routeros_api.exceptions.RouterOsApiConnectionError, ConnectionError):  # it says no goodbye
            self._as_admin(reboot)

    def _as_admin(self, work: Any) -> Any:
        pool = routeros_api.RouterOsApiPool(net.GATEWAY_WAN_V4, ADMIN, "", port=self._api_port, plaintext_login=True)

        def run() -> Any:
            try:
                return work(pool.get_api())
            finally:
                pool.disconnect()

        return inside(self.home, run)
