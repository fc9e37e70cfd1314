"""Fifty-odd ways of being wrong, through the real imports and the real engine: nobody beyond the limit is restricted.

A village of 120 lines: ten suspensions and fifty notices in 24 hours are allowed. Fifteen people read their notice, and
their grace ends this morning; twelve of them paid yesterday, so three are to be suspended. Then something goes wrong.
Whatever it is, 1100, who is suspended, pays in cash afterwards, and must be connected at once.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from billing.customers.operations import import_customers
from billing.customers.rules import read_customers
from billing.dunning.operations import contract_id_of
from billing.dunning.tables import Restriction, Standing
from billing.invoicing.operations import import_invoices
from billing.invoicing.rules import read_invoices
from billing.money import Money
from billing.payments.operations import record
from billing.services.operations import import_services
from billing.services.rules import read_services
from billing.store import journal
from billing.store.engine import Store
from config.errors import HradloError, InputRejected
from config.settings import parse
from daemon import braking
from daemon.demo.bank import Movement
from daemon.reconcile import Reconciler
from daemon.witness import FILE_NAME, Witness, stay_awake
from enforcement.dryrun import DryRunDriver
from enforcement.state import LineState
from tests.scenario import DUE_ON, SETTINGS, Isp, at

NUMBERS = [str(number) for number in range(1001, 1121)]
READERS, PAYERS, SUSPENDED = NUMBERS[:15], NUMBERS[:12], "1100"
NOTICE_ON = DUE_ON + timedelta(days=14)
SUSPEND_ON = NOTICE_ON + timedelta(days=10)
YESTERDAY = SUSPEND_ON - timedelta(days=1)
DEBT = Money(599_00)
DAILY = 12
"""Payments that come each working day, from people who are no part of this."""
VILLAGE = SETTINGS.replace("statement_age_days = 0", "").replace("suspensions_per_day = 1000", "")
VILLAGE = VILLAGE.replace("notices_per_day = 1000", "")
INVOICES = "number,contract_number,issued_on,due_on,total,open\n"


@dataclass
class Village(Isp):
    """The ISP with its witness, on the morning on which something goes wrong."""

    statements: dict[date, bytes] = field(default_factory=dict)

    def configure(self, text: str = VILLAGE) -> None:
        folders = f'[secrets]\ndirectory = "{self.folder}"\n[daemon]\nruntime_directory = "{self.folder}"\n'
        self.settings = parse(f'{text}{folders}state_directory = "{self.folder}"\n')
        self.restart()

    def restart(self) -> None:
        witness = Witness(self.folder, self.clock)
        drivers = {"main": self.driver}
        self.reconciler = Reconciler(self.settings, self.store, drivers, self.clock, witness=witness)

    async def import_csv(self, text: str) -> None:
        """Invoices, as another program exports them."""
        sheet = read_invoices(text.encode(), "i.csv")
        async with self.store.transaction() as session:
            await import_invoices(session, sheet, actor="test", today=self.clock.now().date(), now=self.clock.now())

    async def import_services(self, text: str) -> None:
        async with self.store.transaction() as session:
            sheet = read_services(text.encode(), "s.csv")
            await import_services(session, sheet, actor="test", today=self.clock.now().date(), now=self.clock.now())

    async def cash(self, contract: str) -> None:
        now = self.clock.now()
        async with self.store.transaction() as session:
            await record(session, contract, DEBT, on=SUSPEND_ON, why="cash", actor="t", now=now)

    async def restricted_today(self) -> dict[str, int]:
        """Decisions since this morning, as they were recorded."""
        query = select(Restriction.line, func.count()).where(Restriction.at > at(YESTERDAY, 23))
        async with self.store.reading() as session:
            return dict(iter((await session.execute(query.group_by(Restriction.line))).all()))


def payments(payers: list[str], amount: Money = DEBT, ours: int = DAILY) -> list[Movement]:
    strangers = [Movement(Money(10_00 + n), variable_symbol=f"77{n:03}") for n in range(ours)]
    return [*(Movement(amount, variable_symbol=payer) for payer in payers), *strangers]


def sheet(due_on: str, issued_on: str, amount: str = "599.00", first: int = 30000000, contracts: int = 105) -> str:
    """A new invoice for each who has none open."""
    rows = [
        f"{first + n},{NUMBERS[15 + n]},{issued_on},{due_on},{amount},{amount}"
        for n in range(contracts)
        if NUMBERS[15 + n] != SUSPENDED
    ]
    return INVOICES + "\n".join(rows) + "\n"


# ── the village, built once ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Built:
    """Files to be copied."""

    database: Path
    older: Path
    """A backup, made before yesterday's payments."""
    balance: Money
    statements: int


