"""A whole small ISP in the lab: the real program in the gateway's namespace, on real packets.

Everything is done by the commands that an admin has; time is moved by a file that the daemon reads.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urljoin, urlsplit

from billing.money import ZERO, Money
from config.clock import OffsetClock, SystemClock, monotonic_seconds
from daemon.demo.bank import Movement, gpc_statement
from daemon.demo.browser import form_of
from daemon.lab import topology as net
from daemon.lab.internet import make_certificate
from daemon.lab.topology import LabError, Namespace, Topology
from daemon.witness import stay_awake

DUE_ON = date(2026, 3, 2)
"""A Monday. Notice from Monday 16 March, suspension from Thursday 26 March."""
CONTRACT, NEIGHBOUR = "1001", "1002"
CUSTOMER, PASSWORD = "501", "a word of the lab"
"""Whose contract it is, in the customer portal."""
INVOICE = "26000001"
INVOICE_COLUMNS = "number,contract_number,issued_on,due_on,total,open"
DEBT = Money(599_00)
SMTP_PORT = 2525
PATIENCE_SECONDS = 20.0
LOOK_SECONDS = 0.05

SETTINGS = """
[isp]
name = "Lab ISP"
iban = "CZ6508000000192000145399"
phone = "+420 123 456 789"
portal_url = "https://{notice_host}:8444"
[database]
url = "sqlite:///{folder}/hradlo.db"
[secrets]
directory = "{folder}/secrets"
[notice]
url = "http://{notice_host}:8080"
listen = ["0.0.0.0:8080", "[::]:8080"]
addresses = ["{own_v4}", "{own_v6}"]
[captive_api]
listen = ["0.0.0.0:8443", "[::]:8443"]
url = "https://{notice_host}:8443"
certificate = "{certificate}"
key = "{key}"
[portal]
listen = ["0.0.0.0:8444", "[::]:8444"]
certificate = "{certificate}"
key = "{key}"
[enforcement]
{enforcement}
resolvers = ["{resolver_v4}", "{resolver_v6}"]
garden = [{garden}]
garden_refresh_seconds = 2
reconcile_seconds = 1
[mail]
host = "{smtp_host}"
port = {smtp_port}
sender = "Lab ISP <billing@isp.example>"
[payments]
watch_folder = "{folder}/statements"
watch_seconds = 1
[daemon]
runtime_directory = "{folder}/run"
state_directory = "{folder}"
[brake]
# money comes when the story says so, and not every working day
statement_age_days = 0
{routers}
"""


class LabIsp:
    """A context manager: builds the lab with one overdue subscriber and a neighbour, and removes it all."""

    own_v4, own_v6 = net.GATEWAY_LAN_V4, net.GATEWAY_LAN_V6
    """Where the program's pages are."""
    enforcement = 'driver = "nftables"\nsubscriber_interfaces = ["lan"]'
    routers = ""
    """Settings of MikroTik routers."""

    def __init__(
        self,
        version: int = 4,
        *,
        has_mail_server: bool = False,
        garden: Sequence[str] = (net.GARDEN_V4, net.GARDEN_V6),
    ) -> None:
        """`has_mail_server`: mails are really sent, to aiosmtpd (a test dependency); without, they wait."""
        self._garden = garden
        self.version = version
        self._has_mail_server = has_mail_server
        self.topology = Topology()
        self.daemon: subprocess.Popen[bytes] | None = None
        self._closing = ExitStack()
        self._balance, self._statements = ZERO, 0

    def __enter__(self) -> Self:
        with ExitStack() as building:
            self.folder = Path(building.enter_context(tempfile.TemporaryDirectory(prefix="hradlo-lab-")))
            building.enter_context(self.topology)
            for name in ("secrets", "run", "statements"):
                (self.folder / name).mkdir()
            self._write_settings()
            self.move_clock_to(datetime(DUE_ON.year, DUE_ON.month, DUE_ON.day, 9, tzinfo=UTC))
            self.hradlo("init")
            self._import_people()
            held = json.loads(self.hradlo("brake", "show", "--json").stdout)
            self.hradlo("brake", "release", held["checksum"], "--why", "the lab begins")
            self._start_internet()
            if self._has_mail_server:
                self._start_mail_server()
            self._closing = building.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.close()

    @property
    def home(self) -> Namespace:
        """Where the program runs: on the gateway, which it enforces on."""
        return self.topology.gateway

    # ── the program ─────────────────────────────────────────────────────────────────────────────────────────────

    def hradlo(self, *arguments: str, is_checked: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a command of the program; raises `LabError` when it fails."""
        done = self.home.run(*self.command(*arguments), is_checked=False)
        if is_checked and done.returncode:
            raise LabError(f"hradlo {' '.join(arguments)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def start(self) -> None:
        """Starts `hradlo run`, and waits until its pages answer."""
        log = (self.folder / "daemon.log").open("ab")
        with log:
            environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
            self.daemon = self.home.start(*self.command("run"), stdout=log, stderr=log, env=environment)
        self.wait_for("the daemon", lambda: self.listens(8080))

    def kill(self) -> None:
        """``kill -9``, as a crash would."""
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait()

    def listens(self, port: int) -> bool:
        """Whether somebody listens on this TCP port where the program runs."""
        sockets = self.home.run("ss", "-Hltn", f"sport = :{port}").stdout
        return bool(sockets.strip())

    def command(self, *arguments: str) -> list[str]:
        """The command line of the program with this lab's settings and clock, to be run at its home."""
        program = str(Path(sys.executable).parent / "hradlo")
        clock = str(self.folder / "clock-offset")
        return [program, "--config", str(self.folder / "hradlo.toml"), "--clock-offset-file", clock, *arguments]

    # ── what happens to the ISP ─────────────────────────────────────────────────────────────────────────────────

    def move_clock_to(self, moment: datetime) -> None:
        """The daemon's clock goes on from another moment."""
        offset_seconds = (moment - SystemClock().now()).total_seconds()
        path = self.folder / "clock-offset"
        path.with_suffix(".new").write_text(f"{offset_seconds}", encoding="ascii")
        path.with_suffix(".new").replace(path)
        stay_awake(self.folder, OffsetClock(path))

    def _clock_offset(self) -> timedelta:
        return timedelta(seconds=float((self.folder / "clock-offset").read_text(encoding="ascii")))

    def move_clock_to_day(self, days_after_due: int, hour_utc: int = 11) -> None:
        day = DUE_ON + timedelta(days=days_after_due)
        self.move_clock_to(datetime(day.year, day.month, day.day, hour_utc, tzinfo=UTC))

    def pay(self, amount: Money = DEBT, variable_symbol: str = CONTRACT, specific_symbol: str = INVOICE) -> Path:
        """A bank statement arrives; returns its file, which is not imported yet."""
        self._statements += 1
        movement = Movement(amount, variable_symbol=variable_symbol, specific_symbol=specific_symbol)
        data = gpc_statement("2000000005", "Lab ISP", self._statements, self._balance, [movement], DUE_ON)
        self._balance += amount
        path = self.folder / f"statement-{self._statements}.gpc"
        path.write_bytes(data)
        return path

    def add_overdue_invoice(self) -> Path:
        """A file with one more invoice, due 14 days before the lab's day; returned, not imported yet."""
        today = (SystemClock().now() + self._clock_offset()).date()
        due_on = today - timedelta(days=14)
        path = self.folder / "one-more.csv"
        row = f"26000002,{CONTRACT},{due_on - timedelta(days=14)},{due_on},{DEBT},{DEBT}"
        path.write_text(f"{INVOICE_COLUMNS}\n{row}\n", encoding="utf-8")
        return path

    def acknowledge(self, url: str, *, is_answered: bool = True) -> None:
        """Opens a plain page as the subscriber, and presses the button of the notice that it leads to.

        `is_answered=False`: the gateway is expected to die over it.
        """
        curl = ("curl", "-s", "--max-time", "5")
        page = self.topology.subscriber.run(*curl, "-L", "-w", "\n%{url_effective}", url).stdout
        html, _, shown_at = page.rpartition("\n")
        form = form_of(html)
        if form is None:
            raise LabError(f"{url} led to {shown_at}, which has no button to press.")
        target = urljoin(shown_at, form.action)
        parts = urlsplit(target)
        self.topology.subscriber.run(
            *curl,
            "-H",
            f"Origin: {parts.scheme}://{parts.netloc}",
            "--data",
            urlencode(form.fields),
            target,
            is_checked=is_answered,
        )

    def mails(self) -> list[EmailMessage]:
        """The mails that arrived, in any order."""
        found = (path.read_bytes() for path in sorted((self.folder / "mail" / "new").glob("*")))
        return [message_from_bytes(data, policy=default) for data in found]

    def contract(self, number: str = CONTRACT) -> dict[str, Any]:
        """What `hradlo show` says of a contract."""
        shown: dict[str, Any] = json.loads(self.hradlo("show", number, "--json").stdout)
        return shown

    def wait_for_line(self, state: str, number: str = CONTRACT) -> None:
        self.wait_for(f"line {state}", lambda: self.contract(number)["line"] == state)

    def wait_for(self, what: str, is_so: Callable[[], bool]) -> None:
        """Waits until something is so; raises `LabError` with the daemon's log when it does not come."""
        give_up_at = monotonic_seconds() + PATIENCE_SECONDS
        while not is_so():
            if monotonic_seconds() > give_up_at:
                log = self.folder / "daemon.log"
                tail = log.read_text(encoding="utf-8")[-3000:] if log.exists() else ""
                raise LabError(f"Waited for {what} in vain. The daemon said: {tail}")
            time.sleep(LOOK_SECONDS)

    def rules(self, without: Sequence[str] = ()) -> str:
        """The gateway's ruleset as nft prints it, without what counters counted; `without` these inet tables."""
        rules = self.topology.gateway.run("nft", "-s", "list", "ruleset").stdout
        for table in without:
            listed = self.topology.gateway.run("nft", "-s", "list", "table", "inet", table, is_checked=False)
            rules = rules.replace(listed.stdout, "") if listed.stdout else rules
        return rules

    # ── building ────────────────────────────────────────────────────────────────────────────────────────────────

    def _write_settings(self) -> None:
        certificate, key = make_certificate(self.folder, "portal")
        (self.folder / "hradlo.toml").write_text(
            SETTINGS.format(
                folder=self.folder,
                own_v4=self.own_v4,
                own_v6=self.own_v6,
                notice_host=self.own_v4 if self.version == 4 else f"[{self.own_v6}]",
                enforcement=self.enforcement,
                routers=self.routers,
                resolver_v4=net.RESOLVER_V4,
                resolver_v6=net.RESOLVER_V6,
                garden=", ".join(f'"{entry}"' for entry in self._garden),
                certificate=certificate,
                key=key,
                smtp_host="127.0.0.1" if self._has_mail_server else "",
                smtp_port=SMTP_PORT,
            ),
            encoding="utf-8",
        )

    def _import_people(self) -> None:
        self._import(
            "customers",
            "customer_number,name,email,phone,street,city,postal_code,language,password",
            f"{CUSTOMER},Jana Nováková,jana@isp.example,,,,,cs,{PASSWORD}",
            "502,Petr Dvořák,,,,,,en,",
        )
        self._import(
            "services",
            "contract_number,customer_number,kind,product,price,starts_on,addresses",
            f"{CONTRACT},{CUSTOMER},internet,Fiber,599.00,2024-01-01,{net.SUBSCRIBER_V4} {net.SUBSCRIBER_NETWORK_V6}",
            f"{NEIGHBOUR},502,internet,Fiber,599.00,2024-01-01,{net.NEIGHBOUR_V4} {net.NEIGHBOUR_V6}",
        )
        self._import(
            "invoices",
            INVOICE_COLUMNS,
            f"{INVOICE},{CONTRACT},2026-02-16,{DUE_ON},{DEBT},{DEBT}",
        )

    def _import(self, what: str, *lines: str) -> None:
        path = self.folder / f"{what}.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.hradlo("import", what, str(path))

    def _start_mail_server(self) -> None:
        """A real SMTP server on the program's loopback; it keeps a maildir."""
        keeper = ("-c", "aiosmtpd.handlers.Mailbox", str(self.folder / "mail"))
        address = f"127.0.0.1:{SMTP_PORT}"
        self.home.start(sys.executable, "-m", "aiosmtpd", "-n", "-l", address, *keeper)
        self.wait_for("the mail server", lambda: self.listens(SMTP_PORT))

    def _start_internet(self) -> None:
        self.topology.internet.start(sys.executable, "-m", "daemon.lab.internet", str(self.folder))
        self.wait_for("the internet", (self.folder / "internet-is-up").exists)
