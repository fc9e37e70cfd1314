"""The notice server's redirect, one new connection a request, beside one nginx worker with a static 302.

Both run here and now, one after the other and again, driven by wrk over loopback with `Connection: close`. Ours
does more for each request: it counts the connection and the request of its source, looks the subscriber up among
100,000 addresses, and signs the wanted page.

wrk itself is near its limit with new connections, and it is nginx that it holds back. So there are two ratios: by
the clock, and by the servers' processor time, where wrk does not count. Both must reach the goal.

What bounds it: the kernel takes half of our time (17 of 36 µs a request: accept, read, write, close), and nginx pays
it, too. uvloop takes some 5 µs, reading the head, counting, looking up and signing in Python the other 14 µs.
"""

import asyncio
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import uvloop
from sqlalchemy import insert

from benchmarks.table import Row
from billing.customers.tables import Contract, Customer
from billing.services.tables import Product, Service, ServiceAddress
from billing.store.engine import Store
from billing.store.schema_version import upgrade
from config.clock import SystemClock
from config.settings import parse
from portal.server import serve

NEEDS_PROGRAMS = ("nginx", "wrk")

SUBSCRIBERS = 100_000
CONNECTIONS = 64
SECONDS = 4
ROUNDS = 3
GOAL_RATIO = 0.35
_OUR_PORT, _NGINX_PORT = 18480, 18481
_TODAY = datetime(2026, 11, 23, tzinfo=UTC).date()

_NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port} backlog=2048; location / {{ return 302 http://127.0.0.1:{port}/notice; }} }}
}}
"""

_SETTINGS = """
[secrets]
directory = "{folder}"
[notice]
url = "http://127.0.0.1:{port}"
listen = ["127.0.0.1:{port}"]
connections_per_address = 100000
requests_per_minute = 1000000000
"""


@dataclass(frozen=True, slots=True)
class Speed:
    """What one server did in one run of wrk."""

    by_clock: float
    """Requests a second."""
    by_processor: float
    """Requests a second of the server's processor time."""


def run(scale: float = 1.0) -> list[Row]:
    subscribers = max(10, int(SUBSCRIBERS * scale))
    seconds, times = max(1, int(SECONDS * scale)), max(1, int(ROUNDS * scale))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asyncio.run(_fill(folder, subscribers))
        with _nginx(folder) as nginx_pid, _ours(folder) as our_pid:
            rounds = [
                (_speed(_OUR_PORT, our_pid, seconds), _speed(_NGINX_PORT, nginx_pid, seconds)) for _ in range(times)
            ]
    what = f"notice redirect, new connection each, {subscribers:,} subscribers known"
    return [
        _row(what, "requests/s", [(ours.by_clock, nginx.by_clock) for ours, nginx in rounds]),
        _row(
            "… by processor time", "requests/CPU s", [(ours.by_processor, nginx.by_processor) for ours, nginx in rounds]
        ),
    ]


def _row(name: str, unit: str, rounds: list[tuple[float, float]]) -> Row:
    ours, nginx = (statistics.median(column) for column in zip(*rounds, strict=True))
    return Row(
        name=name,
        value=ours,
        unit=unit,
        beside=f"one nginx worker, static 302: {nginx:,.0f} {unit}",
        ratio=ours / nginx,
        goal=f"≥ {GOAL_RATIO} ×",
        is_met=ours / nginx >= GOAL_RATIO,
    )


async def _fill(folder: Path, subscribers: int) -> None:
    """A database with so many subscribers; the one that asks is among them."""
    url = f"sqlite:///{folder / 'hradlo.db'}"
    await upgrade(url)
    store = Store.open(url)
    first = int(ip_address("100.64.0.0"))
    ids = range(1, subscribers + 1)
    networks = ["127.0.0.1", *(str(ip_address(first + number)) for number in range(1, subscribers))]
    async with store.transaction() as session:
        await session.execute(insert(Customer), [{"id": i, "number": f"C{i}", "name": "S"} for i in ids])
        await session.execute(insert(Contract), [{"id": i, "number": str(i), "customer_id": i} for i in ids])
        await session.execute(insert(Product), [{"id": 1, "kind": "internet", "name": "Net"}])
        rows = {"product_id": 1, "starts_on": _TODAY}
        await session.execute(insert(Service), [{"id": i, "contract_id": i, **rows} for i in ids])
        addresses = [{"service_id": i, "network": network} for i, network in zip(ids, networks, strict=True)]
        await session.execute(insert(ServiceAddress), addresses)
    await store.close()
    (folder / "signing_key").write_text("k" * 43)


@contextmanager
def _nginx(folder: Path) -> Iterator[int]:
    """Runs nginx; gives the process id of its one worker."""
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=_NGINX_PORT))
    process = subprocess.Popen(["nginx", "-p", str(folder), "-c", "nginx.conf"], stderr=subprocess.DEVNULL)
    try:
        asyncio.run(_until_listening(_NGINX_PORT))
        yield int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _ours(folder: Path) -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.notice_server", str(folder)])
    try:
        asyncio.run(_until_listening(_OUR_PORT))
        yield process.pid
    finally:
        process.terminate()
        process.wait()


async def _until_listening(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


def _speed(port: int, pid: int, seconds: int) -> Speed:
    before = _processor_seconds(pid)
    requests, by_clock = _load(port, seconds)
    return Speed(by_clock, requests / (_processor_seconds(pid) - before))


def _processor_seconds(pid: int) -> float:
    """User and system time of a process (proc(5): fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _load(port: int, seconds: int) -> tuple[int, float]:
    """(requests, requests a second), as wrk counts them; an answer that is no redirect would be no measurement."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-H", "Connection: close"]
    command += ["-H", "Host: www.example.com", f"http://127.0.0.1:{port}/some/page?id=1"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    requests, rate = re.search(r"(\d+) requests in", text), re.search(r"Requests/sec:\s+([0-9.]+)", text)
    if "Non-2xx" in text or requests is None or rate is None:
        raise RuntimeError(f"port {port} did not redirect:\n{text}")
    return int(requests[1]), float(rate[1])


async def _serve(folder: Path) -> None:
    settings = parse(_SETTINGS.format(folder=folder, port=_OUR_PORT))
    store = Store.open(f"sqlite:///{folder / 'hradlo.db'}")
    async with serve(settings, store, SystemClock(), lambda: None):
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1])))
