"""A small ISP for tests: contracts with an address and invoices, a clock, a reconciler on a dry-run driver.

Everything goes through the same operations that the commands use; nothing is written past them.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from billing.customers.operations import import_customers
from billing.customers.rules import read_customers
from billing.dunning.notices import acknowledge, line_of, view
from billing.dunning.operations import contract_id_of
from billing.dunning.policy import Policy
from billing.dunning.tables import Standing
from billing.invoicing.operations import import_invoices
from billing.invoicing.rules import read_invoices
from billing.money import ZERO, Money
from billing.payments.banks.detect import read
from billing.payments.importing import ImportReport, import_statements
from billing.services.operations import import_services
from billing.services.rules import read_services
from billing.store.engine import Store
from billing.store.tables import Mail
from config.clock import TestClock
from config.settings import Settings, parse
from daemon.braking import Verdict, release
from daemon.demo.bank import Movement, gpc_statement
from daemon.reconcile import Reconciler, Round
from enforcement.dryrun import DryRunDriver
from enforcement.state import Address, LineState

# A Monday in a month without Czech holidays, in working hours.
DUE_ON = date(2026, 3, 2)
ACCOUNT = "2000000005"

SETTINGS = """
[isp]
name = "Test ISP"
iban = "CZ6508000000192000145399"
[mail]
sender = "Test ISP <billing@isp.example>"
[brake]
statement_age_days = 0
suspensions_per_day = 1000
notices_per_day = 1000
[enforcement]
driver = "dryrun"
"""


def at(day: date, hour: int = 12) -> datetime:
    """Noon, more or less, of a day in Prague."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour - 1)


@dataclass
class Isp:
    """The ISP under test."""

    store: Store
    folder: Path
    clock: TestClock = field(default_factory=lambda: TestClock(at(DUE_ON)))
    driver: DryRunDriver = field(default_factory=DryRunDriver)
    settings: Settings = field(init=False)
    reconciler: Reconciler = field(init=False)
    _balance: Money = ZERO
    _statements: int = 0
    _is_released: bool = False

    def __post_init__(self) -> None:
        (self.folder / "signing_key").write_text("k" * 40, encoding="ascii")
        secrets = f'[secrets]\ndirectory = "{self.folder}"\n[daemon]\nruntime_directory = "{self.folder}"\n'
        secrets += f'state_directory = "{self.folder}"\n'
        self.settings = parse(SETTINGS + secrets)
        self.restart()

    async def release(self) -> None:
        """A person has looked at what Hradlo does here, by these settings, and lets it happen."""
        await release(self.store, self.settings, self.clock, Verdict(), actor="test", why="")
        self._is_released = True

    def restart(self) -> None:
        """A new engine, on the network that the old one left."""
        drivers = {self.settings.enforcement.site: self.driver}
        self.reconciler = Reconciler(self.settings, self.store, drivers, self.clock)

    async def add(
        self,
        number: str,
        addresses: str,
        *,
        email: str = "",
        language: str = "cs",
        site: str = "",
        product: str = "Fiber",
    ) -> None:
        """A contract of a customer of its own, with addresses separated by spaces."""
        if not self._is_released:
            await self.release()
        customer = (
            "customer_number,name,email,phone,street,city,postal_code,language,password\n"
            f"{number},Jana Nováková {number},{email},,,,,{language},\n"
        )
        service = (
            "contract_number,customer_number,kind,product,price,starts_on,addresses,site\n"
            f"{number},{number},internet,{product},599.00,2024-01-01,{addresses},{site}\n"
        )
        now = self.clock.now()
        async with self.store.transaction() as session:
            await import_customers(
                session, read_customers(customer.encode(), "c.csv"), {}, actor="test", now=now, language="cs"
            )
            await import_services(
                session, read_services(service.encode(), "s.csv"), actor="test", today=now.date(), now=now
            )

    async def invoice(self, number: str, contract: str, due_on: date = DUE_ON, total: str = "599.00") -> None:
        issued_on = due_on - timedelta(days=14)
        await self.invoice_row(f"{number},{contract},{issued_on},{due_on},{total},{total}")

    async def invoice_row(self, row: str) -> None:
        sheet = read_invoices(f"number,contract_number,issued_on,due_on,total,open\n{row}\n".encode(), "i.csv")
        async with self.store.transaction() as session:
            await import_invoices(session, sheet, actor="test", today=self.clock.now().date(), now=self.clock.now())

    def statement(self, *movements: Movement) -> bytes:
        """The next GPC file of the account."""
        self._statements += 1
        data = gpc_statement(
            account=ACCOUNT,
            account_name="Test ISP",
            number=self._statements,
            old_balance=self._balance,
            movements=movements,
            on=self.clock.now().date(),
        )
        self._balance += Money.total(movement.amount for movement in movements)
        return data

    async def pay(self, amount: str, variable_symbol: str, specific_symbol: str = "") -> ImportReport:
        """A payment arrives by a bank statement."""
        movement = Movement(Money.parse(amount), variable_symbol=variable_symbol, specific_symbol=specific_symbol)
        return await self.import_bytes(self.statement(movement))

    async def import_bytes(self, data: bytes) -> ImportReport:
        async with self.store.transaction() as session:
            return await import_statements(session, read(data), "test.gpc", self.clock.now())

    async def acknowledge(self, contract: str) -> bool:
        now = self.clock.now()
        async with self.store.transaction() as session:
            contract_id = await contract_id_of(session, contract)
            shown = await view(session, contract_id, Policy.from_settings(self.settings), now)
            return await acknowledge(
                session,
                view=shown,
                source_address="10.0.0.1",
                user_agent="test",
                language="cs",
                text="the text",
                token=f"token {shown.notice_id}",
                now=now,
            )

    async def settle(self) -> list[Round]:
        return await self.reconciler.settle()

    async def settle_at(self, moment: datetime) -> list[Round]:
        self.clock.move_to(moment)
        return await self.reconciler.settle()

    async def line(self, address: str) -> LineState:
        """What the network does to an address."""
        parsed = Address.parse(address)
        return (await self.driver.look_at([parsed]))[parsed]

    async def recorded_line(self, contract: str) -> str:
        async with self.store.reading() as session:
            return await line_of(session, await contract_id_of(session, contract))

    async def stage(self, contract: str) -> str:
        async with self.store.reading() as session:
            contract_id = await contract_id_of(session, contract)
            return await session.scalar(select(Standing.stage).where(Standing.contract_id == contract_id)) or "clear"

    async def mails(self) -> list[str]:
        """The kinds of mails that were written, in order."""
        async with self.store.reading() as session:
            return list((await session.scalars(select(Mail.kind).order_by(Mail.id))).all())
