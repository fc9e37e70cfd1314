"""Subscribers at addresses of loopback, and the web role that serves them: what portal's tests share."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, insert, select

from billing.customers.tables import Contract, Customer
from billing.dunning.facts import Stage
from billing.dunning.tables import Acknowledgement, Line, Notice, Showing, Standing
from billing.invoicing.tables import Invoice
from billing.money import Money
from billing.services.tables import Product, Service, ServiceAddress
from billing.store import journal
from billing.store.engine import Store
from config.clock import TestClock
from config.settings import Settings, parse
from portal.server import Serving, serve

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ANNA, BORIS, NOBODY = "127.0.0.2", "127.0.0.3", "127.0.0.99"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings_in(folder: Path, port: int, extra: str = "", notice: str = "") -> Settings:
    """Settings with a signing key, for a notice server on loopback."""
    secrets = folder / "secrets"
    secrets.mkdir(exist_ok=True)
    (secrets / "signing_key").write_text("k" * 43)
    return parse(
        f"""
        [isp]
        name = "Podhorská síť"
        phone = "+420 321 654 987"
        email = "podpora@podhorska.example"
        portal_url = "https://portal.podhorska.example"
        iban = "CZ6508000000192000145399"
        [secrets]
        directory = "{secrets}"
        [notice]
        url = "http://127.0.0.1:{port}"
        listen = ["127.0.0.1:{port}"]
        {notice}
        [enforcement]
        driver = "dryrun"
        garden = ["www.csas.cz"]
        {extra}
        """
    )


async def add_subscriber(
    store: Store,
    number: str,
    networks: Sequence[str],
    *,
    stage: Stage = Stage.NOTICE,
    invoices: Mapping[str, str] | None = None,
    acknowledged_at: datetime | None = None,
    line: str = "",
    site: str = "main",
) -> int:
    """A contract in a stage, with its notice and line as the engine would have written them; its id."""
    async with store.transaction() as session:
        customer = Customer(number=f"C{number}", name=f"Subscriber {number}")
        session.add(customer)
        await session.flush()
        contract = Contract(number=number, customer_id=customer.id)
        session.add(contract)
        await session.flush()
        product = (
            await session.scalar(select(Product.id))
            or (
                await session.execute(insert(Product).values(kind="internet", name="Net").returning(Product.id))
            ).scalar_one()
        )
        service = Service(contract_id=contract.id, product_id=product, starts_on=date(2024, 1, 1))
        session.add(service)
        await session.flush()
        session.add_all(ServiceAddress(service_id=service.id, site=site, network=network) for network in networks)
        for invoice_number, amount in (invoices or {f"{number}1": "599.00"}).items():
            session.add(
                Invoice(
                    number=invoice_number,
                    contract_id=contract.id,
                    issued_on=date(2026, 10, 1),
                    due_on=date(2026, 10, 14),
                    total=Money.parse(amount),
                    open=Money.parse(amount),
                    created_at=NOW,
                )
            )
        await session.flush()
        session.add(Standing(contract_id=contract.id, stage=stage.value, why="ripe", since_at=NOW))
        if (line or stage.line) != "open":
            session.add(Line(contract_id=contract.id, site=site, state=line or stage.line, since_at=NOW))
        if stage in (Stage.NOTICE, Stage.ACKNOWLEDGED, Stage.SUSPENDED):
            notice = Notice(contract_id=contract.id, opened_at=NOW - timedelta(days=20))
            session.add(notice)
            await session.flush()
            if acknowledged_at:
                await _acknowledged(session, notice.id, contract.id, acknowledged_at)
        await journal.append(session, at=NOW, actor="test", action="service.imported", contract_id=contract.id)
        return contract.id


async def _acknowledged(session: Any, notice_id: int, contract_id: int, at: datetime) -> None:
    from billing.dunning.tables import AcknowledgedInvoice

    acknowledgement = Acknowledgement(
        notice_id=notice_id,
        at=at,
        source_address=ANNA,
        user_agent="",
        language="cs",
        text="",
        token_sha256=f"{notice_id:064d}",
    )
    session.add(acknowledgement)
    await session.flush()
    for invoice in await session.scalars(select(Invoice).where(Invoice.contract_id == contract_id)):
        session.add(
            AcknowledgedInvoice(acknowledgement_id=acknowledgement.id, invoice_id=invoice.id, open=invoice.open)
        )


async def set_line(store: Store, contract_id: int, state: str) -> None:
    async with store.transaction() as session:
        await session.execute(delete(Line).where(Line.contract_id == contract_id))
        if state != "open":
            session.add(Line(contract_id=contract_id, state=state, since_at=NOW))


async def count(store: Store, table: type[Any]) -> int:
    async with store.reading() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def acknowledgements(store: Store) -> list[Acknowledgement]:
    async with store.reading() as session:
        return list(await session.scalars(select(Acknowledgement)))


async def showings(store: Store) -> list[Showing]:
    async with store.reading() as session:
        return list(await session.scalars(select(Showing)))


@dataclass(frozen=True)
class Reply:
    """One response as it was on the wire, but for spaces that do not break."""

    status: int
    headers: dict[str, str]
    body: str
    raw_headers: tuple[tuple[str, str], ...] = field(default=())

    @property
    def location(self) -> str:
        return self.headers.get("location", "")

    @property
    def token(self) -> str:
        found = re.search(r'name="token" value="([^"]+)"', self.body)
        return found[1] if found else ""

    @property
    def wanted(self) -> str:
        found = re.search(r'name="wanted" value="([^"]*)"', self.body)
        return found[1] if found else ""


@dataclass
class Gateway:
    """The running web role, and its subscribers' browsers."""

    settings: Settings
    store: Store
    clock: TestClock
    serving: Serving
    rings: list[int]
    port: int

    @property
    def url(self) -> str:
        return self.settings.notice.url

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def raw(self, data: bytes, source: str = ANNA, *, to: str = "127.0.0.1", ends: bool = False) -> bytes:
        """Everything that comes back for some bytes."""
        reader, writer = await asyncio.open_connection(to, self.port, local_addr=(source, 0))
        try:
            writer.write(data)
            if ends:
                writer.write_eof()
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async def ask(
        self,
        method: str = "GET",
        target: str = "/",
        *,
        source: str = ANNA,
        host: str = "",
        headers: Mapping[str, str] | None = None,
        body: str = "",
    ) -> Reply:
        """One request from a subscriber's address, to our own host if none is given."""
        lines = {"Host": host or self.host, **(headers or {})}
        if body or method == "POST":
            lines.setdefault("Content-Type", "application/x-www-form-urlencoded")
            lines.setdefault("Content-Length", str(len(body.encode())))
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        answer = await self.raw(
            f"{method} {target} HTTP/1.1\r\n{head}\r\n{body}".encode("utf-8", "surrogateescape"), source
        )
        return parse_reply(answer)

    async def acknowledge(
        self,
        token: str,
        *,
        source: str = ANNA,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        wanted: str = "",
    ) -> Reply:
        return await self.ask(
            method, "/acknowledge", source=source, headers=headers, body=f"token={token}&wanted={wanted}"
        )