@pytest.fixture(scope="module")
def built(migrated_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("village")
    return asyncio.run(_build(folder, Path(shutil.copy(migrated_database, folder / "hradlo.db"))))


async def _build(folder: Path, database: Path) -> Built:
    store = Store.open(f"sqlite:///{database}")
    village = Village(store, folder)
    village.configure()
    await _people(village)
    for back in range(64, 1, -1):
        day = SUSPEND_ON - timedelta(days=back)
        if day.weekday() < 5:
            village.clock.move_to(at(day))
            await village.import_bytes(village.statement(*payments([])))
        if day == NOTICE_ON:
            await _notice_and_read(village)
    await village.release()
    await store.close()
    older = Path(shutil.copy(database, folder / "older.db"))
    store = Store.open(f"sqlite:///{database}")
    village.store = store
    async with store.transaction() as session:
        await journal.append(session, at=village.clock.now(), actor="test", action="life.goes.on")
    await store.close()
    return Built(database, older, village._balance, village._statements)


async def _people(village: Village) -> None:
    village.clock.move_to(at(SUSPEND_ON - timedelta(days=70)))
    customers = "customer_number,name,email,phone,street,city,postal_code,language,password\n"
    customers += "".join(f"{number},Jana {number},,,,,,cs,\n" for number in NUMBERS)
    services = "contract_number,customer_number,kind,product,price,starts_on,addresses\n"
    services += "".join(
        f"{number},{number},internet,Fiber,599.00,2024-01-01,10.1.0.{int(number) - 1000}\n" for number in NUMBERS
    )
    now = village.clock.now()
    async with village.store.transaction() as session:
        await import_customers(
            session, read_customers(customers.encode(), "c.csv"), {}, actor="t", now=now, language="cs"
        )
        await import_services(session, read_services(services.encode(), "s.csv"), actor="t", today=now.date(), now=now)
    await village.release()
    rows = [f"2600{number},{number},2026-02-16,{DUE_ON},599.00,599.00\n" for number in (*READERS, SUSPENDED)]
    await village.import_csv(INVOICES + "".join(rows))


async def _notice_and_read(village: Village) -> None:
    stay_awake(village.folder, village.clock)
    await village.settle()
    for number in READERS:
        assert await village.acknowledge(number)
    await village.settle()


@pytest.fixture
async def village(built: Built, tmp_path: Path) -> AsyncIterator[Village]:
    """It is the morning; yesterday's statement has not been imported yet."""
    shutil.copy(built.database, tmp_path / "hradlo.db")
    store = Store.open(f"sqlite:///{tmp_path / 'hradlo.db'}")
    made = Village(store, tmp_path)
    made._is_released, made._balance, made._statements = True, built.balance, built.statements
    made.driver = DryRunDriver()
    made.configure()
    made.clock.move_to(at(YESTERDAY))
    made.statements = {YESTERDAY: made.statement(*payments(PAYERS))}
    made.clock.move_to(at(SUSPEND_ON, 14))
    async with store.reading() as session:
        made_note = Witness(tmp_path, made.clock)
        made_note.note(await journal.mark(session))
    await _suspend_1100(made)
    yield made
    await store.close()


async def _suspend_1100(village: Village) -> None:
    """It did not acknowledge; an admin's cable cutter stands in for its grace, so that it is suspended already."""
    async with village.store.transaction() as session:
        mine = Standing.contract_id == await contract_id_of(session, SUSPENDED)
        await session.execute(update(Standing).where(mine).values(stage="suspended", why="unanswered"))


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────────────────────

Act = Callable[[Village, Built, pytest.MonkeyPatch], Awaitable[None]]


def statement(change: Callable[[bytes], bytes] = bytes) -> Act:
    """Yesterday's statement, after something happened to the file."""

    async def act(village: Village, built: Built, patch: pytest.MonkeyPatch) -> None:
        await village.import_bytes(change(village.statements[YESTERDAY]))

    return act


def movements(make: Callable[[], list[Movement]]) -> Act:
    """A statement that adds up, of other movements than there should be."""

    async def act(village: Village, built: Built, patch: pytest.MonkeyPatch) -> None:
        village._balance, village._statements = built.balance, built.statements
        village.clock.jump_to(at(YESTERDAY))
        data = village.statement(*make())
        village.clock.jump_to(at(SUSPEND_ON, 14))
        await village.import_bytes(data)

    return act


def after_statement(then: Act) -> Act:
    async def act(village: Village, built: Built, patch: pytest.MonkeyPatch) -> None:
        await village.import_bytes(village.statements[YESTERDAY])
        await then(village, built, patch)

    return act


def invoices(text: str) -> Act:
    async def act(village: Village, built: Built, patch: pytest.MonkeyPatch) -> None:
        await village.import_csv(text)

    return after_statement(act)


def settings(old: str, new: str) -> Act:
    async def act(village: Village, built: Built, patch: pytest.MonkeyPatch) -> None:
        village.configure(VILLAGE.replace(old, new))

    return after_statement(act)


def clock(days: float) -> Act:
    async def act(village: Village, built: Built, patch: pytest.MonkeyPatch) -> None:
        await village.settle()  # the engine runs
        village.clock.jump_to(village.clock.now() + timedelta(days=days))

    return act


async def nothing(village: Village, built: Built, patch: pytest.MonkeyPatch) -> None:
    pass


async def late(village: Village, built: Built, patch: pytest.MonkeyPatch) -> None:
    village.clock.advance(days=7)
    stay_awake(village.folder, village.clock)


async def restored(village: Village, built: Built, patch: pytest.MonkeyPatch) -> None:
    await village.import_bytes(village.statements[YESTERDAY])
    await village.settle()
    village.restart()
    await village.store.close()
    for leftover in village.folder.glob("hradlo.db*"):
        leftover.unlink()
    shutil.copy(built.older, village.folder / "hradlo.db")
    village.store = Store.open(f"sqlite:///{village.folder / 'hradlo.db'}")
    await _suspend_1100(village)
    village.restart()


async def restored_and_went_on(village: Village, built: Built, patch: pytest.MonkeyPatch) -> None:
    await restored(village, built, patch)
    for n in range(40):
        await village.import_csv(f"{INVOICES}{31000000 + n},1100,2026-03-01,2026-04-30,1.00,0.00\n")


async def witness_lost(village: Village, built: Built, patch: pytest.MonkeyPatch) -> None:
    await village.import_bytes(village.statements[YESTERDAY])
    (village.folder / FILE_NAME).unlink()
    village.restart()


async def witness_damaged(village: Village, built: Built, patch: pytest.MonkeyPatch) -> None:
    await village.import_bytes(village.statements[YESTERDAY])
    (village.folder / FILE_NAME).write_text('{"at": 12')
    village.restart()


async def slept(village: Village, built: Built, patch: pytest.MonkeyPatch) -> None:
    await village.import_bytes(village.statements[YESTERDAY])
    village.clock.advance(days=1, hours=2)
    village.restart()


async def upgraded(village: Village, built: Built, patch: pytest.MonkeyPatch) -> None:
    await village.import_bytes(village.statements[YESTERDAY])
    patch.setattr(braking, "program_version", lambda: "99.0.0")


async def gap(village: Village, built: Built, patch: pytest.MonkeyPatch) -> None:
    """Yesterday's statement never arrives, today's does."""
    village.clock.jump_to(at(SUSPEND_ON, 14))
    await village.import_bytes(village.statement(*payments([])))


async def doubled(village: Village, built: Built, patch: pytest.MonkeyPatch) -> None:
    await village.import_bytes(village.statements[YESTERDAY])
    await village.import_bytes(village.statements[YESTERDAY])


async def wide_prefix(village: Village, built: Built, patch: pytest.MonkeyPatch) -> None:
    await village.import_bytes(village.statements[YESTERDAY])
    header = "contract_number,customer_number,kind,product,price,starts_on,addresses\n"
    await village.import_services(f"{header}1100,1100,internet,Fiber,599.00,2024-01-01,10.0.0.0/8\n")


def columns_shifted() -> str:
    return INVOICES + "".join(f"{number},2026-02-16,2026-03-02,599.00,599.00,3{number}\n" for number in NUMBERS)


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def each_line_twice(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    return lines[0] + b"".join(line * 2 for line in lines[1:])


def negated(data: bytes) -> bytes:
    """Every credit has become a debit, and the sums were left."""
    lines = data.split(b"\r\n")
    return b"\r\n".join(line[:60] + b"1" + line[61:] if line.startswith(b"075") else line for line in lines)


def shifted_rows() -> list[Movement]:
    return [Movement(DEBT, variable_symbol=str(int(payer) + 1)) for payer in PAYERS] + payments([])


LONG_AGO, RIPE, SOON = "2025-03-02", "2026-03-01", "2026-04-14"

SCENARIOS: dict[str, tuple[Act, str]] = {
    # the bank
    "all is well": (statement(), ""),
    "the statement does not come": (nothing, "volume"),
    "no statement for a week": (late, "stale"),
    "an empty statement": (statement(lambda data: b""), "volume"),
    "a statement of spaces": (statement(lambda data: b"   \r\n" * 20), "volume"),
    "a statement cut in the middle": (statement(half), "volume"),
    "a statement cut after its head": (statement(lambda data: data.splitlines(keepends=True)[0]), "volume"),
    "a statement without its last line": (statement(lambda d: b"".join(d.splitlines(keepends=True)[:-1])), "volume"),
    "a statement that is an error page": (statement(lambda data: b"<html>502 Bad Gateway</html>"), "volume"),
    "a statement in the wrong encoding": (statement(lambda data: data.decode("cp1250").encode("utf-16")), "volume"),
    "a statement imported twice": (doubled, ""),
    "a statement with each line twice": (statement(each_line_twice), "volume"),
    "a statement with every sign turned": (statement(negated), "volume"),
    "a statement of debits": (movements(lambda: payments(PAYERS, -DEBT)), "volume"),
    "a statement with one payment of all": (movements(lambda: payments([], ours=1)), "thin"),
    "a statement without any payment": (movements(list), "thin"),
    "a statement is missing in between": (gap, "gap"),
    "payments without symbols": (movements(lambda: [Movement(DEBT) for _ in PAYERS] + payments([])), "volume"),
    "payments of strangers only": (movements(lambda: payments([])), "volume"),
    "payments shifted by a row": (movements(shifted_rows), ""),
    "payments a hundred times too small": (movements(lambda: payments(PAYERS, Money(5_99))), "volume"),
    "payments a hundred times too large": (movements(lambda: payments(PAYERS, Money(59900_00))), ""),
    # invoices
    "an empty invoice file": (invoices(""), ""),
    "an invoice file of its head": (invoices(INVOICES), ""),
    "an invoice file cut in the middle": (invoices(sheet(RIPE, "2026-02-15")[:3000]), "volume"),
    "invoices with columns shifted": (invoices(columns_shifted()), ""),
    "invoices with blank due dates": (invoices(sheet("", "2026-02-15")), ""),
    "invoices due on 00-00-0000": (invoices(sheet("0000-00-00", "2026-02-15")), ""),
    "invoices due in 1970": (invoices(sheet("1970-01-01", "2026-02-15")), "parked"),
    "invoices issued and due in 1970": (invoices(sheet("1970-01-15", "1970-01-01")), "parked"),
    "invoices of a year ago by a typing mistake": (invoices(sheet(LONG_AGO, "2025-02-15")), "volume"),
    "invoices of five years ago": (invoices(sheet("2021-03-02", "2021-02-15")), "parked"),
    "invoices due in 2226": (invoices(sheet("2226-03-01", "2026-02-15")), "parked"),
    "invoices due a month too early": (invoices(sheet(RIPE, "2026-02-15")), "volume"),
    "invoices due as they should be": (invoices(sheet(SOON, "2026-03-31")), ""),
    "invoices with negative totals": (invoices(sheet(RIPE, "2026-02-15", "-599.00")), "parked"),
    "invoices in hellers": (invoices(sheet(RIPE, "2026-02-15", "59900.00")), "volume"),
    "invoices with decimal commas": (invoices(sheet(RIPE, "2026-02-15", "599,00")), ""),
    "the same invoices twice in a file": (invoices(sheet(RIPE, "2026-02-15") + sheet(RIPE, "2026-02-15")[55:]), ""),
    "sixty real debtors at once": (invoices(sheet(RIPE, "2026-02-15", contracts=60)), "volume"),
    "forty real debtors at once": (invoices(sheet(RIPE, "2026-02-15", contracts=40)), ""),
    "a service with half the internet as its address": (wide_prefix, ""),
    # settings
    "a grace of one day": (settings("[isp]", "[dunning]\ngrace_days = 1\n[isp]"), "policy"),
    "a notice after one day": (settings("[isp]", "[dunning]\nnotice_days = 1\nreminder_days = []\n[isp]"), "policy"),
    "no minimum debt": (settings("[isp]", "[dunning]\nminimum_debt = 0\n[isp]"), "policy"),
    "suspended without an answer": (settings("[isp]", "[dunning]\nsuspend_unacknowledged_days = 1\n[isp]"), "policy"),
    "suspended on Sundays at night": (
        settings("[isp]", "[dunning]\nquiet_from = 00:00:00\nquiet_until = 00:00:00\nspares_holidays = false\n[isp]"),
        "policy",
    ),
    "limits a hundred times as high": (settings("[brake]", "[brake]\nsuspensions_per_day = 1000"), "policy"),
    "a limit of nobody": (settings("[brake]", "[brake]\nsuspensions_per_day = 0\nsuspensions_percent = 0"), "policy"),
    "statements not asked about": (settings("[brake]", "[brake]\nstatement_age_days = 0"), "policy"),
    # the machine
    "the program was upgraded": (upgraded, "upgraded"),
    "the database of yesterday was restored": (restored, "restored"),
    "… and went on from there": (restored_and_went_on, "restored"),
    "the witness is lost": (witness_lost, "unseen"),
    "the witness is damaged": (witness_damaged, "unreadable"),
    "nobody looked for a day": (slept, "downtime"),
    "the clock jumps by two minutes": (clock(2 / 1440), "clock"),
    "the clock jumps by an hour": (clock(1 / 24), "clock"),
    "the clock jumps by a day": (clock(1), "clock"),
    "the clock jumps by a month": (clock(30), "clock"),
    "the clock jumps by a year": (clock(365), "clock"),
    "the clock jumps by ten years": (clock(3652), "clock"),
    "the clock jumps back by half an hour": (clock(-0.5 / 24), "clock"),
    "the clock jumps back by ten years": (clock(-3652), "refused"),
}


def test_there_are_more_than_fifty() -> None:
    assert len(SCENARIOS) >= 50


@pytest.mark.parametrize("name", SCENARIOS)
async def test_nobody_beyond_the_limit_is_restricted_when(
    village: Village, built: Built, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    act, expected = SCENARIOS[name]
    with suppress(InputRejected):  # refused whole, with every problem named: nothing of it was stored
        await act(village, built, monkeypatch)
    if expected == "refused":
        with pytest.raises(HradloError, match="the network stays as it is"):
            await village.settle()
        return
    await village.settle()

    today = await village.restricted_today()
    assert today.get("suspended", 0) <= 10
    assert today.get("notice", 0) <= 50
    known = village.reconciler.decider.known
    assert known is not None
    reasons = [reason.why.value for reason in known.verdict.reasons]
    assert (expected in reasons) if expected else not reasons
    await village.cash(SUSPENDED)
    await village.settle()
    assert await village.line("10.1.0.100") is LineState.OPEN
