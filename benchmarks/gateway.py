"""From "I have read this", and from a payment, to the open line: the real program on real packets.

A gateway in a namespace of its own runs `hradlo run --role engine` and `--role web`, as systemd would, with 10,000
subscribers in notice and some suspended. A subscriber behind a virtual cable asks for a plain page, is redirected,
reads, and posts the form. The clock starts with the POST and stops when the kernel announces that the address has
left the set; the same page is then asked for again, and must come from the internet.

Beside it: a bare commit of SQLite with `synchronous=FULL` on the same disk. The way needs one to keep the
acknowledgement before it counts, so nothing can be faster.
"""

import asyncio
import http.client
import socket
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from statistics import median
from urllib.parse import urlencode, urlsplit

from pyroute2 import netns

from benchmarks.isp import PRICE, Subscriber, fill, subscribers
from benchmarks.kernel_events import Departures
from benchmarks.measuring import percentile, until
from benchmarks.table import Row
from billing.dunning.facts import Stage
from billing.money import ZERO
from billing.payments.banks.detect import read
from billing.payments.importing import import_statements
from billing.store.engine import Store
from config.clock import SystemClock, monotonic_seconds
from config.settings import Settings, load
from daemon import doorbell
from daemon.demo.bank import Movement, gpc_statement
from daemon.demo.browser import form_of
from daemon.lab import topology as lab
from daemon.lab.topology import Topology
from enforcement.nftables.driver import NftablesDriver

NEEDS_ROOT = True
NEEDS_PROGRAMS = ("ip", "nft", "sysctl")

IN_NOTICE = 10_000
ACKNOWLEDGEMENTS = 400
AT_ONCE = 50
PAYMENTS = 40
COMMANDS = 5
GOAL_ACKNOWLEDGED_MS = 100.0
GOAL_PAID_SECONDS = 1.0

ACCOUNT = "2000000005"
WANTED_HOST = "news.example"
FIRST_ADDRESS = IPv4Address("100.64.64.0")
SUBSCRIBERS_NETWORK = f"{FIRST_ADDRESS}/18"

SETTINGS = """
[isp]
name = "Benchmark ISP"
iban = "CZ6508000000192000145399"
[database]
url = "sqlite:///{folder}/hradlo.db"
[secrets]
directory = "{folder}"
[notice]
url = "http://{gateway}:8080"
listen = ["{gateway}:8080"]
addresses = ["{gateway}"]
[enforcement]
driver = "nftables"
subscriber_interfaces = ["lan"]
[daemon]
runtime_directory = "{folder}/run"
state_directory = "{folder}"
"""


def run(scale: float = 1.0) -> list[Row]:
    acknowledgements, payments = max(2, int(ACKNOWLEDGEMENTS * scale)), max(2, int(PAYMENTS * scale))
    at_once, commands = max(2, int(AT_ONCE * scale)), max(1, int(COMMANDS * scale))
    in_notice = max(acknowledgements + at_once, int(IN_NOTICE * scale))
    stages = [Stage.NOTICE] * in_notice + [Stage.SUSPENDED] * (payments + commands)
    with _gateway(subscribers(stages, FIRST_ADDRESS)) as gateway:
        one_by_one = [gateway.acknowledge(one) for one in gateway.everybody[:acknowledgements]]
        crowd = gateway.acknowledge_at_once(gateway.everybody[acknowledgements : acknowledgements + at_once])
        paid = [gateway.pay(one) for one in gateway.everybody[in_notice : in_notice + payments]]
        by_command = [gateway.pay_by_command(one) for one in gateway.everybody[in_notice + payments :]]
        commits = [seconds * 1000 for seconds in _bare_commits(gateway.folder, acknowledgements)]
    beside = f"a bare commit of SQLite: p50 {median(commits):.1f}, p99 {percentile(commits, 99):.1f} ms"
    present = f"{in_notice:,} subscribers in notice"
    p50, p99 = median(one_by_one) * 1000, percentile(one_by_one, 99) * 1000
    crowd_ms, paid_s, command_s = max(crowd) * 1000, percentile(paid, 99), max(by_command)
    goal_ms, goal_s = f"≤ {GOAL_ACKNOWLEDGED_MS:g} ms", f"≤ {GOAL_PAID_SECONDS:g} s"
    return [
        Row(f"acknowledged → open, {present}: p50 of {len(one_by_one)}", p50, "ms", beside, p50 / median(commits)),
        Row("… p99", p99, "ms", beside, p99 / percentile(commits, 99), goal_ms, p99 <= GOAL_ACKNOWLEDGED_MS),
        Row(f"… the last of {len(crowd)} who acknowledge at once", crowd_ms, "ms"),
        Row(
            f"bank file → open, {len(gateway.everybody):,} contracts: p99 of {len(paid)}",
            paid_s,
            "s",
            f"p50: {median(paid):.3f} s",
            goal=goal_s,
            is_met=paid_s <= GOAL_PAID_SECONDS,
        ),
        Row(
            f"… by the command `hradlo payments import`, from its start: worst of {len(by_command)}",
            command_s,
            "s",
            "most of it: Python starts and imports",
        ),
    ]


