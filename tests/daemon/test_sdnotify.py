"""What systemd hears and passes in, over a real unix datagram socket."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import sdnotify


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Listens as systemd does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        bell.bind(str(tmp_path / "notify"))
        bell.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield bell


def test_a_state_arrives_as_one_datagram_with_one_assignment_a_line(systemd: socket.socket) -> None:
    sdnotify.notify(READY=1, STATUS="Running as engine.")

    assert systemd.recv(1000) == b"READY=1\nSTATUS=Running as engine."


def test_an_abstract_socket_is_reached_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name = f"hradlo-test-{os.getpid()}-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        bell.bind(f"\0{name}")
        bell.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        sdnotify.notify(WATCHDOG=1)

        assert bell.recv(1000) == b"WATCHDOG=1"


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "@nobody-listens-here"])
def test_without_a_listener_nothing_happens(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)

    sdnotify.notify(READY=1)


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("30000000", None, 30.0),
        ("30000000", "own", 30.0),
        ("30000000", "1", None),  # meant for another process: a watchdog does not reach children
        ("", None, None),
        (None, None, None),
        ("soon", None, None),
    ],
)
def test_the_watchdog_is_wanted_only_when_systemd_says_so_to_this_process(
    monkeypatch: pytest.MonkeyPatch, usec: str | None, pid: str | None, seconds: float | None
) -> None:
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)

    assert sdnotify.watchdog_seconds() == seconds


TAKE_SOCKETS = """
import os, sys
os.environ["LISTEN_PID"] = sys.argv[1] if len(sys.argv) > 1 else str(os.getpid())
from daemon import sdnotify
print([passed.getsockname()[1] for passed in sdnotify.passed_sockets()])
"""


def taken(listening: socket.socket, *arguments: str) -> str:
    """What a child sees that gets a socket as its third descriptor, as systemd would pass it."""
    child = subprocess.run(
        [sys.executable, "-c", TAKE_SOCKETS, *arguments],
        env={**os.environ, "LISTEN_FDS": "1"},
        preexec_fn=lambda: os.dup2(listening.fileno(), 3),
        close_fds=False,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    return child.stdout.strip()


def test_a_passed_socket_is_the_one_that_systemd_opened() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert taken(listening) == f"[{listening.getsockname()[1]}]"


def test_a_socket_for_another_process_is_left_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert taken(listening, "1") == "[]"
