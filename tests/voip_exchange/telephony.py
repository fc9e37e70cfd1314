"""An ISP with a telephone: Debian's Kamailio with the project's configuration, sipp at both ends, Hradlo as a process.

Everything is on loopback, with ports that are free now: the exchange calls from one address, the gateway of the trunk
answers at another, as `docs/exchange/kamailio.cfg` wants it.
"""

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from config.clock import monotonic_seconds
from tests.portal.subscribers import free_port
from tests.voip_exchange import scenarios

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "docs" / "exchange"
KAMAILIO, EXCHANGE, GATEWAY = "127.0.0.1", "127.0.0.11", "127.0.0.12"
TOKEN = "token-between-kamailio-and-hradlo-in-these-tests"
PATIENCE_SECONDS = 20.0
_LOOK_SECONDS = 0.05
_KAMAILIO = shutil.which("kamailio", path=f"{os.environ.get('PATH', '')}:/usr/sbin")  # a plain user's PATH lacks it
_MODULES = ("acc.so", "http_client.so", "json.so")


def missing_for_calls() -> str:
    """What this machine lacks, as a reason to skip; empty when nothing."""
    if _KAMAILIO is None or shutil.which("sipp") is None:
        return "needs Kamailio and sipp: apt install kamailio kamailio-json-modules kamailio-utils-modules sip-tester"
    found = {path.name for path in Path("/usr/lib").glob("*/kamailio/modules/*.so")}
    lacking = [name for name in _MODULES if name not in found]
    return f"needs Kamailio's {', '.join(lacking)}: apt install kamailio-{{json,utils}}-modules" if lacking else ""


