"""The simulated router on real packets: what a subscriber meets behind it."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from config.clock import TestClock
from daemon.lab import topology as net
from daemon.lab.topology import Topology
from tests.namespaces import connect, datagrams, listen, real_topology, received
from tests.routeros.netfilter import Netfilter
from tests.routeros.simulator import Simulator

pytestmark = pytest.mark.root

FILTER, NAT, LIST = "/ip/firewall/filter", "/ip/firewall/nat", "/ip/firewall/address-list"
FILTER_V6, LIST_V6 = "/ipv6/firewall/filter", "/ipv6/firewall/address-list"
CONNECTIONS = "/ip/firewall/connection"
INTERFACES = {"ether1": "wan", "bridge": "lan"}
PORTAL_PORT = 8101
UPLOADED_BYTES = 10_000


@pytest.fixture(scope="module")
def topology() -> Iterator[Topology]:
    with real_topology() as made:
        yield made


@pytest.fixture(scope="module")
def servers(topology: Topology) -> Iterator[dict[int, socket.socket]]:
    """On the internet: a web server on two ports, and the portal, all at addresses of its own."""
    opened = {port: listen(topology.internet, net.SERVER_V4, port) for port in (80, 443)}
    opened[PORTAL_PORT] = listen(topology.internet, net.GARDEN_V4, PORTAL_PORT)
    opened[6] = listen(topology.internet, net.SERVER_V6, 443)
    yield opened
    for each in opened.values():
        each.close()


@pytest.fixture
def router() -> Simulator:
    return Simulator(clock=TestClock(datetime(2026, 3, 1, 12, tzinfo=UTC)))


@pytest.fixture
def netfilter(router: Simulator, topology: Topology, servers: dict[int, socket.socket]) -> Iterator[Netfilter]:
    with Netfilter(router, INTERFACES, topology.gateway.name) as running:
        yield running
        assert not any(running.not_understood.values())


def opened(topology: Topology, port: int, destination: str = net.SERVER_V4) -> socket.socket:
    """A connection of the subscriber's; raises `OSError` when it is refused."""
    source = net.SUBSCRIBER_V6 if ":" in destination else net.SUBSCRIBER_V4
    return connect(topology.subscriber, source, destination, port)


def is_refused(topology: Topology, port: int, destination: str = net.SERVER_V4) -> bool:
    try:
        opened(topology, port, destination).close()
    except ConnectionRefusedError:
        return True
    return False


def source_at(server: socket.socket) -> str:
    """Who the server says has connected."""
    accepted, peer = server.accept()
    accepted.close()
    return str(peer[0])


def flows(client: socket.socket, server: socket.socket) -> bool:
    """Whether a byte still gets from the server's end to the client's and back."""
    try:
        server.sendall(b"x")
        client.sendall(client.recv(1))
        return server.recv(1) == b"x"
    except OSError:
        return False


def upload(topology: Topology, listener: socket.socket) -> None:
    """The subscriber sends something, and it arrives whole."""
    with opened(topology, 443) as client:
        server, _ = listener.accept()
        with server:
            client.sendall(b"x" * UPLOADED_BYTES)
            assert len(server.recv(UPLOADED_BYTES, socket.MSG_WAITALL)) == UPLOADED_BYTES


def suspend(router: Simulator) -> None:
    router.add(LIST, list="hradlo-suspended", address=net.SUBSCRIBER_V4)


def refuse_suspended(router: Simulator, before: str = "") -> None:
    """As Hradlo's own rules do it."""
    place = {"place_before": before} if before else {}
    router.add(FILTER, chain="out", action="accept", dst_address_list="hradlo-allowed")
    router.add(FILTER, chain="out", action="reject", protocol="tcp", reject_with="tcp-reset")
    limited = {"action": "reject", "reject_with": "icmp-admin-prohibited", "limit": "50,100:packet"}
    router.add(FILTER, chain="out", **limited)
    router.add(FILTER, chain="out", action="drop")
    router.add(FILTER, chain="in", action="accept", src_address_list="hradlo-allowed")
    router.add(FILTER, chain="in", action="drop")
    jump = {"chain": "forward", "action": "jump"}
    router.add(FILTER, **jump, jump_target="out", src_address_list="hradlo-suspended", **place)
    router.add(FILTER, **jump, jump_target="in", dst_address_list="hradlo-suspended", **place)


