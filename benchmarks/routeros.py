"""MikroTik routers, simulated in a process of their own: a first load, a round without change, one acknowledgement.

Beside the first load: routeros-api as it is shipped, one command after the other, on the same router in the same run.
A simulated router answers at once, so these are the figures of Hradlo and of the way there; a real one needs about a
millisecond for each entry that it writes (RB5009), and is then what everybody waits for.
"""

import asyncio
import multiprocessing
import statistics
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address
from multiprocessing.connection import Connection

from routeros_api import RouterOsApiPool

from benchmarks.table import Row
from config.clock import monotonic_seconds
from enforcement.planner import plan
from enforcement.routeros.connection import Access
from enforcement.routeros.driver import RouterOsDriver
from enforcement.routeros.router import Router
from enforcement.routeros.transport import RouterTransport
from enforcement.state import Address, Change, Desired, LineState, Plan
from tests.routeros.simulator import PASSWORD, USER, Simulator, running

ENTRIES = 20_000
ROUND_TRIPS_MS = (0, 5, 20)
AS_SHIPPED = 40
"""Commands by the bare library: at 20 a second, enough to know."""
ROUTERS = 50
ENTRIES_OF_EACH = 400
ACKNOWLEDGEMENTS = 20
GOAL_RATIO, GOAL_ROUND_SECONDS, GOAL_ACKNOWLEDGEMENT_MS = 30, 3.0, 250


def run(scale: float = 1.0) -> list[Row]:
    entries = max(20, int(ENTRIES * scale))
    rows: list[Row] = []
    for latency_ms in ROUND_TRIPS_MS:
        with _routers(1, latency_ms) as (port,):
            shipped = _as_shipped(port, max(3, min(AS_SHIPPED, entries // 20)))
            rows += asyncio.run(_one_router(port, latency_ms, entries, shipped))
    routers = max(3, int(ROUTERS * scale))
    each = max(5, int(ENTRIES_OF_EACH * scale))
    with _routers(routers + 1, 5) as ports:
        rows.append(asyncio.run(_many_routers(ports, each)))
    return rows


async def _one_router(port: int, latency_ms: int, entries: int, shipped: float) -> list[Row]:
    driver, wanted = _driver(port), Desired(_lines(entries))
    try:
        await driver.set_up()
        first = plan(wanted, await driver.observe())
        rate = entries / await _seconds(driver.apply(first))
        rows = [_loaded(latency_ms, entries, rate, shipped)]
        if latency_ms == 5:
            rows.append(await _round_without_change(driver, wanted, entries))
        if latency_ms == 20:
            rows.append(await _acknowledgement(driver, list(wanted.lines)))
        return rows
    finally:
        await driver.close()


def _loaded(latency_ms: int, entries: int, rate: float, shipped: float) -> Row:
    is_judged = latency_ms == 5
    return Row(
        name=f"router {latency_ms} ms away: {entries:,} entries from empty",
        value=rate,
        unit="commands/s",
        beside=f"routeros-api as shipped: {shipped:.0f} commands/s",
        ratio=rate / shipped,
        goal=f"≥ {GOAL_RATIO} ×" if is_judged else "",
        is_met=rate / shipped >= GOAL_RATIO,
    )


async def _round_without_change(driver: RouterOsDriver, wanted: Desired, entries: int) -> Row:
    began = monotonic_seconds()
    made = plan(wanted, await driver.observe())
    seconds = monotonic_seconds() - began
    return Row(
        name=f"router 5 ms away: a round without change, {entries:,} entries",
        value=seconds,
        unit="s",
        beside=f"written: {made.size}",
        goal=f"≤ {GOAL_ROUND_SECONDS:.0f} s, nothing written",
        is_met=seconds <= GOAL_ROUND_SECONDS and made.is_empty,
    )


async def _acknowledgement(driver: RouterOsDriver, addresses: Sequence[Address]) -> Row:
    """From the plan to the line that is open."""
    times = []
    for address in addresses[:ACKNOWLEDGEMENTS]:
        opened = Plan(restores=(Change(address, LineState.SUSPENDED, LineState.OPEN),))
        times.append(await _seconds(driver.apply(opened)) * 1000)
    return Row(
        name="router 20 ms away: one acknowledgement → open",
        value=statistics.median(times),
        unit="ms",
        beside=f"slowest of {len(times)}: {max(times):.0f} ms",
        goal=f"≤ {GOAL_ACKNOWLEDGEMENT_MS} ms",
        is_met=max(times) <= GOAL_ACKNOWLEDGEMENT_MS,
    )


async def _many_routers(ports: Sequence[int], each: int) -> Row:
    """All at once, beside one alone."""
    drivers = [_driver(port) for port in ports]
    wanted = Desired(_lines(each))

    async def load(driver: RouterOsDriver) -> None:
        await driver.apply(plan(wanted, await driver.observe()))

    try:
        alone = await _seconds(load(drivers[0]))
        together = await _seconds(asyncio.gather(*(load(driver) for driver in drivers[1:])))
    finally:
        await asyncio.gather(*(driver.close() for driver in drivers))
    count = len(ports) - 1
    return Row(
        name=f"{count} routers at once, 5 ms away: rules and {each:,} entries each",
        value=together,
        unit="s",
        beside=f"one alone: {alone:.2f} s; one after another: about {alone * count:.1f} s",
        ratio=alone * count / together,
        goal="faster than one after another",
        is_met=together < alone * count,
    )


def _as_shipped(port: int, commands: int) -> float:
    """Commands a second by the library alone, on a list of its own."""
    pool = RouterOsApiPool("127.0.0.1", USER, PASSWORD, port, plaintext_login=True)
    lists = pool.get_api().get_resource("/ip/firewall/address-list")
    began = monotonic_seconds()
    for number in range(commands):
        lists.add(list="as-shipped", address=f"10.255.{number >> 8}.{number & 255}")
    seconds = monotonic_seconds() - began
    pool.disconnect()
    return commands / seconds


async def _seconds(work: Awaitable[object]) -> float:
    began = monotonic_seconds()
    await work
    return monotonic_seconds() - began


def _driver(port: int) -> RouterOsDriver:
    access = Access("127.0.0.1", USER, PASSWORD, port, is_encrypted=False)
    return RouterOsDriver(Router("bench", IPv4Address("192.0.2.80"), 8101), RouterTransport("bench", access))


def _lines(count: int) -> dict[Address, LineState]:
    return {Address((0x0A000000 + n).to_bytes(4, "big"), 32): LineState.SUSPENDED for n in range(count)}


@contextmanager
def _routers(count: int, latency_ms: int) -> Iterator[list[int]]:
    """So many simulated routers in another process, and their ports."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, count, latency_ms), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Connection, count: int, latency_ms: int) -> None:
    asyncio.run(_serving(pipe, count, latency_ms))


async def _serving(pipe: Connection, count: int, latency_ms: int) -> None:
    routers = [Simulator(serial_number=f"BENCH{number}") for number in range(count)]
    contexts = [running(router) for router in routers]
    for router, context in zip(routers, contexts, strict=True):
        router.faults.latency_seconds = latency_ms / 1000
        await context.__aenter__()
    pipe.send([router.port for router in routers])
    await asyncio.Event().wait()
