"""What subscribers' packets meet behind a MikroTik router that the driver set up: real ones, the router simulated.

The router is furnished as an ISP has it: FastTrack, "established accept", masquerade.
"""

import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address

import pytest

from daemon.lab import topology as lab
from daemon.lab.topology import Topology
from enforcement.routeros.driver import RouterOsDriver
from enforcement.routeros.router import Router
from enforcement.state import Address, Applied, Desired, LineState
from tests.enforcement.routeros import reach, routeros_driver
from tests.namespaces import SILENCE_SECONDS, connect, datagrams, listen, real_topology, received
from tests.routeros.furniture import furnish
from tests.routeros.netfilter import Netfilter
from tests.routeros.simulator import Simulator, running

pytestmark = pytest.mark.root

OPEN, NOTICE, SUSPENDED = LineState
LINE = Address.parse(lab.SUBSCRIBER_V4)
LINE_V6 = Address.parse(lab.SUBSCRIBER_NETWORK_V6)
GARDEN = frozenset({Address.parse(lab.GARDEN_V4)})
NOTICE_HOST, NOTICE_PORT = lab.RESOLVER_V4, 8101
"""The host of the notice server, behind the router like the rest of the internet."""
INTERFACES = {"ether1": "wan", "bridge": "lan"}


@dataclass
class Net:
    """The subscriber, the servers, and the router between them."""

    topology: Topology
    simulated: Simulator
    driver: RouterOsDriver
    listening: dict[tuple[str, int], socket.socket]
    closing: ExitStack

    async def set_line(self, state: LineState) -> Applied:
        return await reach(self.driver, Desired({LINE: state, LINE_V6: state}, GARDEN))

    def connect(self, destination: str, port: int, source: str = lab.SUBSCRIBER_V4) -> socket.socket:
        return self.closing.enter_context(connect(self.topology.subscriber, source, destination, port))

    def pair(self, destination: str, port: int) -> tuple[socket.socket, socket.socket]:
        """Both ends of a connection."""
        client = self.connect(destination, port)
        server, _ = self.listening[destination, port].accept()
        for end in (client, server):
            end.settimeout(SILENCE_SECONDS)
        return client, self.closing.enter_context(server)

    def seen_at(self, place: tuple[str, int]) -> str:
        """The source address that a listener saw."""
        accepted, peer = self.listening[place].accept()
        accepted.close()
        return str(peer[0])

    def datagrams(self, where: str, address: str, port: int = 0) -> socket.socket:
        return self.closing.enter_context(datagrams(getattr(self.topology, where), address, port))


@pytest.fixture(scope="module")
def topology() -> Iterator[Topology]:
    with real_topology() as made:
        yield made


@pytest.fixture
async def net(topology: Topology) -> AsyncIterator[Net]:
    simulated = Simulator()
    furnish(simulated)
    places = [
        (NOTICE_HOST, NOTICE_PORT),
        *((address, port) for address in (lab.SERVER_V4, lab.GARDEN_V4) for port in (80, 443)),
        *((lab.SERVER_V6, port) for port in (80, 443)),
    ]
    with Netfilter(simulated, INTERFACES, topology.gateway.name), ExitStack() as closing:
        listening = {place: closing.enter_context(listen(topology.internet, *place)) for place in places}
        router = Router("main", IPv4Address(NOTICE_HOST), NOTICE_PORT)
        async with running(simulated), routeros_driver(simulated, router) as driver:
            yield Net(topology, simulated, driver, listening, closing)


def flows(client: socket.socket, server: socket.socket) -> bool:
    """Whether a byte gets down and up."""
    try:
        server.sendall(b"x")
        client.sendall(client.recv(1))
        return server.recv(1) == b"x"
    except OSError:
        return False


async def test_an_open_line_reaches_everything(net: Net) -> None:
    await net.set_line(OPEN)

    for place in ((lab.SERVER_V4, 80), (lab.SERVER_V4, 443)):
        net.connect(*place)
        assert net.seen_at(place) == lab.GATEWAY_WAN_V4  # masqueraded, as the ISP wants it


async def test_in_notice_plain_http_comes_to_the_notice_with_its_own_address(net: Net) -> None:
    await net.set_line(NOTICE)
    net.connect(lab.SERVER_V4, 80)

    assert net.seen_at((NOTICE_HOST, NOTICE_PORT)) == lab.SUBSCRIBER_V4


async def test_in_notice_everything_but_plain_http_works(net: Net) -> None:
    await net.set_line(NOTICE)
    answering, asking = net.datagrams("internet", lab.SERVER_V4, 443), net.datagrams("subscriber", lab.SUBSCRIBER_V4)
    asking.sendto(b"quic", (lab.SERVER_V4, 443))

    assert answering.recv(10) == b"quic"
    net.connect(lab.SERVER_V4, 443)
    net.connect(lab.GARDEN_V4, 80)
    assert net.seen_at((lab.GARDEN_V4, 80)) == lab.GATEWAY_WAN_V4


