"""The engine: what wakes it, what runs beside it, and that its end changes nothing. All is real but the network."""

import asyncio
import fcntl
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from billing.store.engine import Store
from config.errors import DriverError, HradloError
from config.settings import parse
from daemon import doorbell, engine, jobs, site
from daemon.engine import Engine
from daemon.engine_lock import engine_state, only_engine
from daemon.witness import stay_awake
from enforcement.dryrun import DryRunDriver
from enforcement.state import LineState, Observed
from tests.daemon.smtp_server import smtp_server
from tests.scenario import DUE_ON, SETTINGS, Isp, at

NOTICE_ON = DUE_ON + timedelta(days=14)
SUSPEND_ON = NOTICE_ON + timedelta(days=10)
ADDRESS = "10.1.0.5"
SELDOM = "reconcile_seconds = 3600"


def configure(isp: Isp, *, enforcement: str = SELDOM, mail: str = "", more: str = "") -> None:
    text = SETTINGS.replace("[enforcement]", f"[enforcement]\n{enforcement}").replace("[mail]", f"[mail]\n{mail}")
    folders = f'[secrets]\ndirectory = "{isp.folder}"\n[daemon]\nruntime_directory = "{isp.folder}"\n'
    folders += f'state_directory = "{isp.folder}"\n'
    isp.settings = parse(text + folders + more)


@pytest.fixture
async def isp(store: Store, tmp_path: Path) -> Isp:
    """Contract 1001 is ripe for the notice."""
    made = Isp(store, tmp_path)
    await made.add("1001", ADDRESS, email="jana@isp.example")
    await made.invoice("26000001", "1001")
    made.clock.move_to(at(NOTICE_ON))
    configure(made)
    stay_awake(made.folder, made.clock)
    return made


@asynccontextmanager
async def running(isp: Isp) -> AsyncIterator[None]:
    """An engine, until the block ends."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(Engine(isp.settings, isp.store, {"main": isp.driver}, isp.clock).run())
        yield
        task.cancel()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 - neither the network nor the database has an event to wait for
            await asyncio.sleep(0.01)


async def until_line(isp: Isp, state: LineState) -> None:
    async def is_so() -> bool:
        return await isp.line(ADDRESS) is state and await isp.recorded_line("1001") == state.name.lower()

    await until(is_so)


def ring(isp: Isp) -> None:
    doorbell.ring(isp.folder)


# ── what wakes it ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_it_begins_with_a_look_at_everything(isp: Isp) -> None:
    async with running(isp):
        await until_line(isp, LineState.NOTICE)


async def test_a_ring_is_enough_to_open_a_line(isp: Isp) -> None:
    async with running(isp):
        await until_line(isp, LineState.NOTICE)
        await isp.acknowledge("1001")
        ring(isp)
        await until_line(isp, LineState.OPEN)


async def test_a_ring_that_was_lost_is_made_up_for_by_the_next_look(isp: Isp) -> None:
    configure(isp, enforcement="reconcile_seconds = 1")
    async with running(isp):
        await until_line(isp, LineState.NOTICE)
        await isp.acknowledge("1001")
        await until_line(isp, LineState.OPEN)


async def test_a_statement_in_the_watched_folder_restores_a_suspended_line(
    isp: Isp, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = isp.folder / "statements"
    folder.mkdir()
    configure(isp, more=f'[payments]\nwatch_folder = "{folder}"\nwatch_seconds = 1\n')
    isp.restart()
    await isp.settle()
    await isp.acknowledge("1001")
    isp.clock.move_to(at(SUSPEND_ON, 15))
    stay_awake(isp.folder, isp.clock)
    async with running(isp):
        await until_line(isp, LineState.SUSPENDED)
        await isp.pay("599.00", "9999")  # somebody else's: it leaves the line as it is
        (folder / "bank.gpc").write_bytes(_statement(isp))
        await until_line(isp, LineState.OPEN)

    assert (folder / "imported" / "bank.gpc").exists()


def _statement(isp: Isp) -> bytes:
    from billing.money import Money
    from daemon.demo.bank import Movement

    return isp.statement(Movement(Money.parse("599.00"), variable_symbol="1001"))


async def test_its_mails_leave_by_themselves(isp: Isp) -> None:
    isp.clock.move_to(at(DUE_ON + timedelta(days=3)))
    stay_awake(isp.folder, isp.clock)
    async with smtp_server(asyncio.get_running_loop()) as server:
        configure(isp, mail=f'host = "127.0.0.1"\nport = {server.port}')

        async def has_arrived() -> bool:
            return bool(server.envelopes)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(jobs, "MAIL_EVERY_SECONDS", 0.05)
            async with running(isp):
                await until(has_arrived)

    assert [envelope.rcpt_tos for envelope in server.envelopes] == [["jana@isp.example"]]


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_its_end_changes_nothing_on_the_network(isp: Isp) -> None:
    async with running(isp):
        await until_line(isp, LineState.NOTICE)
    plans = len(isp.driver.plans)
    await isp.acknowledge("1001")
    ring(isp)

    assert await isp.line(ADDRESS) is LineState.NOTICE
    assert len(isp.driver.plans) == plans
    assert not (isp.folder / doorbell.NAME).exists()


class Stubborn(DryRunDriver):
    """A network that can't be observed at first."""

    failures = 2

    async def observe(self) -> Observed:
        if self.failures:
            self.failures -= 1
            raise DriverError("netlink is busy")
        return await super().observe()


