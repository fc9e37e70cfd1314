"""What one engine costs as the ISP grows: from its start to the enforced network, memory, healing, and doing nothing.

`hradlo run --role engine` on SQLite in a gateway's namespace, for 1,000, 10,000 and 100,000 subscribers of whom one in
twenty is in notice and one in twenty suspended. The clock starts with the process, Python's own start included, and
stops when the kernel holds every restricted address. Then somebody empties the ruleset, and at last nothing happens.
"""

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from benchmarks.gateway import SETTINGS, command, wait_until_enforced
from benchmarks.isp import Subscriber, fill, subscribers
from benchmarks.measuring import peak_memory_mb
from benchmarks.table import Row
from billing.dunning.facts import Stage
from config.clock import SystemClock, monotonic_seconds
from config.settings import Settings, load
from daemon.lab import topology as lab
from daemon.lab.topology import Topology

NEEDS_ROOT = True
NEEDS_PROGRAMS = ("ip", "nft")

SIZES = (1_000, 10_000, 100_000)
FIRST_ADDRESS = IPv4Address("100.65.0.0")
IDLE_SECONDS = 120.0
"""Two rounds of the usual kind."""
SETTLED_SECONDS = 10.0
GOAL_START_SECONDS, GOAL_HEAL_SECONDS, GOAL_MEGABYTES, GOAL_IDLE_PERCENT = 10.0, 5.0, 500.0, 1.0
_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")
"""Nothing smaller can be told."""
_TWENTY = [Stage.CLEAR] * 18 + [Stage.NOTICE, Stage.SUSPENDED]


@dataclass(frozen=True, slots=True)
class _Cost:
    """Of one size."""

    start_seconds: float
    heal_seconds: float
    megabytes: float
    idle_percent: float


def run(scale: float = 1.0) -> list[Row]:
    costs = {size: _measured(max(100, int(size * scale)), IDLE_SECONDS * scale) for size in SIZES}
    return [row for size, cost in costs.items() for row in _rows(size, cost, is_largest=size == SIZES[-1])]


def _rows(size: int, cost: _Cost, *, is_largest: bool) -> list[Row]:
    def row(what: str, value: float, unit: str, goal: float, each: str = "") -> Row:
        told = f"≤ {goal:g} {unit}" if is_largest else ""
        return Row(f"{size:,} subscribers: {what}", value, unit, each, goal=told, is_met=value <= goal)

    each_us, each_kb = cost.start_seconds / size * 1_000_000, cost.megabytes / size * 1000
    return [
        row("engine's start → enforced", cost.start_seconds, "s", GOAL_START_SECONDS, f"{each_us:,.0f} µs for each"),
        row("ruleset emptied → restricted again", cost.heal_seconds, "s", GOAL_HEAL_SECONDS),
        row("memory at its peak", cost.megabytes, "MB", GOAL_MEGABYTES, f"{each_kb:,.1f} kB for each"),
        row("processor while nothing happens", cost.idle_percent, "%", GOAL_IDLE_PERCENT),
    ]


def _measured(size: int, idle_seconds: float) -> _Cost:
    stages = (_TWENTY * (size // len(_TWENTY) + 1))[:size]
    everybody = subscribers(stages, FIRST_ADDRESS)
    restricted = sum(one.stage is not Stage.CLEAR for one in everybody)
    with _ground(everybody) as (folder, settings, topology):
        began = monotonic_seconds()
        engine = _start(folder, topology)
        asyncio.run(wait_until_enforced(settings, topology, restricted))
        started = monotonic_seconds() - began
        time.sleep(min(SETTLED_SECONDS, idle_seconds))
        began = monotonic_seconds()
        topology.gateway.run("nft", "flush", "ruleset")
        asyncio.run(wait_until_enforced(settings, topology, restricted))
        healed = monotonic_seconds() - began
        time.sleep(min(SETTLED_SECONDS, idle_seconds))
        before = _processor_seconds(engine)
        time.sleep(idle_seconds)
        idle_percent = 100 * max(_processor_seconds(engine) - before, _TICK_SECONDS) / idle_seconds
        return _Cost(started, healed, peak_memory_mb(engine), idle_percent)


@contextmanager
def _ground(everybody: Sequence[Subscriber]) -> Iterator[tuple[Path, Settings, Topology]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hradlo-bench-")))
        (folder / "run").mkdir()
        (folder / "signing_key").write_text("k" * 43)
        (folder / "hradlo.toml").write_text(SETTINGS.format(folder=folder, gateway=lab.GATEWAY_LAN_V4))
        settings = load(folder / "hradlo.toml")
        asyncio.run(fill(settings.database.url, everybody, SystemClock().now()))
        yield folder, settings, stack.enter_context(Topology())


def _start(folder: Path, topology: Topology) -> int:
    """The engine's process id; the topology ends it."""
    with (folder / "daemon.log").open("wb") as log:
        started: subprocess.Popen[bytes] = topology.gateway.start(
            *command(folder, "run", "--role", "engine"), stdout=log, stderr=log
        )
    return started.pid


def _processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_SECONDS
