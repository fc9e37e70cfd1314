"""What subscribers' packets meet: real ones, between three namespaces, over IPv4 and IPv6."""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from time import monotonic

import pytest

from daemon.lab import topology as lab
from daemon.lab.topology import Topology
from enforcement.nftables.driver import NftablesDriver
from enforcement.planner import plan
from enforcement.state import Address, Applied, Desired, LineState
from tests.namespaces import connect, datagrams, listen, received

pytestmark = pytest.mark.root

NOTICE, SUSPENDED = LineState.NOTICE, LineState.SUSPENDED
PORTAL_PORT = 8443
REFUSED_BY_ICMP = (errno.EHOSTUNREACH, errno.EACCES)
"""What a program is told about ICMP's and ICMPv6's "administratively prohibited"."""


@dataclass
class Net:
    """One family's addresses, with servers behind them."""

    topology: Topology
    line: Address
    subscriber: str
    neighbour: str
    gateway: str
    server: str
    bank: str
    resolver: str
    garden: frozenset[Address]
    listening: dict[tuple[str, int], socket.socket]
    """Listeners by name and port: notice, portal, server, bank."""
    closing: ExitStack

    def connect(self, destination: str, port: int, source: str = "") -> socket.socket:
        opened = connect(self.topology.subscriber, source or self.subscriber, destination, port)
        return self.closing.enter_context(opened)

    def reaches(self, name: str, destination: str, port: int, source: str = "") -> str:
        """Connects, and returns the source address that this listener, and no other, saw."""
        self.connect(destination, port, source)
        listener = self.listening[name, port if name in ("server", "bank") else listener_port(name)]
        accepted, peer = listener.accept()
        self.closing.enter_context(accepted)
        return str(peer[0])

    def datagrams(self, where: str, address: str, port: int = 0) -> socket.socket:
        return self.closing.enter_context(datagrams(getattr(self.topology, where), address, port))


def listener_port(name: str) -> int:
    return {"notice": 8080, "portal": PORTAL_PORT}[name]


@pytest.fixture(params=["ipv4", "ipv6"])
def net(request: pytest.FixtureRequest, topology: Topology) -> Iterator[Net]:
    is_v4 = request.param == "ipv4"
    line = Address.parse(lab.SUBSCRIBER_V4 if is_v4 else lab.SUBSCRIBER_NETWORK_V6)
    names = ("SUBSCRIBER", "NEIGHBOUR", "GATEWAY_LAN", "SERVER", "GARDEN", "RESOLVER")
    addresses = [getattr(lab, f"{name}_{'V4' if is_v4 else 'V6'}") for name in names]
    places = {
        ("notice", 8080): (topology.gateway, addresses[2]),
        ("portal", PORTAL_PORT): (topology.gateway, addresses[2]),
        **{("server", port): (topology.internet, addresses[3]) for port in (80, 443)},
        **{("bank", port): (topology.internet, addresses[4]) for port in (80, 443)},
    }
    with ExitStack() as closing:
        listening = {
            (name, port): closing.enter_context(listen(namespace, address, port))
            for (name, port), (namespace, address) in places.items()
        }
        yield Net(topology, line, *addresses, frozenset({Address.parse(addresses[4])}), listening, closing)


def read_to_the_end(opened: socket.socket) -> None:
    while opened.recv(1000):
        pass


async def set_line(driver: NftablesDriver, net: Net, state: LineState) -> Applied:
    return await driver.apply(plan(Desired({net.line: state}, net.garden), await driver.observe()))


async def test_an_open_line_reaches_everything(net: Net, nftables: NftablesDriver) -> None:
    await set_line(nftables, net, LineState.OPEN)

    for name, address in (("server", net.server), ("bank", net.bank)):
        for port in (80, 443):
            assert net.reaches(name, address, port) == net.subscriber


async def test_in_notice_plain_http_is_shown_the_notice_with_its_own_address(
    net: Net, nftables: NftablesDriver
) -> None:
    await set_line(nftables, net, NOTICE)

    assert net.reaches("notice", net.server, 80) == net.subscriber


async def test_in_notice_everything_but_plain_http_works(net: Net, nftables: NftablesDriver) -> None:
    await set_line(nftables, net, NOTICE)
    answering = net.datagrams("internet", net.server, 443)
    asking = net.datagrams("subscriber", net.subscriber)
    asking.sendto(b"quic", (net.server, 443))

    assert net.reaches("server", net.server, 443) == net.subscriber
    assert answering.recv(10) == b"quic"


async def test_in_notice_the_gateway_and_the_garden_keep_their_own_port_80(net: Net, nftables: NftablesDriver) -> None:
    await set_line(nftables, net, NOTICE)

    assert net.reaches("bank", net.bank, 80) == net.subscriber
    with pytest.raises(ConnectionRefusedError):  # nothing of the gateway's own listens there: not redirected
        net.connect(net.gateway, 80)


async def test_a_neighbour_notices_nothing(net: Net, nftables: NftablesDriver) -> None:
    await set_line(nftables, net, SUSPENDED)

    for port in (80, 443):
        assert net.reaches("server", net.server, port, net.neighbour) == net.neighbour


async def test_suspended_plain_http_is_shown_the_notice_server(net: Net, nftables: NftablesDriver) -> None:
    await set_line(nftables, net, SUSPENDED)

    assert net.reaches("notice", net.server, 80) == net.subscriber


async def test_suspended_tls_is_reset_at_once(net: Net, nftables: NftablesDriver) -> None:
    await set_line(nftables, net, SUSPENDED)

    with pytest.raises(ConnectionRefusedError):
        net.connect(net.server, 443)


