"""The nftables driver beside `nft` itself: the same kernel, the same list, the same run, in a namespace of its own.

`python -m benchmarks nftables` prints this part alone.
"""

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from statistics import median

from pyroute2 import netns

from benchmarks.table import Row
from daemon.lab import topology as lab
from daemon.lab.topology import Namespace, Topology
from enforcement.nftables.driver import NftablesDriver
from enforcement.nftables.ruleset import SET_SIZE, NftSettings
from enforcement.planner import carried_out, plan
from enforcement.state import Address, Desired, LineState

NEEDS_ROOT = True
NEEDS_PROGRAMS = ("ip", "nft", "sysctl")

ADDRESSES = 100_000
LOADS = 5
CHANGES = 50
SETTINGS = NftSettings(("lan",), (ip_address(lab.GATEWAY_LAN_V4), ip_address(lab.GATEWAY_LAN_V6)))
RULES = f"table inet yardstick {{\n set s {{ type ipv4_addr; size {SET_SIZE}; }}\n}}\n"
"""The yardstick's own table has the same set and no rules."""

NOBODY = Desired({})
ONE_MORE = Address.parse("192.0.2.1")


def run(scale: float = 1.0) -> list[Row]:
    """All measurements of this module."""
    return asyncio.run(_run(max(10, int(ADDRESSES * scale)), max(3, int(CHANGES * scale))))


async def _run(addresses: int, changes: int) -> list[Row]:
    everybody = [Address((0x0A000000 + number).to_bytes(4, "big"), 32) for number in range(addresses)]
    full = Desired(dict.fromkeys(everybody, LineState.SUSPENDED))
    with Topology() as topology:
        driver = NftablesDriver(SETTINGS, topology.gateway.name)
        try:
            yardstick = Yardstick(topology.gateway, everybody)
            await driver.apply(plan(NOBODY, await driver.observe()))
            rows = [await _full_load(driver, yardstick, full), await _first_start(driver, yardstick, full)]
            return [*rows, *await _one_change(driver, yardstick, full, changes)]
        finally:
            await driver.close()


class Yardstick:
    """`nft` called as a script would call it, on a table of its own; from a thread that is in the namespace already."""

    def __init__(self, namespace: Namespace, everybody: list[Address]) -> None:
        self._inside = ThreadPoolExecutor(1, initializer=netns.setns, initargs=(namespace.name,))
        self._elements = ",\n".join(str(address) for address in everybody)
        self.nft(RULES)

    def nft(self, script: str) -> None:
        call = partial(subprocess.run, ["nft", "-f", "-"], input=script.encode(), check=True)
        self._inside.submit(call).result()

    async def load(self) -> None:
        self.nft(f"flush set inet yardstick s\nadd element inet yardstick s {{\n{self._elements}\n}}\n")

    async def empty(self) -> None:
        self.nft("flush set inet yardstick s\n")

    async def add(self) -> None:
        self.nft(f"add element inet yardstick s {{ {ONE_MORE} }}\n")

    async def delete(self) -> None:
        self.nft(f"delete element inet yardstick s {{ {ONE_MORE} }}\n")


async def _full_load(driver: NftablesDriver, yardstick: Yardstick, full: Desired) -> Row:
    """100,000 addresses into sets that are empty, in one transaction."""
    ours, theirs = [], []
    for _ in range(LOADS):
        await driver.apply(plan(NOBODY, await driver.observe()))
        fill = plan(full, await driver.observe())
        ours.append(await _seconds(partial(driver.apply, fill)))
        await yardstick.empty()
        theirs.append(await _seconds(yardstick.load))
    return _beside(f"full load of {len(full.lines):,} addresses", ours, theirs, 1.5)


async def _first_start(driver: NftablesDriver, yardstick: Yardstick, full: Desired) -> Row:
    """A whole round when there is no table at all: observe, plan, and rules and addresses in one transaction."""

    async def start() -> None:
        await driver.apply(plan(full, await driver.observe()))

    ours, theirs = [], []
    for _ in range(LOADS):
        yardstick.nft("delete table inet hradlo\n")
        ours.append(await _seconds(start))
        await yardstick.empty()
        theirs.append(await _seconds(yardstick.load))
    return _beside(f"a round from nothing to {len(full.lines):,}", ours, theirs)


async def _one_change(driver: NftablesDriver, yardstick: Yardstick, full: Desired, changes: int) -> list[Row]:
    """One line restored, and one suspended, while 100,000 are present, each beside one call of `nft`."""
    observed = await driver.observe()
    suspend = plan(Desired({**full.lines, ONE_MORE: LineState.SUSPENDED}), observed)
    restore = plan(full, carried_out(observed, suspend))
    lighten = plan(Desired({**full.lines, ONE_MORE: LineState.NOTICE}), carried_out(observed, suspend))
    open_again = plan(full, carried_out(carried_out(observed, suspend), lighten))
    seconds: dict[str, list[float]] = {"suspend": [], "lighten": [], "restore": [], "add": [], "delete": []}
    for _ in range(changes):
        seconds["suspend"].append(await _seconds(partial(driver.apply, suspend)))
        seconds["restore"].append(await _seconds(partial(driver.apply, restore)))
        seconds["add"].append(await _seconds(yardstick.add))
        seconds["delete"].append(await _seconds(yardstick.delete))
        await driver.apply(suspend)
        seconds["lighten"].append(await _seconds(partial(driver.apply, lighten)))
        await driver.apply(open_again)
    present = f"with {len(full.lines):,} present"
    return [
        _beside(f"one line restored {present}", seconds["restore"], seconds["delete"], 1.0),
        _beside(f"one line moved to another set {present}", seconds["lighten"], seconds["add"], 1.0),
        _beside("one line suspended, and its live flows looked up and ended", seconds["suspend"], seconds["add"]),
    ]


def _beside(name: str, ours: list[float], theirs: list[float], ratio_max: float | None = None) -> Row:
    value, other = median(ours), median(theirs)
    ratio = value / other
    beside = f"nft: {other * 1000:.4g} ms"
    if ratio_max is None:
        return Row(name, value * 1000, "ms", beside, ratio)
    return Row(name, value * 1000, "ms", beside, ratio, f"≤ {ratio_max:g} ×", ratio <= ratio_max)


async def _seconds(work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started