@dataclass
class _Gateway:
    """The running ISP, and its subscribers' browsers."""

    folder: Path
    topology: Topology
    settings: Settings
    everybody: Sequence[Subscriber]
    departures: Departures
    browsers: ThreadPoolExecutor
    """Threads in the subscriber's namespace."""
    _statements: int = 0
    _addresses: dict[str, bytes] = field(default_factory=dict)

    # ── acknowledging ───────────────────────────────────────────────────────────────────────────────────────────

    def acknowledge(self, one: Subscriber) -> float:
        """Seconds from the POST to the open line."""
        form = self.browsers.submit(_read_notice, one.address).result()
        return self._opened_after(one, lambda: self.browsers.submit(_post, one.address, *form).result())

    def acknowledge_at_once(self, some: Sequence[Subscriber]) -> list[float]:
        """The same for several, whose POSTs all leave together."""
        forms = [self.browsers.submit(_read_notice, one.address).result() for one in some]
        began = monotonic_seconds()
        posts = [self.browsers.submit(_post, one.address, *form) for one, form in zip(some, forms, strict=True)]
        for post in posts:
            post.result()
        return [self._wait_for(one) - began for one in some]

    # ── paying ──────────────────────────────────────────────────────────────────────────────────────────────────

    def pay(self, one: Subscriber) -> float:
        """Seconds from a bank's file to the open line, by what `payments import` does in its process."""
        data = self._statement(one)
        return self._opened_after(one, lambda: asyncio.run(self._import(data)))

    def pay_by_command(self, one: Subscriber) -> float:
        """The same by the command itself, from its start."""
        path = self.folder / "statement.gpc"
        path.write_bytes(self._statement(one))
        arguments = command(self.folder, "payments", "import", str(path))
        return self._opened_after(one, lambda: self.topology.gateway.run(*arguments))

    async def _import(self, data: bytes) -> None:
        store = Store.open(self.settings.database.url)
        async with store.transaction() as session:
            await import_statements(session, read(data), "benchmark.gpc", SystemClock().now())
        doorbell.ring(self.settings.daemon.runtime_directory)
        await store.close()

    def _statement(self, one: Subscriber) -> bytes:
        self._statements += 1
        balance = sum((PRICE for _ in range(self._statements - 1)), ZERO)
        movement = Movement(PRICE, variable_symbol=one.contract_number, specific_symbol=one.invoice_number)
        return gpc_statement(ACCOUNT, "ISP", self._statements, balance, [movement], SystemClock().now().date())

    # ── seeing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _opened_after(self, one: Subscriber, work: Callable[[], object]) -> float:
        began = monotonic_seconds()
        work()
        opened = self._wait_for(one) - began
        status, _ = self.browsers.submit(_get, one.address, lab.SERVER_V4, 80, "/").result()
        if status != http.client.OK:
            raise RuntimeError(f"{one.address} left the set and is answered {status}")
        return opened

    def _wait_for(self, one: Subscriber) -> float:
        return self.departures.wait_for(IPv4Address(one.address).packed)


# ── a subscriber's browser ──────────────────────────────────────────────────────────────────────────────────────────


def _get(source: str, host: str, port: int, path: str) -> tuple[int, str]:
    """Status, and the body or where it leads."""
    with closing(http.client.HTTPConnection(host, port, timeout=10, source_address=(source, 0))) as connection:
        connection.request("GET", path, headers={"Accept": "text/html"})
        response = connection.getresponse()
        body = response.read().decode()
        return response.status, response.getheader("Location") or body


