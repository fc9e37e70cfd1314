"""Counting what subscribers transfer, with real packets through real nftables."""

import socket
from collections.abc import Iterator

import pytest

from daemon.lab import topology as lab
from daemon.lab.topology import Topology
from enforcement.nftables.driver import NftablesDriver
from enforcement.planner import plan
from enforcement.state import Address, Desired, LineState
from tests.namespaces import datagrams

pytestmark = pytest.mark.root

V4 = Address.parse(lab.SUBSCRIBER_V4)
V6 = Address.parse(lab.SUBSCRIBER_NETWORK_V6)
PAYLOAD = b"x" * 1000
HEADERS = {4: 28, 6: 48}
"""Of IP and UDP."""


class Flow:
    """Datagrams between a subscriber and the internet, of a known size."""

    def __init__(self, topology: Topology, version: int) -> None:
        self.version = version
        here, there = (lab.SUBSCRIBER_V4, lab.SERVER_V4) if version == 4 else (lab.SUBSCRIBER_V6, lab.SERVER_V6)
        self.subscriber, self.server = datagrams(topology.subscriber, here), datagrams(topology.internet, there, 7777)
        self._there = (there, 7777)
        self._here = self.subscriber.getsockname()[:2]

    def upload(self, packets: int) -> int:
        """Sends, waits for each to arrive; returns the bytes on the wire."""
        for _ in range(packets):
            self.subscriber.sendto(PAYLOAD, self._there)
            self.server.recv(2000)
        return packets * (len(PAYLOAD) + HEADERS[self.version])

    def download(self, packets: int) -> int:
        for _ in range(packets):
            self.server.sendto(PAYLOAD, self._here)
            self.subscriber.recv(2000)
        return packets * (len(PAYLOAD) + HEADERS[self.version])


@pytest.fixture(params=[4, 6], ids=["IPv4", "IPv6"])
def flow(request: pytest.FixtureRequest, topology: Topology) -> Iterator[Flow]:
    made = Flow(topology, request.param)
    yield made
    for opened in (made.subscriber, made.server):
        assert isinstance(opened, socket.socket)
        opened.close()


def line(flow: Flow) -> Address:
    return V4 if flow.version == 4 else V6


async def test_each_direction_is_counted_to_the_byte(nftables: NftablesDriver, flow: Flow) -> None:
    await nftables.count([line(flow)])

    up, down = flow.upload(7), flow.download(3)

    counted = await nftables.count([line(flow)])
    assert counted.bytes_of == {line(flow): (down, up)}


async def test_another_life_of_the_counters_has_another_name(
    nftables: NftablesDriver, topology: Topology, flow: Flow
) -> None:
    await nftables.count([line(flow)])
    before = (await nftables.count([line(flow)])).generation
    topology.gateway.run("nft", "delete", "table", "inet", "hradlo_usage")

    after = await nftables.count([line(flow)])

    assert after.generation != before
    assert (await nftables.count([line(flow)])).generation == after.generation


async def test_a_new_driver_finds_the_counters_that_the_old_one_left(
    nftables: NftablesDriver, topology: Topology, flow: Flow
) -> None:
    await nftables.count([line(flow)])
    up = flow.upload(2)

    another = NftablesDriver(nftables._settings, topology.gateway.name)
    counted = await another.count([line(flow)])
    await another.close()

    assert counted.bytes_of[line(flow)] == (0, up)


async def test_a_network_of_a_new_size_loses_no_count_of_the_others(nftables: NftablesDriver, flow: Flow) -> None:
    await nftables.count([line(flow)])
    up = flow.upload(2)
    wider = Address.parse("2001:db8:77::/48")

    await nftables.count([line(flow), wider])
    counted = await nftables.count([line(flow), wider])

    assert counted.bytes_of == {line(flow): (0, up), wider: (0, 0)}


async def test_who_is_not_wanted_any_more_is_not_counted(nftables: NftablesDriver, topology: Topology) -> None:
    await nftables.count([V4, V6])

    await nftables.count([V4])

    listed = topology.gateway.run("nft", "list", "table", "inet", "hradlo_usage").stdout
    assert str(V6).partition("/")[0] not in listed
    assert lab.SUBSCRIBER_V4 in listed


async def test_counting_is_no_foreign_change_and_breaks_no_seal(nftables: NftablesDriver, flow: Flow) -> None:
    desired = Desired({line(flow): LineState.NOTICE})
    await nftables.apply(plan(desired, await nftables.observe()))

    await nftables.count([line(flow)])

    assert plan(desired, await nftables.observe()).is_empty
    assert not nftables._table().watch.has_foreign_change()


async def test_rules_that_are_written_anew_lose_no_count(nftables: NftablesDriver, flow: Flow) -> None:
    await nftables.count([line(flow)])
    up = flow.upload(2)

    await nftables.apply(plan(Desired({line(flow): LineState.NOTICE}), await nftables.observe()))

    assert (await nftables.count([line(flow)])).bytes_of[line(flow)] == (0, up)
