"""Namespaces of one test's own, and drivers in their gateway."""

from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_address

import pytest

from daemon.lab import topology as lab
from daemon.lab.topology import Topology
from enforcement.nftables.driver import NftablesDriver
from enforcement.nftables.ruleset import NftSettings
from tests.namespaces import real_topology

SETTINGS = NftSettings(
    subscriber_interfaces=("lan",),
    notice_addresses=(ip_address(lab.GATEWAY_LAN_V4), ip_address(lab.GATEWAY_LAN_V6)),
    notice_port=8080,
    resolvers=(ip_address(lab.RESOLVER_V4), ip_address(lab.RESOLVER_V6)),
    dns_queries_per_second=20,
)


@pytest.fixture
def nft_settings() -> NftSettings:
    return SETTINGS


@pytest.fixture
def topology() -> Iterator[Topology]:
    with real_topology() as made:
        yield made


@pytest.fixture
async def nftables(topology: Topology, nft_settings: NftSettings) -> AsyncIterator[NftablesDriver]:
    """The driver in the gateway's namespace."""
    driver = NftablesDriver(nft_settings, topology.gateway.name)
    yield driver
    await driver.close()