async def test_a_neighbour_notices_nothing(net: Net) -> None:
    await net.set_line(SUSPENDED)

    for port in (80, 443):
        net.connect(lab.SERVER_V4, port, lab.NEIGHBOUR_V4)
        net.seen_at((lab.SERVER_V4, port))


async def test_suspended_tls_is_reset_at_once_and_plain_http_is_shown_why(net: Net) -> None:
    await net.set_line(SUSPENDED)

    with pytest.raises(ConnectionRefusedError):
        net.connect(lab.SERVER_V4, 443)
    net.connect(lab.SERVER_V4, 80)
    assert net.seen_at((NOTICE_HOST, NOTICE_PORT)) == lab.SUBSCRIBER_V4


async def test_suspended_quic_is_told_that_it_is_prohibited(net: Net) -> None:
    await net.set_line(SUSPENDED)
    asking = net.datagrams("subscriber", lab.SUBSCRIBER_V4)
    asking.connect((lab.SERVER_V4, 443))
    asking.send(b"quic")

    with pytest.raises(OSError) as refused:
        asking.recv(10)
    assert refused.value.errno in (errno.EHOSTUNREACH, errno.EACCES)


async def test_a_suspended_line_still_reaches_its_bank_and_resolves_names(net: Net) -> None:
    await net.set_line(SUSPENDED)
    resolver, asking = net.datagrams("internet", lab.RESOLVER_V4, 53), net.datagrams("subscriber", lab.SUBSCRIBER_V4)
    asking.sendto(b"who?", (lab.RESOLVER_V4, 53))
    _, asker = resolver.recvfrom(10)
    resolver.sendto(b"this", asker)

    assert asking.recv(10) == b"this"
    net.connect(lab.GARDEN_V4, 443)
    net.seen_at((lab.GARDEN_V4, 443))


async def test_a_running_connection_ends_at_suspension_though_it_was_fasttracked(net: Net) -> None:
    await net.set_line(OPEN)
    client, server = net.pair(lab.SERVER_V4, 443)
    assert flows(client, server)
    assert flows(client, server)

    applied = await net.set_line(SUSPENDED)

    assert applied.flows_ended >= 1
    assert not flows(client, server)


async def test_a_one_way_stream_to_a_suspended_line_is_cut(net: Net) -> None:
    await net.set_line(SUSPENDED)
    receiving, sending = net.datagrams("subscriber", lab.SUBSCRIBER_V4, 5004), net.datagrams("internet", lab.SERVER_V4)
    for _ in range(100):
        sending.sendto(b"x" * 1000, (lab.SUBSCRIBER_V4, 5004))

    assert received(receiving) == 0


async def test_ipv6_is_refused_when_suspended_and_plain_http_in_notice(net: Net) -> None:
    await net.set_line(NOTICE)
    net.connect(lab.SERVER_V6, 443, lab.SUBSCRIBER_V6)
    with pytest.raises(ConnectionRefusedError):  # so that browsers turn to IPv4, where the notice is
        net.connect(lab.SERVER_V6, 80, lab.SUBSCRIBER_V6)

    await net.set_line(SUSPENDED)
    with pytest.raises(ConnectionRefusedError):
        net.connect(lab.SERVER_V6, 443, lab.SUBSCRIBER_V6)


async def test_a_restored_line_works_at_once(net: Net) -> None:
    await net.set_line(SUSPENDED)
    await net.set_line(OPEN)

    for port in (80, 443):
        net.connect(lab.SERVER_V4, port)
        net.seen_at((lab.SERVER_V4, port))


async def test_a_router_that_rebooted_is_right_again_with_the_next_round(net: Net) -> None:
    await net.set_line(NOTICE)
    net.simulated.reboot()
    net.connect(lab.SERVER_V4, 80)
    net.seen_at((lab.SERVER_V4, 80))  # open until somebody looks: a notice fails open

    await net.set_line(NOTICE)

    net.connect(lab.SERVER_V4, 80)
    assert net.seen_at((NOTICE_HOST, NOTICE_PORT)) == lab.SUBSCRIBER_V4


async def test_a_simple_queue_says_what_a_line_transferred(net: Net) -> None:
    net.simulated.add("/queue/simple", name="jana", target=f"{lab.SUBSCRIBER_V4}/32")
    receiving, sending = net.datagrams("internet", lab.SERVER_V4, 5004), net.datagrams("subscriber", lab.SUBSCRIBER_V4)
    for _ in range(10):
        sending.sendto(b"x" * 972, (lab.SERVER_V4, 5004))
    assert received(receiving) == 10

    counted = await net.driver.count([LINE])

    assert counted.bytes_of[LINE] == (0, 10_000)  # with the headers of IP and UDP


async def test_removing_hradlo_opens_the_line_and_leaves_what_was_there(net: Net) -> None:
    before = net.simulated.foreign()
    await net.set_line(SUSPENDED)

    await net.driver.remove()

    assert net.simulated.foreign() == before
    net.connect(lab.SERVER_V4, 443)
    net.seen_at((lab.SERVER_V4, 443))