def parse_reply(data: bytes) -> Reply:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = tuple((name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
    return Reply(
        int(first.split(" ")[1]), dict(pairs), body.decode("utf-8", "replace").replace("\N{NO-BREAK SPACE}", " "), pairs
    )


@asynccontextmanager
async def gateway(
    store: Store, folder: Path, *, notice: str = "", has_engine: bool = True, settings: Settings | None = None
) -> AsyncIterator[Gateway]:
    """The web role on loopback, with a clock that stands at `NOW`, and an engine that opens acknowledged lines."""
    port = free_port()
    # Generous by default: one loopback address asks for many in these tests.
    limits = notice or "requests_per_minute = 1000000\nconnections_per_address = 1000"
    settings = settings or settings_in(folder, port, notice=limits)
    clock, rings, bell = TestClock(NOW), list[int](), asyncio.Event()

    def ring() -> None:
        rings.append(1)
        bell.set()

    async with asyncio.TaskGroup() as group:
        engine = group.create_task(_open_acknowledged_lines(store, bell)) if has_engine else None
        async with serve(settings, store, clock, ring) as serving:
            yield Gateway(settings, store, clock, serving, rings, port)
        if engine:
            engine.cancel()


async def _open_acknowledged_lines(store: Store, bell: asyncio.Event) -> None:
    """What the engine does after a ring, as far as the web role can see it."""
    while True:
        await bell.wait()
        bell.clear()
        async with store.transaction() as session:
            acknowledged = select(Notice.contract_id).join(Acknowledgement, Acknowledgement.notice_id == Notice.id)
            await session.execute(delete(Line).where(Line.contract_id.in_(acknowledged)))