async def test_suspended_quic_is_told_that_it_is_prohibited(net: Net, nftables: NftablesDriver) -> None:
    await set_line(nftables, net, SUSPENDED)
    asking = net.datagrams("subscriber", net.subscriber)
    asking.connect((net.server, 443))
    asking.send(b"quic")

    with pytest.raises(OSError) as refused:
        asking.recv(10)
    assert refused.value.errno in REFUSED_BY_ICMP


async def test_suspended_garden_portal_and_notice_stay_reachable(net: Net, nftables: NftablesDriver) -> None:
    await set_line(nftables, net, SUSPENDED)

    assert net.reaches("bank", net.bank, 443) == net.subscriber
    assert net.reaches("bank", net.bank, 80) == net.subscriber
    assert net.reaches("portal", net.gateway, PORTAL_PORT) == net.subscriber
    assert net.reaches("notice", net.gateway, 8080) == net.subscriber


async def test_suspended_names_are_resolved_by_the_allowed_resolver_alone(net: Net, nftables: NftablesDriver) -> None:
    await set_line(nftables, net, SUSPENDED)
    resolver, other = (net.datagrams("internet", address, 53) for address in (net.resolver, net.server))
    asking = net.datagrams("subscriber", net.subscriber)
    asking.sendto(b"who?", (net.server, 53))
    asking.sendto(b"who?", (net.resolver, 53))
    question, asker = resolver.recvfrom(10)
    resolver.sendto(b"this", asker)

    assert (question, asker[0]) == (b"who?", net.subscriber)
    assert asking.recv(10) == b"this"
    assert received(other) == 0


async def test_suspended_names_are_resolved_at_a_limited_rate_for_each_line(net: Net, nftables: NftablesDriver) -> None:
    await set_line(nftables, net, SUSPENDED)
    resolver = net.datagrams("internet", net.resolver, 53)
    asking = net.datagrams("subscriber", net.subscriber)
    asking.sendto(b"first", (net.resolver, 53))
    assert resolver.recv(10) == b"first"
    started = monotonic()
    for _ in range(500):
        asking.sendto(b"who?", (net.resolver, 53))
    seconds = monotonic() - started

    assert 35 <= received(resolver) <= 41 + 20 * seconds  # the burst, and what the time of sending adds


async def test_a_running_download_ends_at_suspension(net: Net, nftables: NftablesDriver) -> None:
    await set_line(nftables, net, LineState.OPEN)
    client = net.connect(net.server, 443)
    server, _ = net.listening["server", 443].accept()
    net.closing.enter_context(server)
    server.send(b"x" * 1000)
    assert client.recv(1000)
    await set_line(nftables, net, SUSPENDED)
    server.send(b"x" * 1000)

    for end in (client, server):
        with pytest.raises(ConnectionResetError):
            read_to_the_end(end)


async def test_a_running_upload_ends_at_suspension(net: Net, nftables: NftablesDriver) -> None:
    await set_line(nftables, net, LineState.OPEN)
    client = net.connect(net.server, 443)
    await set_line(nftables, net, SUSPENDED)
    client.send(b"x" * 1000)

    with pytest.raises(ConnectionResetError):
        client.recv(1000)


async def test_a_one_way_stream_to_a_suspended_line_is_cut_to_a_trickle(net: Net, nftables: NftablesDriver) -> None:
    await set_line(nftables, net, SUSPENDED)
    receiving = net.datagrams("subscriber", net.subscriber, 5004)
    sending = net.datagrams("internet", net.server, 5004)
    started = monotonic()
    for _ in range(1000):
        sending.sendto(b"x" * 1000, (net.subscriber, 5004))
    seconds = monotonic() - started

    assert received(receiving) <= 11 + 10 * seconds


async def test_an_open_http_connection_ends_when_the_notice_comes(net: Net, nftables: NftablesDriver) -> None:
    await set_line(nftables, net, LineState.OPEN)
    client = net.connect(net.server, 80)
    applied = await set_line(nftables, net, NOTICE)
    client.send(b"GET / HTTP/1.1\r\n\r\n")

    assert applied.flows_ended == 1
    with pytest.raises(ConnectionResetError):
        client.recv(1000)
    assert net.reaches("notice", net.server, 80) == net.subscriber


async def test_the_notice_ends_no_other_flow(net: Net, nftables: NftablesDriver) -> None:
    await set_line(nftables, net, LineState.OPEN)
    net.reaches("server", net.server, 443)
    net.reaches("server", net.server, 80, net.neighbour)
    net.reaches("bank", net.bank, 80)

    assert (await set_line(nftables, net, NOTICE)).flows_ended == 0


async def test_suspension_ends_flows_of_the_line_but_those_to_garden_and_gateway(
    net: Net, nftables: NftablesDriver
) -> None:
    await set_line(nftables, net, LineState.OPEN)
    net.reaches("server", net.server, 443)
    net.reaches("bank", net.bank, 443)
    net.reaches("portal", net.gateway, PORTAL_PORT)
    net.reaches("server", net.server, 443, net.neighbour)

    assert (await set_line(nftables, net, SUSPENDED)).flows_ended == 1


async def test_a_restored_line_works_at_once(net: Net, nftables: NftablesDriver) -> None:
    await set_line(nftables, net, SUSPENDED)
    await set_line(nftables, net, LineState.OPEN)

    for port in (80, 443):
        assert net.reaches("server", net.server, port) == net.subscriber