def test_without_rules_everything_passes(
    topology: Topology, netfilter: Netfilter, servers: dict[int, socket.socket]
) -> None:
    with opened(topology, 443):
        assert source_at(servers[443]) == net.SUBSCRIBER_V4


def test_a_suspended_line_is_refused_at_once_except_to_what_is_allowed(
    topology: Topology, router: Simulator, netfilter: Netfilter, servers: dict[int, socket.socket]
) -> None:
    refuse_suspended(router)
    router.add(LIST, list="hradlo-allowed", address=net.GARDEN_V4)
    assert not is_refused(topology, 443)
    source_at(servers[443])

    suspend(router)

    assert is_refused(topology, 443)
    router.add(LIST, list="hradlo-allowed", address=f"{net.SERVER_V4}-{net.SERVER_V4}")
    assert not is_refused(topology, 443)
    source_at(servers[443])


def test_plain_http_leads_to_the_portal_which_sees_the_subscribers_address(
    topology: Topology, router: Simulator, netfilter: Netfilter, servers: dict[int, socket.socket]
) -> None:
    to_portal = {"action": "dst-nat", "to_addresses": net.GARDEN_V4, "to_ports": str(PORTAL_PORT)}
    where = {"chain": "dstnat", "protocol": "tcp", "dst_port": "80", "src_address_list": "hradlo-notice"}
    router.add(NAT, **where, **to_portal, dst_address_list="!hradlo-allowed")
    router.add(LIST, list="hradlo-notice", address=net.SUBSCRIBER_V4)

    with opened(topology, 80):
        assert source_at(servers[PORTAL_PORT]) == net.SUBSCRIBER_V4


def test_behind_a_masquerade_the_source_is_lost_unless_it_is_spared(
    topology: Topology, router: Simulator, netfilter: Netfilter, servers: dict[int, socket.socket]
) -> None:
    masquerade = router.add(NAT, chain="srcnat", action="masquerade", out_interface="ether1")
    with opened(topology, 443):
        assert source_at(servers[443]) == net.GATEWAY_WAN_V4

    spared = {"chain": "srcnat", "action": "accept", "dst_address": net.SERVER_V4}
    router.add(NAT, **spared, place_before=masquerade.id)

    with opened(topology, 443):
        assert source_at(servers[443]) == net.SUBSCRIBER_V4


def test_an_open_connection_ends_when_the_jump_is_first_and_lives_on_behind_an_accept(
    topology: Topology, router: Simulator, netfilter: Netfilter, servers: dict[int, socket.socket]
) -> None:
    accept = router.add(FILTER, chain="forward", action="accept", connection_state="established,related")
    refuse_suspended(router)
    with opened(topology, 443) as client:
        server, _ = servers[443].accept()
        server.settimeout(0.5)
        client.settimeout(0.5)
        with server:
            suspend(router)
            assert flows(client, server)

            router.tables[FILTER].move([accept], "")
            router.settle()
            assert not flows(client, server)


def test_fasttrack_carries_a_connection_past_all_rules_until_it_is_removed(
    topology: Topology, router: Simulator, netfilter: Netfilter, servers: dict[int, socket.socket]
) -> None:
    router.add(FILTER, chain="forward", action="fasttrack-connection", connection_state="established,related")
    router.add(FILTER, chain="forward", action="accept", connection_state="established,related")
    first = next(row for row in router.tables[FILTER] if not row.is_dynamic)
    refuse_suspended(router, before=first.id)
    with opened(topology, 443) as client:
        server, _ = servers[443].accept()
        server.settimeout(0.5)
        client.settimeout(0.5)
        with server:
            assert flows(client, server)
            suspend(router)
            assert flows(client, server)
            source = "{}:{}".format(*client.getsockname())
            [row] = router.tables[CONNECTIONS].find(src_address=source, fasttrack="true")

            router.tables[CONNECTIONS].remove(row)
            assert not flows(client, server)


def test_a_reboot_forgets_connections_and_what_had_a_timeout(
    topology: Topology, router: Simulator, netfilter: Netfilter, servers: dict[int, socket.socket]
) -> None:
    refuse_suspended(router)
    router.add(LIST, list="hradlo-suspended", address=net.SUBSCRIBER_V4, timeout="1d")
    assert is_refused(topology, 443)

    router.reboot()

    assert list(router.tables[CONNECTIONS]) == []
    assert not is_refused(topology, 443)
    source_at(servers[443])


