"""Real packets for tests: the lab's namespaces, and sockets of this process that live in them."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import pytest
from pyroute2 import netns

from daemon.lab.topology import Namespace, Topology

PATIENCE_SECONDS = 5.0
"""How long a packet is waited for that must come."""
SILENCE_SECONDS = 0.3
"""How long a packet is waited for that must not come."""

Answer = TypeVar("Answer")


def missing_for_namespaces() -> str:
    """Why real packets can't be tried here; empty when they can."""
    if os.geteuid() != 0:
        return "needs root: makes network namespaces"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    programs = [name for name in ("ip", "nft", "sysctl") if not shutil.which(name, path=path)]
    return f"needs {', '.join(programs)}" if programs else ""


@contextmanager
def real_topology() -> Iterator[Topology]:
    """The three namespaces; skips the test where they can't be, and fails it where everything must run."""
    missing = missing_for_namespaces()
    if missing and os.environ.get("HRADLO_TEST_REQUIRE_ALL") == "1":
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    with Topology() as topology:
        yield topology


def inside(namespace: Namespace, work: Callable[[], Answer]) -> Answer:
    """Calls a function in a namespace; what it opens stays there. Namespaces belong to threads."""
    with ThreadPoolExecutor(1, initializer=netns.setns, initargs=(namespace.name,)) as worker:
        return worker.submit(work).result()


def _open(namespace: Namespace, address: str, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    opened = inside(namespace, lambda: socket.socket(family, kind))
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.settimeout(PATIENCE_SECONDS)
    return opened


def listen(namespace: Namespace, address: str, port: int) -> socket.socket:
    """A TCP listener inside."""
    opened = _open(namespace, address, socket.SOCK_STREAM)
    opened.bind((address, port))
    opened.listen(64)
    return opened


def connect(namespace: Namespace, source: str, destination: str, port: int) -> socket.socket:
    """A TCP connection from inside; raises `OSError` when it is refused."""
    opened = _open(namespace, source, socket.SOCK_STREAM)
    try:
        opened.bind((source, 0))
        opened.connect((destination, port))
    except OSError:
        opened.close()
        raise
    return opened


def datagrams(namespace: Namespace, address: str, port: int = 0) -> socket.socket:
    """A UDP socket inside."""
    opened = _open(namespace, address, socket.SOCK_DGRAM)
    opened.bind((address, port))
    return opened


def received(opened: socket.socket) -> int:
    """How many datagrams wait, or still come soon."""
    opened.settimeout(SILENCE_SECONDS)
    count = 0
    while True:
        try:
            opened.recv(2048)
        except TimeoutError:
            return count
        count += 1