def _read_notice(source: str) -> tuple[str, str]:
    """A plain page leads to the notice: where its form goes, and what is in it."""
    status, location = _get(source, lab.SERVER_V4, 80, "/")
    if status != http.client.FOUND:
        raise RuntimeError(f"{source} was to be in notice, and is answered {status}")
    parts = urlsplit(location)
    _, html = _get(source, lab.GATEWAY_LAN_V4, 8080, f"{parts.path}?{parts.query}")
    form = form_of(html)
    if form is None:
        raise RuntimeError(f"{location} has no button to press")
    return form.action, urlencode(form.fields)


def _post(source: str, path: str, body: str) -> None:
    address = lab.GATEWAY_LAN_V4, 8080
    with closing(http.client.HTTPConnection(*address, timeout=10, source_address=(source, 0))) as connection:
        form = "application/x-www-form-urlencoded"
        connection.request("POST", path, body, {"Content-Type": form, "Origin": f"http://{address[0]}:{address[1]}"})
        response = connection.getresponse()
        response.read()
        if response.status != http.client.SEE_OTHER:
            raise RuntimeError(f"the acknowledgement of {source} was answered {response.status}")


# ── building ────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _gateway(everybody: Sequence[Subscriber]) -> Iterator[_Gateway]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hradlo-bench-")))
        (folder / "run").mkdir()
        (folder / "signing_key").write_text("k" * 43)
        (folder / "hradlo.toml").write_text(SETTINGS.format(folder=folder, gateway=lab.GATEWAY_LAN_V4))
        settings = load(folder / "hradlo.toml")
        asyncio.run(fill(settings.database.url, everybody, SystemClock().now()))
        topology = stack.enter_context(Topology())
        _number_subscribers(topology)
        topology.internet.start(sys.executable, "-m", "daemon.lab.internet", str(folder))
        log = stack.enter_context((folder / "daemon.log").open("wb"))
        for role in ("engine", "web"):
            topology.gateway.start(*command(folder, "run", "--role", role), stdout=log, stderr=log)
        inside = ThreadPoolExecutor(AT_ONCE, initializer=netns.setns, initargs=(topology.subscriber.name,))
        browsers = stack.enter_context(inside)
        restricted = sum(one.stage.line != "open" for one in everybody)
        asyncio.run(wait_until_enforced(settings, topology, restricted))
        until("the internet is up", (folder / "internet-is-up").exists)
        until("the notice server is up", lambda: browsers.submit(_listens, lab.GATEWAY_LAN_V4, 8080).result())
        departures = stack.enter_context(Departures(topology.gateway.name))
        yield _Gateway(folder, topology, settings, everybody, departures, browsers)


def _number_subscribers(topology: Topology) -> None:
    """All of these addresses live in the subscriber's namespace, without one command for each."""
    to_subscriber = ("via", lab.SUBSCRIBER_V4, "dev", "lan")
    topology.gateway.run("ip", "route", "add", SUBSCRIBERS_NETWORK, *to_subscriber)
    topology.subscriber.run("ip", "route", "add", "local", SUBSCRIBERS_NETWORK, "dev", "lo")


async def wait_until_enforced(settings: Settings, topology: Topology, restricted: int) -> None:
    driver = await NftablesDriver.open(settings, topology.gateway.name)
    try:
        async with asyncio.timeout(120):
            while len((await driver.observe()).lines) != restricted:  # noqa: ASYNC110 - the kernel tells nobody
                await asyncio.sleep(0.2)
    finally:
        await driver.close()


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def command(folder: Path, *arguments: str) -> list[str]:
    return [str(Path(sys.executable).parent / "hradlo"), "--config", str(folder / "hradlo.toml"), *arguments]


def _bare_commits(folder: Path, times: int) -> Iterator[float]:
    """One row, one commit, one fsync; in a database of its own on the same disk."""
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as database:
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            database.execute(f"PRAGMA {pragma}")
        database.execute("CREATE TABLE entry (id INTEGER PRIMARY KEY, text TEXT)")
        for _ in range(times):
            began = monotonic_seconds()
            database.execute("INSERT INTO entry (text) VALUES ('acknowledged')")
            yield monotonic_seconds() - began
