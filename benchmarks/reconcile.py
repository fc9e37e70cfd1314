"""A round in which nothing has changed, with 100,000 restricted lines: it must be short, and write nothing at all.

The real reconciler, store and nftables driver. That nothing is written is asked from outside: SQLite counts the
commits of others (`data_version`), the kernel counts the transactions of everybody (the generation of nf_tables).

* The usual round, each minute: what is new in the journal, observe the network, plan.
* The full one, each hour and at the start: all facts are read and decided on anew, too. It grows with the contracts
  that owe anything; here all of them do, and all are restricted, which is no ISP's day.
"""

import asyncio
import sqlite3
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from statistics import median

from pyroute2 import netns

from benchmarks.isp import fill, subscribers
from benchmarks.table import Row
from billing.dunning.facts import Stage
from billing.store.engine import Store
from config.clock import SystemClock, monotonic_seconds
from config.settings import parse
from daemon.lab import topology as lab
from daemon.lab.topology import Topology
from daemon.reconcile import Reconciler, Round
from enforcement.nftables.conversation import Conversation
from enforcement.nftables.driver import NftablesDriver
from enforcement.nftables.ruleset import NftSettings

NEEDS_ROOT = True
NEEDS_PROGRAMS = ("ip", "nft", "sysctl")

LINES = 100_000
ROUNDS = 5
FULL_ROUNDS = 2
GOAL_SECONDS = 2.0
FIRST_ADDRESS = IPv4Address("10.0.0.0")
SETTINGS = NftSettings(("lan",), (ip_address(lab.GATEWAY_LAN_V4), ip_address(lab.GATEWAY_LAN_V6)))


def run(scale: float = 1.0) -> list[Row]:
    return asyncio.run(_run(max(10, int(LINES * scale))))


async def _run(lines: int) -> list[Row]:
    everybody = subscribers([Stage.SUSPENDED if i % 10 == 0 else Stage.NOTICE for i in range(lines)], FIRST_ADDRESS)
    with tempfile.TemporaryDirectory(prefix="hradlo-bench-") as folder, Topology() as topology:
        url = f"sqlite:///{folder}/hradlo.db"
        await fill(url, everybody, SystemClock().now())
        store, driver = Store.open(url), NftablesDriver(SETTINGS, topology.gateway.name)
        try:
            reconciler = _reconciler(store, driver)
            _require(await reconciler.round(), lines)
            with Writes(Path(folder, "hradlo.db"), topology.gateway.name) as writes:
                usual = [await _seconds_of_quiet_round(reconciler) for _ in range(ROUNDS)]
                full = [await _seconds_of_quiet_round(_reconciler(store, driver)) for _ in range(FULL_ROUNDS)]
                database, network, listing = writes.of_database(), writes.of_network(), writes.seconds_of_nft_list()
        finally:
            await driver.close()
            await store.close()
    written = f"written: {database} to the database, {network} to the network"
    is_silent = database == network == 0
    usual_seconds, full_seconds, goal = median(usual), median(full), f"≤ {GOAL_SECONDS:g} s, no write"
    return [
        Row(
            f"round without change, {lines:,} lines restricted",
            usual_seconds,
            "s",
            f"`nft list`: {listing:.2g} s; {written}",
            usual_seconds / listing,
            goal,
            usual_seconds <= GOAL_SECONDS and is_silent,
        ),
        Row("… the full one of each hour: everybody decided on anew", full_seconds, "s", written),
    ]


def _reconciler(store: Store, driver: NftablesDriver) -> Reconciler:
    """A new one remembers nothing, so its first round is a full look."""
    return Reconciler(parse(""), store, {"main": driver}, SystemClock())


def _require(first: Round, lines: int) -> None:
    if first.news or first.line_changes or len(first.changes) != lines:
        raise AssertionError(f"the database does not fit together: {first.news} news, {len(first.changes)} changes")


async def _seconds_of_quiet_round(reconciler: Reconciler) -> float:
    began = monotonic_seconds()
    done = await reconciler.round()
    seconds = monotonic_seconds() - began
    if not done.is_quiet:
        raise AssertionError(f"a round without change did something: {done.news} news, {len(done.changes)} changes")
    return seconds


class Writes:
    """Counts what anybody writes while the block lasts, to a database and to the nftables of a namespace."""

    def __init__(self, database: Path, namespace: str) -> None:
        self._database = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        self._inside = ThreadPoolExecutor(1, initializer=netns.setns, initargs=(namespace,))

    def __enter__(self) -> "Writes":
        self._version, self._generation = self._data_version(), self._ask_generation()
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()
        self._inside.shutdown()

    def of_database(self) -> int:
        """Changes of the data version: zero means that nobody committed anything."""
        return self._data_version() - self._version

    def of_network(self) -> int:
        """Transactions of nf_tables."""
        return self._ask_generation() - self._generation

    def seconds_of_nft_list(self) -> float:
        """What `nft` takes to show the same ruleset."""
        call = partial(subprocess.run, ["nft", "list", "ruleset"], stdout=subprocess.DEVNULL, check=True)
        seconds = []
        for _ in range(ROUNDS):
            began = monotonic_seconds()
            self._inside.submit(call).result()
            seconds.append(monotonic_seconds() - began)
        return median(seconds)

    def _data_version(self) -> int:
        return int(self._database.execute("PRAGMA data_version").fetchone()[0])

    def _ask_generation(self) -> int:
        def ask() -> int:
            with closing(Conversation()) as conversation:
                return conversation.generation()

        return self._inside.submit(ask).result()
