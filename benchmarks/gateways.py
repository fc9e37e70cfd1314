"""Three gateways on one PostgreSQL: from a bank's file at one of them to the open line at the right one.

Each gateway has a namespace of its own and the real program's engine; all have the same private addresses. A payment
is imported by what `payments import` does in its process, outside of all three, and nobody rings: PostgreSQL tells the
engines. The clock stops when the kernel of the right gateway announces that the address has left its set.

Beside it: a bare commit of the same PostgreSQL with its usual durability. The way needs some, one after the other.
"""

import asyncio
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from statistics import median

from sqlalchemy import text

from benchmarks.isp import PRICE, Subscriber, fill
from benchmarks.kernel_events import Departures
from benchmarks.measuring import percentile
from benchmarks.table import Row
from billing.dunning.facts import Stage
from billing.money import ZERO
from billing.payments.banks.detect import read
from billing.payments.importing import import_statements
from billing.store.engine import Store
from config.clock import SystemClock, monotonic_seconds
from config.settings import Settings, load
from daemon.demo.bank import Movement, gpc_statement
from daemon.lab import topology as lab
from daemon.lab.topology import Topology
from enforcement.nftables.driver import NftablesDriver
from tests.postgres import find_binaries, running_server

NEEDS_ROOT = True
NEEDS_PROGRAMS = ("ip", "nft", "sysctl")
NEEDS_POSTGRESQL = True

SITES = ("north", "south", "west")
AT_EACH = 3_000
PAYMENTS = 150
GOAL_SECONDS = 1.0
FIRST_ADDRESS = IPv4Address("100.64.64.0")

SETTINGS = """
[database]
url = "{url}"
[secrets]
directory = "{folder}"
[notice]
addresses = ["{gateway}"]
[enforcement]
site = "{site}"
subscriber_interfaces = ["lan"]
[usage]
collect_seconds = 0
[daemon]
runtime_directory = "{folder}/{site}"
state_directory = "{folder}/{site}"
"""


@dataclass
class _Isp:
    """The three running engines."""

    url: str
    everybody: Sequence[Subscriber]
    departures: dict[str, Departures]
    _statements: int = 0

    async def pay(self, some: Sequence[Subscriber]) -> list[float]:
        """Seconds from each payment to the open line."""
        store = Store.open(self.url)
        found = [await self._pay(store, one) for one in some]
        await store.close()
        return found

    async def _pay(self, store: Store, one: Subscriber) -> float:
        data = self._statement(one)
        began = monotonic_seconds()
        async with store.transaction() as session:
            await import_statements(session, read(data), "benchmark.gpc", SystemClock().now())
        packed = IPv4Address(one.address).packed
        return await asyncio.to_thread(self.departures[one.site].wait_for, packed) - began

    def _statement(self, one: Subscriber) -> bytes:
        self._statements += 1
        balance = sum((PRICE for _ in range(self._statements - 1)), ZERO)
        movement = Movement(PRICE, variable_symbol=one.contract_number, specific_symbol=one.invoice_number)
        return gpc_statement("2000000005", "ISP", self._statements, balance, [movement], SystemClock().now().date())

    async def commits(self, times: int) -> list[float]:
        """Seconds of bare commits, one row each."""
        store = Store.open(self.url)
        seconds = []
        async with store.transaction() as session:
            await session.execute(text("CREATE TABLE bare (id serial PRIMARY KEY, text text)"))
        for _ in range(times):
            began = monotonic_seconds()
            async with store.transaction() as session:
                await session.execute(text("INSERT INTO bare (text) VALUES ('paid')"))
            seconds.append(monotonic_seconds() - began)
        await store.close()
        return seconds


def run(scale: float = 1.0) -> list[Row]:
    payments = max(len(SITES), int(PAYMENTS * scale))
    at_each = max(payments, int(AT_EACH * scale))
    with _isp(_everybody(at_each)) as isp:
        seconds = asyncio.run(isp.pay(isp.everybody[:payments]))
        commits = asyncio.run(isp.commits(payments))
    p50, p99 = median(seconds), percentile(seconds, 99)
    bare = f"a bare commit of PostgreSQL: p50 {median(commits) * 1000:.1f}, p99 {percentile(commits, 99) * 1000:.1f} ms"
    what = f"3 gateways, payment → open at the right one, {len(isp.everybody):,} suspended: p50 of {payments}"
    goal, is_met = f"≤ {GOAL_SECONDS:g} s", p99 <= GOAL_SECONDS
    return [
        Row(what, p50, "s", bare, p50 / median(commits)),
        Row("… p99", p99, "s", bare, p99 / percentile(commits, 99), goal, is_met),
    ]


def _everybody(at_each: int) -> list[Subscriber]:
    """In turn at each site, with the same addresses at all of them."""
    places = [(site, str(FIRST_ADDRESS + n)) for n in range(at_each) for site in SITES]
    return [Subscriber(i, Stage.SUSPENDED, address, site) for i, (site, address) in enumerate(places, start=1)]


@contextmanager
def _isp(everybody: Sequence[Subscriber]) -> Iterator[_Isp]:
    binaries = find_binaries()
    assert binaries is not None
    with ExitStack() as stack:
        server = stack.enter_context(running_server(binaries, is_durable=True))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hradlo-bench-")))
        (folder / "signing_key").write_text("k" * 43)
        url = server.create_database()
        asyncio.run(fill(url, everybody, SystemClock().now()))
        departures = {}
        for site in SITES:
            topology = stack.enter_context(Topology())
            settings = _start(stack, folder, url, site, topology)
            asyncio.run(_wait_until_enforced(settings, topology, len(everybody) // len(SITES)))
            departures[site] = stack.enter_context(Departures(topology.gateway.name))
        yield _Isp(url, everybody, departures)


def _start(stack: ExitStack, folder: Path, url: str, site: str, topology: Topology) -> Settings:
    path = folder / f"{site}.toml"
    path.write_text(SETTINGS.format(url=url, folder=folder, site=site, gateway=lab.GATEWAY_LAN_V4))
    log = stack.enter_context((folder / f"{site}.log").open("wb"))
    program = str(Path(sys.executable).parent / "hradlo")
    topology.gateway.start(program, "--config", str(path), "run", "--role", "engine", stdout=log, stderr=log)
    return load(path)


async def _wait_until_enforced(settings: Settings, topology: Topology, restricted: int) -> None:
    driver = await NftablesDriver.open(settings, topology.gateway.name)
    seen = 0
    try:
        async with asyncio.timeout(120):
            while seen != restricted:
                await asyncio.sleep(0.2)
                seen = len((await driver.observe()).lines)
    finally:
        await driver.close()
