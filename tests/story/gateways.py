"""Three gateways of one ISP, each with its own namespaces, nftables and engine, on one real PostgreSQL.

Each has one subscriber, and all three subscribers have the same private address.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.operations import import_customers
from billing.customers.rules import read_customers
from billing.customers.tables import Contract
from billing.invoicing.operations import import_invoices
from billing.invoicing.rules import read_invoices
from billing.money import ZERO, Money
from billing.services.operations import import_services
from billing.services.rules import read_services
from billing.store import journal
from billing.store.engine import Store
from billing.store.tables import Mail
from config.clock import OffsetClock, SystemClock, monotonic_seconds
from config.settings import load
from daemon.braking import Verdict, release
from daemon.demo.bank import Movement, gpc_statement
from daemon.demo.browser import form_of
from daemon.lab import topology as net
from daemon.lab.internet import make_certificate
from daemon.lab.isp import DUE_ON, INVOICE_COLUMNS
from daemon.lab.topology import Topology
from daemon.witness import FILE_NAME, stay_awake
from tests.postgres import PostgresServer

SITES = {"north": "1001", "south": "1002", "west": "1003"}
"""Each with the contract of its subscriber."""
DEBT = Money(599_00)
PATIENCE_SECONDS = 40.0
Answer = TypeVar("Answer")
WANTED = f"http://{net.SERVER_V4}/"

SETTINGS = """
[isp]
name = "Lab ISP"
iban = "CZ6508000000192000145399"
[database]
url = "{url}"
[secrets]
directory = "{folder}/secrets"
[notice]
url = "http://{lan}:8080"
listen = ["0.0.0.0:8080"]
addresses = ["{lan}"]
[enforcement]
driver = "nftables"
site = "{site}"
subscriber_interfaces = ["lan"]
reconcile_seconds = {reconcile_seconds}
[usage]
collect_seconds = 5
[daemon]
runtime_directory = "{folder}/run"
state_directory = "{folder}"
[brake]
statement_age_days = 0
"""


class Gateway:
    """One of them."""

    def __init__(self, isp: "ManyGateways", site: str, topology: Topology) -> None:
        self.isp = isp
        self.site = site
        self.contract = SITES[site]
        self.topology = topology
        self.folder = isp.folder / site
        self.process: subprocess.Popen[bytes] | None = None

    def write_settings(self, reconcile_seconds: int) -> None:
        (self.folder / "run").mkdir(parents=True)
        text = SETTINGS.format(
            url=self.isp.url,
            lan=net.GATEWAY_LAN_V4,
            site=self.site,
            folder=self.folder,
            reconcile_seconds=reconcile_seconds,
        )
        (self.folder / "hradlo.toml").write_text(text, encoding="utf-8")

    # ── the program ─────────────────────────────────────────────────────────────────────────────────────────────

    def command(self, *arguments: str) -> list[str]:
        program, clock = str(Path(sys.executable).parent / "hradlo"), str(self.isp.folder / "clock-offset")
        return [program, "--config", str(self.folder / "hradlo.toml"), "--clock-offset-file", clock, *arguments]

    def hradlo(self, *arguments: str, is_checked: bool = True) -> subprocess.CompletedProcess[str]:
        done = self.topology.gateway.run(*self.command(*arguments), is_checked=False)
        assert not (is_checked and done.returncode), f"hradlo {arguments}: {done.stdout}{done.stderr}"
        return done

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
            self.process = self.topology.gateway.start(*self.command("run"), stdout=log, stderr=log, env=environment)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    @property
    def has_looked(self) -> bool:
        """At the database, since it was made."""
        return (self.folder / FILE_NAME).exists()

    @property
    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    # ── the subscriber ──────────────────────────────────────────────────────────────────────────────────────────

    def browse(self, url: str = WANTED) -> str:
        """What the subscriber sees of a plain page; redirects are followed."""
        return self.topology.subscriber.run("curl", "-sL", "--max-time", "5", url, is_checked=False).stdout

    @property
    def is_open(self) -> bool:
        return "The internet" in self.browse()

    @property
    def sees_notice(self) -> bool:
        return 'name="token"' in self.browse()

    @property
    def sees_suspension(self) -> bool:
        page = self.browse()
        return bool(page) and "The internet" not in page and 'name="token"' not in page

    def acknowledge(self) -> None:
        shown = self.topology.subscriber.run("curl", "-sL", "-w", "\n%{url_effective}", WANTED).stdout
        html, _, shown_at = shown.rpartition("\n")
        form = form_of(html)
        assert form is not None, html
        target = urljoin(shown_at, form.action)
        origin = f"{urlsplit(target).scheme}://{urlsplit(target).netloc}"
        self.topology.subscriber.run("curl", "-s", "-H", f"Origin: {origin}", "--data", urlencode(form.fields), target)

    # ── the network ─────────────────────────────────────────────────────────────────────────────────────────────

    def rules(self) -> str:
        """Hradlo's own table, without what was counted; empty when it is not there."""
        listed = self.topology.gateway.run("nft", "-s", "list", "table", "inet", "hradlo", is_checked=False)
        return listed.stdout

    def empty_the_firewall(self) -> None:
        """What somebody else's script does."""
        self.topology.gateway.run("nft", "flush", "ruleset")


