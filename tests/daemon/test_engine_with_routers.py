"""The engine with simulated routers: addresses that change hands, one that is away, reboots."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from billing.store.engine import Store
from config.settings import parse
from daemon import doorbell, site
from daemon.engine import Engine
from daemon.witness import stay_awake
from enforcement.driver import Driver
from enforcement.routeros import driver as driver_module
from enforcement.state import Address, LineState
from tests.enforcement.routeros import ROUTER, Eager, routeros_driver
from tests.routeros.simulator import Simulator, running
from tests.routeros.subscribers import lease_bound, lease_ended, ppp_connected, ppp_disconnected
from tests.scenario import DUE_ON, SETTINGS, Isp, at

NOTICE_ON = DUE_ON + timedelta(days=14)
MAC = "02:00:00:00:00:07"


@pytest.fixture
async def isp(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Isp:
    """Contract 1001 owes and is known by its PPP name, 1002 owes and is known by its MAC; 1003 owes nothing."""
    monkeypatch.setattr(site, "BOUND_SECONDS", 0.05)
    monkeypatch.setattr(driver_module, "WATCH_SECONDS", 0.05)
    made = Isp(store, tmp_path)
    folders = f'[secrets]\ndirectory = "{tmp_path}"\n[daemon]\nruntime_directory = "{tmp_path}"\n'
    folders += f'state_directory = "{tmp_path}"\n'
    made.settings = parse(SETTINGS + "reconcile_seconds = 3600\n" + folders)
    await made.add("1001", "ppp:jana", site="north")
    await made.add("1002", f"dhcp:{MAC}", site="north")
    await made.add("1003", "ppp:petr", site="north")
    await made.invoice("26000001", "1001")
    await made.invoice("26000002", "1002")
    made.clock.move_to(at(NOTICE_ON))
    stay_awake(made.folder, made.clock)
    return made


@pytest.fixture
async def router(isp: Isp) -> AsyncIterator[Simulator]:
    async with running(Simulator(clock=isp.clock)) as simulated:
        yield simulated


@asynccontextmanager
async def engine(isp: Isp, **drivers: Driver) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(Engine(isp.settings, isp.store, drivers, isp.clock).run())
        yield
        task.cancel()


async def until(what: str, condition: Callable[[], Awaitable[bool] | bool]) -> None:
    async def is_so() -> bool:
        found = condition()
        return found if isinstance(found, bool) else await found

    try:
        async with asyncio.timeout(20):
            while not await is_so():  # noqa: ASYNC110 - a router tells nobody
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"waited in vain until {what}")


def in_notice(router: Simulator) -> set[str]:
    return set(router.address_list.addresses("hradlo-notice"))


async def test_a_notice_follows_its_subscriber_and_never_stays_behind_on_an_address(
    isp: Isp, router: Simulator
) -> None:
    ppp_connected(router, "jana", "10.0.0.2")
    lease = lease_bound(router, MAC, "10.0.0.3")
    async with routeros_driver(router, breaker=Eager()) as driver, engine(isp, north=driver):
        await until("both are in notice", lambda: in_notice(router) == {"10.0.0.2", "10.0.0.3"})

        ppp_disconnected(router, "jana")
        ppp_connected(router, "petr", "10.0.0.2")
        await until("Petr is free of Jana's notice", lambda: in_notice(router) == {"10.0.0.3"})

        ppp_connected(router, "jana", "10.0.0.9")
        await until("Jana is found again", lambda: in_notice(router) == {"10.0.0.3", "10.0.0.9"})

        lease_ended(router, lease)
        await until("nobody has the lease", lambda: in_notice(router) == {"10.0.0.9"})


async def test_addresses_that_were_given_anew_while_nobody_watched_are_not_those_of_before(
    isp: Isp, router: Simulator
) -> None:
    """Jana had 10.0.0.2 when the engine stopped; at its start somebody else has it."""
    ppp_connected(router, "jana", "10.0.0.2")
    async with routeros_driver(router) as driver, engine(isp, north=driver):
        await until("Jana is in notice", lambda: in_notice(router) == {"10.0.0.2"})
    ppp_disconnected(router, "jana")
    ppp_connected(router, "petr", "10.0.0.2")
    router.reboot()
    ppp_connected(router, "petr", "10.0.0.2")
    seen: list[set[str]] = []
    router.tables["/ip/firewall/address-list"].listeners.add(lambda row, is_gone: seen.append(in_notice(router)))
    async with routeros_driver(router) as driver, engine(isp, north=driver):
        ppp_connected(router, "jana", "10.0.0.9")
        await until("Jana is in notice at her new address", lambda: "10.0.0.9" in in_notice(router))

    assert not any("10.0.0.2" in addresses for addresses in seen)


async def test_a_line_that_is_away_stays_what_it_is_and_nobody_is_told_otherwise(isp: Isp, router: Simulator) -> None:
    ppp_connected(router, "jana", "10.0.0.2")
    async with routeros_driver(router) as driver, engine(isp, north=driver):
        await until("Jana is in notice", lambda: in_notice(router) == {"10.0.0.2"})
        ppp_disconnected(router, "jana")
        await until("her address is nobody's", lambda: not in_notice(router))
        assert await isp.recorded_line("1001") == "notice"


async def test_an_acknowledgement_opens_the_line_on_the_router(isp: Isp, router: Simulator) -> None:
    ppp_connected(router, "jana", "10.0.0.2")
    async with routeros_driver(router) as driver, engine(isp, north=driver):
        await until("Jana is in notice", lambda: in_notice(router) == {"10.0.0.2"})
        await isp.acknowledge("1001")
        isp.clock.advance(seconds=1)
        doorbell.ring(isp.folder)
        await until("Jana's line is open", lambda: not in_notice(router))


async def test_a_router_that_is_away_delays_no_other_and_catches_up(isp: Isp, router: Simulator) -> None:
    await isp.add("2001", "10.0.0.2", site="south")
    await isp.invoice("26000009", "2001")
    await isp.add("1009", "10.0.0.5", site="north")
    await isp.invoice("26000010", "1009")
    async with (
        running(Simulator(clock=isp.clock, serial_number="SOUTH")) as south,
        routeros_driver(router, breaker=Eager()) as in_north,
        routeros_driver(south, replace(ROUTER, name="south", notice_port=8102), Eager()) as in_south,
    ):
        router.is_up = False
        async with engine(isp, north=in_north, south=in_south):
            await until("the south is as it should be", lambda: in_notice(south) == {"10.0.0.2"})
            assert in_notice(router) == set()
            router.is_up = True
            await until("the north has caught up", lambda: in_notice(router) == {"10.0.0.5"})


async def test_a_reboot_is_noticed_and_notices_come_back(isp: Isp, router: Simulator) -> None:
    await isp.add("1009", "10.0.0.5", site="north")
    await isp.invoice("26000010", "1009")
    async with routeros_driver(router, breaker=Eager()) as driver, engine(isp, north=driver):
        await until("the notice is there", lambda: in_notice(router) == {"10.0.0.5"})
        router.reboot()
        assert in_notice(router) == set()
        await until("it is there again", lambda: in_notice(router) == {"10.0.0.5"})
        assert (await driver.look_at([Address.parse("10.0.0.5")])).popitem()[1] is LineState.NOTICE
