"""`hradlo run` as a process: it says when it is ready, stops when it is asked to, and says why it can't start."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from billing.store.engine import Store
from config.errors import StoreAway
from daemon import lifecycle
from daemon.engine_lock import only_engine
from tests.daemon.admin import Admin
from tests.portal.subscribers import free_port


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Listens as systemd does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        bell.bind(str(tmp_path / "notify"))
        bell.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield bell


@pytest.fixture
def isp(admin: Admin) -> tuple[Admin, int]:
    """An installation whose notice server has a port of its own."""
    port = free_port()
    admin.add_setting("notice", f'listen = ["127.0.0.1:{port}"]')
    admin.import_all()
    return admin, port


@pytest.mark.parametrize("role", ["all", "engine", "web"])
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_role_says_when_it_is_ready_and_stops_when_asked_to(
    isp: tuple[Admin, int], systemd: socket.socket, role: str, stop: signal.Signals
) -> None:
    admin, port = isp
    running = admin.start("run", "--role", role)
    ready = systemd.recv(1000)
    if role != "engine":
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    if role != "web":
        assert "An engine runs already" in admin.run("apply").err
    running.send_signal(stop)
    stopping = systemd.recv(1000)
    while stopping.startswith(b"STATUS="):  # what a look found may be told first
        stopping = systemd.recv(1000)
    out, err = running.communicate(timeout=30)

    assert ready == f"READY=1\nSTATUS=Running as {role}.".encode()
    assert stopping == b"STOPPING=1"
    assert (running.returncode, out) == (0, b"")
    assert b"Traceback" not in err


def told(systemd: socket.socket, wanted: bytes) -> None:
    """Waits until systemd hears that."""
    while wanted not in systemd.recv(1000):
        pass


def test_sighup_reads_the_settings_again_in_the_same_process(isp: tuple[Admin, int], systemd: socket.socket) -> None:
    admin, port = isp
    running, other = admin.start("run", "--role", "all"), free_port()
    told(systemd, b"READY=1")
    text = admin.config.read_text()
    admin.config.write_text(text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{other}"))

    running.send_signal(signal.SIGHUP)
    told(systemd, b"RELOADING=1")
    told(systemd, b"READY=1")

    socket.create_connection(("127.0.0.1", other), timeout=5).close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    running.send_signal(signal.SIGTERM)
    _, err = running.communicate(timeout=30)
    assert (running.returncode, b"Traceback" in err) == (0, False)


def test_who_is_told_to_stop_during_a_reload_stops(isp: tuple[Admin, int], systemd: socket.socket) -> None:
    admin, _ = isp
    running = admin.start("run", "--role", "all")
    told(systemd, b"READY=1")

    running.send_signal(signal.SIGHUP)
    told(systemd, b"RELOADING=1")
    running.send_signal(signal.SIGTERM)

    assert running.wait(timeout=30) == 0


def test_sighup_with_wrong_settings_says_what_is_wrong_and_changes_nothing(
    isp: tuple[Admin, int], systemd: socket.socket
) -> None:
    admin, port = isp
    running = admin.start("run", "--role", "all")
    told(systemd, b"READY=1")
    admin.add_setting("dunning", "grace_days = -1")

    running.send_signal(signal.SIGHUP)
    line = next(line for line in iter(running.stderr.readline, b"") if b"settings are wrong" in line)  # type: ignore[union-attr]

    assert b"grace_days" in line
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=30) == 0


def test_an_engine_beside_another_one_says_so_and_ends(isp: tuple[Admin, int], systemd: socket.socket) -> None:
    admin, _ = isp
    with only_engine(admin.folder / "run"):
        running = admin.start("run")
        _, err = running.communicate(timeout=30)

    assert running.returncode == 1
    assert b"An engine runs already" in err.splitlines()[-1]
    assert b"Traceback" not in err


def test_a_port_that_is_taken_is_one_message(isp: tuple[Admin, int], systemd: socket.socket) -> None:
    admin, port = isp
    with socket.create_server(("127.0.0.1", port)):
        running = admin.start("run", "--role", "web")
        _, err = running.communicate(timeout=30)

    assert running.returncode == 1
    assert str(port).encode() in err.splitlines()[-1]
    assert b"Traceback" not in err


async def test_a_database_that_does_not_answer_yet_is_waited_for_and_systemd_knows(
    tmp_path: Path, systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [StoreAway("The database does not answer."), StoreAway("The database does not answer."), None]
    monkeypatch.setattr(lifecycle, "DATABASE_RETRY_SECONDS", 0.01)

    class Waking(Store):
        async def check(self) -> None:
            if error := answers.pop(0):
                raise error

    await lifecycle._answered(Waking.open(f"sqlite:///{tmp_path}/hradlo.db"))

    assert answers == []
    assert systemd.recv(200) == b"READY=1\nSTATUS=Waiting for the database.\nWATCHDOG=1"