async def test_a_network_that_is_not_reached_is_tried_again(isp: Isp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "RETRY_SECONDS", 0.01)
    isp.driver = Stubborn()
    async with running(isp):
        await until_line(isp, LineState.NOTICE)

    assert isp.driver.failures == 0


async def test_with_a_clock_far_behind_it_waits_until_the_clock_is_right(
    isp: Isp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "RETRY_SECONDS", 0.01)
    right = isp.clock.now()
    isp.clock.jump_to(right - timedelta(days=30))
    with structlog.testing.capture_logs() as logs:
        async with running(isp):
            await until(lambda: _has_logged(logs, "the clock is wrong; nothing is changed"))
            assert isp.driver.plans == type(isp.driver.plans)()
            isp.clock.jump_to(right)
            await until_line(isp, LineState.NOTICE)

    assert any("accept-clock" in line.get("error", "") for line in logs)


async def _has_logged(logs: list[structlog.typing.EventDict], event: str) -> bool:
    return any(line["event"] == event for line in logs)


async def test_while_the_database_can_not_be_written_nothing_is_changed_and_then_it_goes_on(
    isp: Isp, monkeypatch: pytest.MonkeyPatch
) -> None:
    from billing.store import engine as store_engine

    impatient = tuple((n, "20", 20) if n == "busy_timeout" else (n, v, e) for n, v, e in store_engine._PRAGMAS)
    monkeypatch.setattr(store_engine, "_PRAGMAS", impatient)
    monkeypatch.setattr(engine, "RETRY_SECONDS", 0.01)
    database = isp.folder / "hradlo.db"
    isp.store = Store.open(f"sqlite:///{database}")
    locking = sqlite3.connect(database, isolation_level=None)
    locking.execute("BEGIN IMMEDIATE")
    with structlog.testing.capture_logs() as logs:
        async with running(isp):
            await until(lambda: _has_logged(logs, "database not reached; nothing is changed"))
            assert await isp.line(ADDRESS) is LineState.OPEN
            locking.rollback()
            await until_line(isp, LineState.NOTICE)
    locking.close()
    await isp.store.close()


# ── the watchdog ────────────────────────────────────────────────────────────────────────────────────────────────


class Hanging(DryRunDriver):
    """A network whose answer never comes."""

    async def observe(self) -> Observed:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    """Wants a sign of life every 30 ms, and listens."""
    bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    bell.bind(str(tmp_path / "notify"))
    bell.setblocking(False)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "30000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    return bell


