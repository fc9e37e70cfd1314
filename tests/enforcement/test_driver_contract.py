"""What every driver must do: one suite for all of them, the real kernel included."""

import os
from collections.abc import AsyncIterator

import pytest

from enforcement.driver import Driver
from enforcement.dryrun import DryRunDriver
from enforcement.nftables.driver import NftablesDriver
from enforcement.planner import plan
from enforcement.state import NOTHING, Address, Desired, LineState, Observed, Plan
from tests.enforcement.conftest import SETTINGS
from tests.enforcement.routeros import real_router_driver, routeros_driver
from tests.namespaces import real_topology
from tests.routeros.simulator import Simulator, running

VERSIONS = ("6.49", "7.12", "7.18", "7.22")
"""Of RouterOS, simulated."""
ONE = Address.parse("100.64.0.10")
OTHER = Address.parse("100.64.0.11")
BLOCK = Address.parse("198.51.100.8/29")
HOME = Address.parse("2001:db8:5600::/56")
HOST = Address.parse("2001:db8::1")
BANK = frozenset({Address.parse("203.0.113.90"), Address.parse("2001:db8:200::90"), Address.parse("192.0.2.0/24")})
EVERYTHING = Desired(
    {
        ONE: LineState.NOTICE,
        OTHER: LineState.SUSPENDED,
        BLOCK: LineState.SUSPENDED,
        HOME: LineState.NOTICE,
        HOST: LineState.SUSPENDED,
    },
    BANK,
)


KINDS = [
    "dryrun",
    pytest.param("nftables", marks=pytest.mark.root),
    *(f"routeros-{each}" for each in VERSIONS),
    *(["real-router"] if "ROUTEROS_HOST" in os.environ else []),  # asked for by `make test-routeros`
]


@pytest.fixture(params=KINDS)
async def driver(request: pytest.FixtureRequest) -> AsyncIterator[Driver]:
    kind, _, version = request.param.partition("-")
    if kind == "dryrun":
        yield DryRunDriver()
    elif kind == "routeros":
        simulated = Simulator(profile=version, has_ipv6=True)
        async with running(simulated), routeros_driver(simulated) as opened:
            yield opened
    elif kind == "real":
        async with real_router_driver() as opened:
            yield opened
    else:
        with real_topology() as topology:
            nftables = NftablesDriver(SETTINGS, topology.gateway.name)
            yield nftables
            await nftables.close()


async def reach(driver: Driver, desired: Desired) -> Plan:
    """One round of the reconciler."""
    made = plan(desired, await driver.observe())
    await driver.apply(made)
    return made


def shown(observed: Observed) -> tuple[dict[Address, LineState], frozenset[Address], bool]:
    return dict(observed.lines), observed.garden, observed.is_installed


async def test_a_new_network_is_open_and_has_no_rules(driver: Driver) -> None:
    assert shown(await driver.observe()) == ({}, frozenset(), False)


async def test_an_applied_plan_is_observed(driver: Driver) -> None:
    await reach(driver, EVERYTHING)

    assert shown(await driver.observe()) == (EVERYTHING.lines, BANK, True)


async def test_each_step_between_states_is_observed(driver: Driver) -> None:
    for state in (LineState.NOTICE, LineState.SUSPENDED, LineState.NOTICE, LineState.OPEN, LineState.SUSPENDED):
        await reach(driver, Desired({ONE: state, HOME: state}, BANK))
        assert await driver.look_at([ONE, HOME]) == {ONE: state, HOME: state}

    await reach(driver, Desired({}))
    assert shown(await driver.observe()) == ({}, frozenset(), True)


async def test_looking_at_a_few_addresses_shows_the_open_ones_too(driver: Driver) -> None:
    await reach(driver, EVERYTHING)

    assert await driver.look_at([ONE, BLOCK, HOST, Address.parse("10.9.9.9"), Address.parse("2001:db8:9::/48")]) == {
        ONE: LineState.NOTICE,
        BLOCK: LineState.SUSPENDED,
        HOST: LineState.SUSPENDED,
        Address.parse("10.9.9.9"): LineState.OPEN,
        Address.parse("2001:db8:9::/48"): LineState.OPEN,
    }


async def test_a_second_round_has_nothing_to_do(driver: Driver) -> None:
    await reach(driver, EVERYTHING)

    assert (await reach(driver, EVERYTHING)).is_empty


async def test_it_reports_how_many_addresses_it_wrote(driver: Driver) -> None:
    made = plan(EVERYTHING, await driver.observe())

    assert (await driver.apply(made)).changed == 8
    assert (await driver.apply(NOTHING)).changed == 0


async def test_a_plan_made_before_somebody_else_changed_the_same_lines_is_carried_out(driver: Driver) -> None:
    await reach(driver, Desired({ONE: LineState.SUSPENDED, OTHER: LineState.SUSPENDED}))
    late = plan(Desired({OTHER: LineState.NOTICE}), await driver.observe())
    await reach(driver, Desired({OTHER: LineState.SUSPENDED}))
    await driver.apply(late)

    assert dict((await driver.observe()).lines) == {OTHER: LineState.NOTICE}


async def test_where_nobody_comes_and_goes_nobody_is_bound(driver: Driver) -> None:
    assert await driver.bindings() == {}


async def test_an_observation_is_a_value_that_later_plans_leave_alone(driver: Driver) -> None:
    await reach(driver, Desired({ONE: LineState.NOTICE}))
    before = await driver.observe()
    await reach(driver, Desired({OTHER: LineState.NOTICE}))

    assert dict(before.lines) == {ONE: LineState.NOTICE}
