"""Three network namespaces joined by virtual cables: subscriber, gateway, internet.

For `hradlo lab` and for the tests. Only `ip` is called, with fixed arguments, and only namespaces that were made
here are ever removed; their names hold the process's id, so several labs don't meet. Needs root.

    subscriber eth0 ---- lan gateway wan ---- eth0 internet

There is no NAT: the internet knows the way back, so that a test sees every address as it is.
"""

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Self

from config.errors import HradloError

_NUMBERS = count(1)
STOP_SECONDS = 5

GATEWAY_LAN_V4, GATEWAY_LAN_V6 = "100.64.0.1", "2001:db8:100::1"
GATEWAY_WAN_V4, GATEWAY_WAN_V6 = "203.0.113.1", "2001:db8:200::1"
SUBSCRIBER_V4, SUBSCRIBER_V6 = "100.64.0.10", "2001:db8:100:10::10"
SUBSCRIBER_NETWORK_V6 = "2001:db8:100:10::/64"
"""The subscriber's delegated prefix."""
NEIGHBOUR_V4, NEIGHBOUR_V6 = "100.64.0.11", "2001:db8:100:11::10"
"""Another subscriber's addresses, in the same namespace: `curl --interface` chooses."""
SERVER_V4, SERVER_V6 = "203.0.113.80", "2001:db8:200::80"
GARDEN_V4, GARDEN_V6 = "203.0.113.90", "2001:db8:200::90"
RESOLVER_V4, RESOLVER_V6 = "203.0.113.53", "2001:db8:200::53"


class LabError(HradloError):
    """The lab could not be built."""


@dataclass
class Namespace:
    """One network namespace, and the processes that were started in it."""

    name: str
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def command(self, *arguments: str) -> list[str]:
        """The command line that runs a program inside."""
        return ["ip", "netns", "exec", self.name, *arguments]

    def run(
        self, *arguments: str, stdin: str = "", is_checked: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program inside to its end."""
        return subprocess.run(
            self.command(*arguments), input=stdin, capture_output=True, text=True, timeout=timeout, check=is_checked
        )

    def start(self, *arguments: str, **options: object) -> subprocess.Popen[bytes]:
        """Starts a program inside that ends with the lab at the latest; a Ctrl-C in the terminal is not for it."""
        options["start_new_session"] = True
        process = subprocess.Popen(self.command(*arguments), **options)  # type: ignore[call-overload]
        self._started.append(process)
        return process  # type: ignore[no-any-return]

    def stop_all(self) -> None:
        """Ends the programs that were started here, and no others."""
        for process in self._started:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in self._started:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._started.clear()


class Topology:
    """The three namespaces; a context manager that makes and removes them."""

    def __init__(self) -> None:
        label = f"hradlo-{os.getpid()}-{next(_NUMBERS)}"
        self.subscriber = Namespace(f"{label}-subscriber")
        self.gateway = Namespace(f"{label}-gateway")
        self.internet = Namespace(f"{label}-internet")
        self._made: list[Namespace] = []

    def __enter__(self) -> Self:
        self.make()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.remove()

    def make(self) -> None:
        """Builds everything, or raises `LabError` and leaves nothing behind."""
        try:
            for namespace in (self.subscriber, self.gateway, self.internet):
                _ip("netns", "add", namespace.name)
                self._made.append(namespace)
                _without_address_detection(namespace)
                _ip("-n", namespace.name, "link", "set", "lo", "up")
            self._cable(self.gateway, "lan", self.subscriber, "eth0")
            self._cable(self.gateway, "wan", self.internet, "eth0")
            self._number_gateway()
            self._number_subscriber()
            self._number_internet()
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Ends what was started inside, and removes the namespaces."""
        for namespace in reversed(self._made):
            namespace.stop_all()
            _ip("netns", "delete", namespace.name)
        self._made.clear()

    def _cable(self, left: Namespace, left_name: str, right: Namespace, right_name: str) -> None:
        peer = ("peer", "name", right_name, "netns", right.name)
        _ip("-n", left.name, "link", "add", left_name, "type", "veth", *peer)
        for namespace, interface in ((left, left_name), (right, right_name)):
            _ip("-n", namespace.name, "link", "set", interface, "up")

    def _number_gateway(self) -> None:
        gateway = self.gateway
        for setting in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"):
            gateway.run("sysctl", "-q", "-w", setting)
        _address(gateway, "lan", f"{GATEWAY_LAN_V4}/24", f"{GATEWAY_LAN_V6}/64")
        _address(gateway, "wan", f"{GATEWAY_WAN_V4}/24", f"{GATEWAY_WAN_V6}/64")
        for network in (SUBSCRIBER_NETWORK_V6, "2001:db8:100:11::/64"):
            _ip("-n", gateway.name, "-6", "route", "add", network, "via", "2001:db8:100::2")

    def _number_subscriber(self) -> None:
        _address(self.subscriber, "eth0", f"{SUBSCRIBER_V4}/24", f"{NEIGHBOUR_V4}/24", "2001:db8:100::2/64")
        _address(self.subscriber, "lo", f"{SUBSCRIBER_V6}/128", f"{NEIGHBOUR_V6}/128")
        _route(self.subscriber, "default", GATEWAY_LAN_V4)
        _ip("-n", self.subscriber.name, "-6", "route", "add", "default", "via", GATEWAY_LAN_V6, "src", SUBSCRIBER_V6)
        # What speaks to the gateway itself comes from the delegated prefix, too, as from behind a home router.
        own = ("dev", "eth0", "src", SUBSCRIBER_V6)
        _ip("-n", self.subscriber.name, "-6", "route", "add", f"{GATEWAY_LAN_V6}/128", *own)

    def _number_internet(self) -> None:
        for v4, v6 in ((SERVER_V4, SERVER_V6), (GARDEN_V4, GARDEN_V6), (RESOLVER_V4, RESOLVER_V6)):
            _address(self.internet, "eth0", f"{v4}/24", f"{v6}/64")
        _route(self.internet, "default", GATEWAY_WAN_V4)
        _route(self.internet, "default", GATEWAY_WAN_V6)


def _without_address_detection(namespace: Namespace) -> None:
    """IPv6 works at once, not two seconds later: nobody else can have these addresses."""
    for which in ("all", "default"):
        namespace.run("sysctl", "-q", "-w", f"net.ipv6.conf.{which}.accept_dad=0")


def _address(namespace: Namespace, interface: str, *addresses: str) -> None:
    for address in addresses:
        no_detection = ("nodad",) if ":" in address else ()
        _ip("-n", namespace.name, "address", "add", address, "dev", interface, *no_detection)


def _route(namespace: Namespace, network: str, via: str) -> None:
    family = "-6" if ":" in via else "-4"
    _ip("-n", namespace.name, family, "route", "add", network, "via", via)


def _ip(*arguments: str) -> None:
    try:
        subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise LabError("The program ip is missing.", "Install it: apt install iproute2") from error
    except subprocess.CalledProcessError as error:
        words = f"`ip {' '.join(arguments)}` failed: {error.stderr.strip()}."
        raise LabError(words, "The lab needs root.") from error