async def next_sign(bell: socket.socket, beginning: bytes = b"WATCHDOG") -> bytes:
    """The next message that begins so; the status is told in between."""
    async with asyncio.timeout(5):
        while True:
            told = await asyncio.get_running_loop().sock_recv(bell, 500)
            if told.startswith(beginning):
                return told


async def test_the_watchdog_is_fed_while_rounds_end(isp: Isp, systemd: socket.socket) -> None:
    async with running(isp):
        signs = [await next_sign(systemd) for _ in range(5)]

    assert signs == [b"WATCHDOG=1"] * 5


async def test_systemctl_status_says_how_many_lines_are_restricted_and_what_is_reached(
    isp: Isp, systemd: socket.socket
) -> None:
    wanted = b"STATUS=Running as engine: 1 line restricted, 1 of 1 site reached."
    async with running(isp), asyncio.timeout(20):
        while await next_sign(systemd, b"STATUS") != wanted:
            ring(isp)  # what the look before led to is told by the next one


async def test_a_round_that_hangs_for_long_stops_the_feeding(
    isp: Isp, systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(isp, enforcement="reconcile_seconds = 10")
    seconds = 0.0
    asked = 0

    def monotonic_seconds() -> float:
        nonlocal asked
        asked += 1
        return seconds

    monkeypatch.setattr(engine, "monotonic_seconds", monotonic_seconds)
    monkeypatch.setattr(site, "monotonic_seconds", lambda: seconds)
    isp.driver = Hanging()
    async with running(isp):
        assert await next_sign(systemd) == b"WATCHDOG=1"
        seconds = 91.0
        ring(isp)  # looks go on; it is the site that hangs
        asked = 0

        async def has_asked() -> bool:
            return asked >= 5

        await until(has_asked)
        _drain(systemd)
        asked = 0
        await until(has_asked)
        assert b"WATCHDOG=1" not in _drain(systemd)


def _drain(bell: socket.socket) -> list[bytes]:
    """Everything that was told so far."""
    told = []
    with suppress(BlockingIOError):
        while message := bell.recv(500):
            told.append(message)
    return told


# ── exactly one ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_engine_is_refused_and_told_who_runs(tmp_path: Path) -> None:
    words = rf"runs already \(process {os.getpid()}\)"

    assert engine_state(tmp_path) == "stopped"
    with only_engine(tmp_path), pytest.raises(HradloError, match=words), only_engine(tmp_path):
        assert engine_state(tmp_path) == "running"


def test_who_only_asks_whether_an_engine_runs_keeps_none_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with only_engine(tmp_path):
        pass
    asking = os.open(tmp_path / "engine.lock", os.O_RDONLY)
    fcntl.flock(asking, fcntl.LOCK_SH)
    monkeypatch.setattr("daemon.engine_lock.time.sleep", lambda _: fcntl.flock(asking, fcntl.LOCK_UN))

    with only_engine(tmp_path):
        assert engine_state(tmp_path) == "running"
    os.close(asking)


def test_the_lock_of_a_killed_engine_keeps_nobody_out(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from daemon.engine_lock import only_engine\n"
        "with only_engine(Path(sys.argv[1])): print('locked', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(HradloError, match=rf"process {other.pid}"), only_engine(tmp_path):
            pass
        other.kill()
        other.wait()

    with only_engine(tmp_path):
        pass


def test_a_folder_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(HradloError, match="Check \\[daemon\\] runtime_directory"), only_engine(tmp_path / "file" / "x"):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: an admin looks before the engine has ever run")
def test_what_root_looked_at_first_is_still_the_engines_to_lock(tmp_path: Path) -> None:
    nobody = 65534
    folder = tmp_path / "run"
    folder.mkdir()
    os.chown(folder, nobody, nobody)
    with only_engine(folder):
        pass

    assert (folder / "engine.lock").stat().st_uid == nobody


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "engine.lock").symlink_to(tmp_path / "precious")

    with pytest.raises(HradloError, match=r"engine\.lock can't be made"), only_engine(tmp_path):
        pass
    assert (tmp_path / "precious").read_text() == "precious"