class ManyGateways:
    """A context manager: builds the three, with an overdue subscriber each; nothing runs yet."""

    def __init__(self, server: PostgresServer, *, reconcile_seconds: int = 2) -> None:
        self.server = server
        self.url = server.create_database()
        self._reconcile_seconds = reconcile_seconds
        self._balance, self._statements = ZERO, 0
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as building:
            self.folder = Path(building.enter_context(tempfile.TemporaryDirectory(prefix="hradlo-many-")))
            make_certificate(self.folder, "portal")
            self.move_clock_to_day(0)
            self.gateways = [Gateway(self, site, building.enter_context(Topology())) for site in SITES]
            for gateway in self.gateways:
                gateway.write_settings(self._reconcile_seconds)
                self._start_internet(gateway)
            self.gateways[0].hradlo("init")
            for gateway in self.gateways[1:]:
                shutil.copytree(self.gateways[0].folder / "secrets", gateway.folder / "secrets")
            self._import_people()
            self._closing = building.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.close()

    def __getitem__(self, site: str) -> Gateway:
        return next(gateway for gateway in self.gateways if gateway.site == site)

    def move_clock_to_day(self, days_after_due: int, hour_utc: int = 11) -> None:
        """All three have the same clock; it goes on from there."""
        day = DUE_ON + timedelta(days=days_after_due)
        moment = datetime(day.year, day.month, day.day, hour_utc, tzinfo=UTC)
        path = self.folder / "clock-offset"
        path.with_suffix(".new").write_text(f"{(moment - SystemClock().now()).total_seconds()}", encoding="ascii")
        path.with_suffix(".new").replace(path)
        for site in SITES:
            stay_awake(self.folder / site, OffsetClock(path))

    def pay(self, *contracts: str, at: Gateway) -> None:
        """A bank statement arrives at one of the gateways."""
        self._statements += 1
        movements = [Movement(DEBT, variable_symbol=contract) for contract in contracts]
        data = gpc_statement("2000000005", "Lab ISP", self._statements, self._balance, movements, DUE_ON)
        self._balance += Money.total(movement.amount for movement in movements)
        path = self.folder / f"statement-{self._statements}.gpc"
        path.write_bytes(data)
        at.hradlo("payments", "import", str(path))

    def mails(self) -> list[tuple[str, str]]:
        """Contract and kind of every mail that was written."""

        async def read(session: AsyncSession) -> list[tuple[str, str]]:
            query = select(Contract.number, Mail.kind).join(Contract, Contract.id == Mail.contract_id)
            return [(number, kind) for number, kind in await session.execute(query)]

        return self._in_store(read)

    def verify_journal(self) -> None:
        self._in_store(journal.verify)

    def _in_store(self, work: Callable[[AsyncSession], Awaitable[Answer]]) -> Answer:
        async def run() -> Answer:
            store = Store.open(self.url)
            try:
                async with store.transaction() as session:
                    return await work(session)
            finally:
                await store.close()

        return asyncio.run(run())

    def wait_for(self, what: str, is_so: Callable[[], bool]) -> None:
        give_up_at = monotonic_seconds() + PATIENCE_SECONDS
        while not is_so():
            if monotonic_seconds() > give_up_at:
                said = "".join(f"\n{each.site}: {each.log[-2000:]}" for each in self.gateways)
                raise AssertionError(f"Waited for {what} in vain.{said}")
            time.sleep(0.05)

    def _start_internet(self, gateway: Gateway) -> None:
        folder = gateway.folder
        for name in self.folder.glob("portal*"):
            (folder / name.name).write_bytes(name.read_bytes())
        gateway.topology.internet.start(sys.executable, "-m", "daemon.lab.internet", str(folder))
        self.wait_for(f"the internet of {gateway.site}", (folder / "internet-is-up").exists)

    def release_the_brake(self) -> None:
        """A person has looked at what Hradlo would do here."""
        settings, clock = load(self.gateways[0].folder / "hradlo.toml"), OffsetClock(self.folder / "clock-offset")

        async def work() -> None:
            store = Store.open(self.url)
            await release(store, settings, clock, Verdict(), actor="test", why="the story begins")
            await store.close()

        asyncio.run(work())

    def _import_people(self) -> None:
        columns = "customer_number,name,email,phone,street,city,postal_code,language,password"
        customers = _csv(columns, *(f"{n},Subscriber {n},{n}@isp.example,,,,,en," for n in SITES.values()))
        columns = "contract_number,customer_number,kind,product,price,starts_on,addresses,site"
        line = f"internet,Fiber,599.00,2024-01-01,{net.SUBSCRIBER_V4}"
        services = _csv(columns, *(f"{number},{number},{line},{site}" for site, number in SITES.items()))
        row = f"2026-02-16,{DUE_ON},{DEBT},{DEBT}"
        invoices = _csv(INVOICE_COLUMNS, *(f"2600{number},{number},{row}" for number in SITES.values()))
        now = datetime(DUE_ON.year, DUE_ON.month, DUE_ON.day, 9, tzinfo=UTC)

        async def work(session: AsyncSession) -> None:
            people = read_customers(customers, "customers.csv")
            await import_customers(session, people, {}, actor="test", now=now, language="cs")
            await import_services(
                session, read_services(services, "services.csv"), actor="test", today=now.date(), now=now
            )
            await import_invoices(
                session, read_invoices(invoices, "invoices.csv"), actor="test", today=now.date(), now=now
            )

        self._in_store(work)


def _csv(header: str, *rows: str) -> bytes:
    return "\n".join([header, *rows, ""]).encode()