def udp_port(address: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def until(what: str, is_so: Callable[[], bool]) -> None:
    """Waits until something is so; raises `TimeoutError` when it does not come."""
    give_up_at = monotonic_seconds() + PATIENCE_SECONDS
    idle = threading.Event()
    while not is_so():
        if monotonic_seconds() > give_up_at:
            raise TimeoutError(f"waited in vain until {what}")
        idle.wait(_LOOK_SECONDS)


@dataclass
class Telephony:
    """The running parts."""

    folder: Path
    sip_port: int
    exchange_port: int
    gateway_port: int
    http_port: int
    hradlo: subprocess.Popen[bytes] = field(init=False)
    """The process that Kamailio asks."""

    @property
    def records(self) -> list[str]:
        """Every line that Kamailio wrote about calls, in no order."""
        return [line for file in self.spool.glob("hradlo_*.log") for line in file.read_text().splitlines()]

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    def records_of(self, caller: str, calls: int = 1) -> list[list[str]]:
        """The columns of a caller's records, once there are so many."""
        until(
            f"there are {calls} records of {caller}",
            lambda: sum(f"|{caller}|" in line for line in self.records) >= calls,
        )
        return [line.split("|") for line in self.records if f"|{caller}|" in line]

    def call(
        self,
        caller: str,
        called: str,
        then: str = "hangs up",
        *,
        seconds: float = 0.2,
        calls: int = 1,
        call_id: str = "",
        first_repeat_seconds: float = 0.5,
        is_incoming: bool = False,
    ) -> str:
        """Calls so many times at once and returns what became of each, as words in alphabetical order."""
        address = GATEWAY if is_incoming else EXCHANGE
        port = udp_port(address)
        folder = self.folder / f"caller-{port}"
        folder.mkdir()
        (folder / "caller.xml").write_text(scenarios.caller(then, first_repeat_seconds))
        command = ["sipp", "-sf", "caller.xml", "-i", address, "-p", str(port), "-m", str(calls), "-r", str(calls)]
        command += ["-rp", "100", "-d", str(int(seconds * 1000)), "-s", called, "-key", "caller", caller, "-nostdin"]
        command += ["-trace_logs", "-log_file", "words", "-trace_err", "-error_file", "errors"]
        command += ["-cid_str", call_id] if call_id else []
        command += ["-timeout", f"{PATIENCE_SECONDS:g}", f"{KAMAILIO}:{self.sip_port}"]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
        words = (folder / "words").read_text().split() if (folder / "words").exists() else []
        if done.returncode != 0:
            errors = (folder / "errors").read_text() if (folder / "errors").exists() else done.stdout.decode()
            raise AssertionError(f"sipp ended with {done.returncode} after {words}: {errors[-2000:]}")
        return " ".join(sorted(words))


@contextmanager
def running_telephony(folder: Path, database_url: str, settings: str = "") -> Iterator[Telephony]:
    """Hradlo's web role, Kamailio and the gateway, until the block ends."""
    ports = (udp_port(KAMAILIO), udp_port(EXCHANGE), udp_port(GATEWAY), free_port())
    telephony = Telephony(folder, *ports)
    telephony.spool.mkdir()
    with (
        _hradlo(telephony, database_url, settings, "web") as process,
        _kamailio(telephony),
        _answering(telephony, GATEWAY, telephony.gateway_port),
        _answering(telephony, EXCHANGE, telephony.exchange_port),
    ):
        telephony.hradlo = process
        yield telephony


@contextmanager
def running_engine(telephony: Telephony, database_url: str) -> Iterator[None]:
    """Hradlo's engine, too, which reads on in Kamailio's files every second."""
    settings = f'calls_files = ["{telephony.spool}/hradlo_*.log"]\ncalls_seconds = 1'
    with _hradlo(telephony, database_url, settings, "engine"):
        yield


@contextmanager
def _hradlo(telephony: Telephony, database_url: str, settings: str, role: str) -> Iterator[subprocess.Popen[bytes]]:
    """`hradlo run --role ROLE` on its own configuration, once it says that it has started."""
    secrets = telephony.folder / "secrets"
    secrets.mkdir(exist_ok=True)
    (secrets / "signing_key").write_text("k" * 43)
    (secrets / "voip_token").write_text(f"{TOKEN}\n")
    config, log = telephony.folder / f"{role}.toml", telephony.folder / f"{role}.log"
    config.write_text(
        f'[database]\nurl = "{database_url}"\n[secrets]\ndirectory = "{secrets}"\n'
        f'[notice]\nlisten = ["127.0.0.1:{free_port()}"]\n[enforcement]\ndriver = "dryrun"\n'
        f'[daemon]\nruntime_directory = "{telephony.folder / "run"}"\n'
        f'[voip]\nexchange_listen = ["127.0.0.1:{telephony.http_port}"]\n{settings}\n'
    )
    command = [sys.executable, "-c", "from daemon.cli import main; main()"]
    with _process(log, [*command, "--config", str(config), "run", "--role", role]) as process:
        until(f"the {role} role has started", lambda: '"event": "started"' in log.read_text())
        yield process


@contextmanager
def _kamailio(telephony: Telephony) -> Iterator[None]:
    folder = telephony.folder / "kamailio"
    folder.mkdir()
    shutil.copy(CONFIGURATION / "kamailio.cfg", folder)
    local = (CONFIGURATION / "hradlo-local.cfg").read_text()
    for theirs, ours in (
        ("udp:192.0.2.10:5060", f"udp:{KAMAILIO}:{telephony.sip_port}"),
        ("sip:192.0.2.20:5060", f"sip:{EXCHANGE}:{telephony.exchange_port}"),
        ("192.0.2.20", EXCHANGE),
        ("sip:192.0.2.30:5060", f"sip:{GATEWAY}:{telephony.gateway_port}"),
        ("192.0.2.30", GATEWAY),
        ("127.0.0.1:8091", f"127.0.0.1:{telephony.http_port}"),
        ("put the content of voip_token here", TOKEN),
        ("/var/spool/kamailio!", f"{telephony.spool}!"),
        ("/run/kamailio!", f"{folder}!"),
    ):
        assert theirs in local, f"{theirs} stands no more in hradlo-local.cfg"
        local = local.replace(theirs, ours)
    (folder / "hradlo-local.cfg").write_text(f"{local}\n#!define WORKERS 8\n")
    command = [
        str(_KAMAILIO),
        "-DD",
        "-E",
        "-f",
        str(folder / "kamailio.cfg"),
        "-m",
        "32",
        "-M",
        "8",
        "-Y",
        str(folder),
    ]
    with _process(folder / "log", command):
        until("Kamailio answers", lambda: _answers_options(telephony))
        yield


@contextmanager
def _answering(telephony: Telephony, address: str, port: int) -> Iterator[None]:
    """Somebody who answers calls: the gateway, or the exchange for calls from outside."""
    folder = telephony.folder / f"answering-{address}"
    folder.mkdir()
    (folder / "answers.xml").write_text(scenarios.answers())
    command = ["sipp", "-sf", str(folder / "answers.xml"), "-i", address, "-p", str(port)]
    command += ["-deadcall_wait", "0"]  # a Call-ID may come again
    command += ["-nostdin", "-trace_err", "-error_file", str(folder / "errors")]
    with _process(folder / "log", command):
        until(f"{address} listens", lambda: _is_taken(address, port))
        yield


@contextmanager
def _process(log: Path, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=ROOT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_taken(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return True
    return False


def _answers_options(telephony: Telephony) -> bool:
    with pinging(telephony, EXCHANGE) as probe:
        probe.settimeout(0.2)
        try:
            return probe.recv(4096).startswith(b"SIP/2.0 200")
        except OSError:
            return False


@contextmanager
def pinging(telephony: Telephony, address: str) -> Iterator[socket.socket]:
    """A socket at an address, from which Kamailio was sent an OPTIONS."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        here = f"{address}:{probe.getsockname()[1]}"
        probe.sendto(
            f"OPTIONS sip:ping@{KAMAILIO} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKping\r\n"
            f"From: <sip:ping@{here}>;tag=1\r\nTo: <sip:ping@{KAMAILIO}>\r\nCall-ID: ping@{here}\r\n"
            f"CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n".encode(),
            (KAMAILIO, telephony.sip_port),
        )
        yield probe