def test_an_entry_that_times_out_opens_the_line(
    topology: Topology, router: Simulator, netfilter: Netfilter, servers: dict[int, socket.socket]
) -> None:
    refuse_suspended(router)
    router.add(LIST, list="hradlo-suspended", address=net.SUBSCRIBER_V4, timeout="1h")
    assert is_refused(topology, 443)

    assert isinstance(router.clock, TestClock)
    router.clock.advance(hours=1)
    router.tick()

    assert not is_refused(topology, 443)
    source_at(servers[443])


def test_ipv6_is_refused_by_prefix(
    topology: Topology, router: Simulator, netfilter: Netfilter, servers: dict[int, socket.socket]
) -> None:
    refusing = {"action": "reject", "protocol": "tcp", "reject_with": "tcp-reset"}
    router.add(FILTER_V6, chain="forward", **refusing, src_address_list="hradlo-suspended")
    assert not is_refused(topology, 443, net.SERVER_V6)
    source_at(servers[6])

    router.add(LIST_V6, list="hradlo-suspended", address=net.SUBSCRIBER_NETWORK_V6)

    assert is_refused(topology, 443, net.SERVER_V6)


def test_questions_for_names_pass_at_a_rate_for_each_subscriber(
    topology: Topology, router: Simulator, netfilter: Netfilter
) -> None:
    limited = {"protocol": "udp", "dst_port": "53", "dst_limit": "1/1m,5,src-address/1m"}
    router.add(FILTER, chain="forward", action="accept", **limited)
    router.add(FILTER, chain="forward", action="drop", protocol="udp")
    with (
        datagrams(topology.internet, net.RESOLVER_V4, 53) as resolver,
        datagrams(topology.subscriber, net.SUBSCRIBER_V4) as subscriber,
        datagrams(topology.subscriber, net.NEIGHBOUR_V4) as neighbour,
    ):
        for _ in range(20):
            subscriber.sendto(b"?", (net.RESOLVER_V4, 53))
        neighbour.sendto(b"?", (net.RESOLVER_V4, 53))

        assert received(resolver) in (6, 7)


def test_rules_count_and_a_change_elsewhere_loses_nothing(
    topology: Topology, router: Simulator, netfilter: Netfilter, servers: dict[int, socket.socket]
) -> None:
    rule = router.add(FILTER, chain="forward", action="passthrough", dst_address=net.SERVER_V4)
    with opened(topology, 443):
        source_at(servers[443])
    suspend(router)
    netfilter.count()

    assert int(rule.values["packets"]) >= 2
    assert int(rule.values["bytes"]) > 80


def test_a_simple_queue_counts_both_ways_what_is_not_fasttracked(
    topology: Topology, router: Simulator, netfilter: Netfilter, servers: dict[int, socket.socket]
) -> None:
    queue = router.add("/queue/simple", name="jana", target=f"{net.SUBSCRIBER_V4}/32,{net.SUBSCRIBER_NETWORK_V6}")
    upload(topology, servers[443])
    netfilter.count()
    up, down = (int(part) for part in queue.values["bytes"].split("/"))
    assert up > UPLOADED_BYTES
    assert 100 < down < up

    router.add(FILTER, chain="forward", action="fasttrack-connection", connection_state="established,related")
    upload(topology, servers[443])
    netfilter.count()
    assert int(queue.values["bytes"].split("/")[0]) < up + UPLOADED_BYTES / 2


def test_what_the_stand_in_does_not_understand_is_said(router: Simulator, topology: Topology) -> None:
    with Netfilter(router, INTERFACES, topology.gateway.name) as netfilter:
        router.add(FILTER, chain="forward", action="drop", layer7_protocol="x")

        assert "layer7-protocol=x" in netfilter.not_understood[4][0]


def test_nothing_is_left_in_the_kernel_at_the_end(router: Simulator, topology: Topology) -> None:
    with Netfilter(router, INTERFACES, topology.gateway.name):
        assert "table ip routeros" in topology.gateway.run("nft", "list", "tables").stdout

    assert topology.gateway.run("nft", "list", "tables").stdout == ""
