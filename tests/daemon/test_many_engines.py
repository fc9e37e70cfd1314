"""Three gateways, an engine each, one PostgreSQL: everything is decided by all of them at once, and done once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning import brake
from billing.dunning.tables import Notice
from billing.money import Money
from billing.store import journal, presence
from billing.store.engine import Store
from billing.store.schema_version import upgrade
from billing.store.tables import Mail
from config.clock import TestClock
from config.settings import parse
from daemon import engine
from daemon.demo.bank import Movement
from daemon.engine import Engine
from daemon.reconcile import Reconciler
from daemon.witness import stay_awake
from enforcement.dryrun import DryRunDriver
from enforcement.state import Address, LineState, Observed
from tests.daemon.test_reconcile import NOTICE_ON, SUSPEND_ON
from tests.postgres import PostgresServer
from tests.scenario import DUE_ON, SETTINGS, Isp, at

pytestmark = pytest.mark.postgres

SITES = ("north", "south", "west")
SAME = "10.1.0.5"
CROWD = 40


class Watched(DryRunDriver):
    """A network that tells when somebody else emptied it."""

    def __init__(self) -> None:
        super().__init__()
        self._emptied = asyncio.Event()

    async def foreign_change(self) -> None:
        await self._emptied.wait()
        self._emptied.clear()

    def empty(self) -> None:
        self._observed = Observed({}, is_installed=False)
        self._emptied.set()

    def state_of(self, address: str) -> LineState:
        return self._observed.lines.get(Address.parse(address), LineState.OPEN)


class Lapse(TestClock):
    """Moved by days under running engines, which did not sleep that long."""

    def passed_seconds(self) -> float:
        return 0.0


@dataclass
class Gateways:
    """The ISP, as its office sees it, and three engines."""

    isp: Isp
    url: str
    drivers: dict[str, Watched]
    engines: list[Engine]

    def lines(self, address: str) -> dict[str, LineState]:
        return {site: driver.state_of(address) for site, driver in self.drivers.items()}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(engine, "RETRY_SECONDS", 0.2)


@pytest.fixture
async def isp(postgres_url: str, tmp_path: Path) -> AsyncIterator[Isp]:
    """Each gateway has a subscriber with the same private address, and a crowd."""
    store = Store.open(postgres_url)
    made = Isp(store, tmp_path, Lapse(at(DUE_ON)))
    await populate(made)
    yield made
    await store.close()


@pytest.fixture
async def suspended(mortal_postgres_server: PostgresServer, tmp_path: Path) -> AsyncIterator[tuple[Isp, str]]:
    """Everybody at all three gateways is suspended, on a database that goes away."""
    url = mortal_postgres_server.create_database()
    await upgrade(url)
    store = Store.open(url)
    made = Isp(store, tmp_path)
    await populate(made)
    await suspend_everybody(made)
    yield made, url
    await store.close()


async def populate(isp: Isp) -> None:
    for number, site in enumerate(SITES, 1001):
        await isp.add(str(number), SAME, site=site, email=f"{number}@isp.example")
    for number in range(2000, 2000 + CROWD):
        site = SITES[number % 3]
        await isp.add(str(number), f"10.2.0.{number - 2000}", site=site, email=f"{number}@isp.example")


@asynccontextmanager
async def running(isp: Isp, url: str) -> AsyncIterator[Gateways]:
    stay_awake(isp.folder, isp.clock)
    drivers = {site: Watched() for site in SITES}
    stores = [Store.open(url) for _ in SITES]
    engines = []
    for site, store in zip(SITES, stores, strict=True):
        folder = isp.folder / site
        folder.mkdir()
        text = SETTINGS.replace("[enforcement]", f'[enforcement]\nreconcile_seconds = 3600\nsite = "{site}"')
        places = f'[database]\nurl = "{url}"\n[secrets]\ndirectory = "{isp.folder}"\n'
        settings = parse(f'{text}{places}[daemon]\nruntime_directory = "{folder}"\nstate_directory = "{isp.folder}"\n')
        engines.append(Engine(settings, store, {site: drivers[site]}, isp.clock))
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each.run()) for each in engines]
        yield Gateways(isp, url, drivers, engines)
        for task in running:
            task.cancel()
    for store in stores:
        await store.close()


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while True:
            answer = condition()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.02)


async def mails(store: Store) -> Counter[tuple[str, int | None]]:
    async with store.reading() as session:
        rows = (await session.execute(select(Mail.kind, Mail.contract_id))).all()
        return Counter((kind, contract_id) for kind, contract_id in rows)


async def test_three_that_decide_at_once_about_a_crowd_write_everything_once(isp: Isp, postgres_url: str) -> None:
    for number in range(2000, 2000 + CROWD):
        await isp.invoice(f"26{number}", str(number))
    isp.clock.move_to(at(DUE_ON + timedelta(days=3)))
    with structlog.testing.capture_logs() as logs:
        await decide_at_once(isp, postgres_url)

    async with isp.store.reading() as session:
        notices = await session.scalar(select(func.count()).select_from(Notice))
        await journal.verify(session)
    assert notices == CROWD
    assert set((await mails(isp.store)).values()) == {1}
    assert [line for line in logs if line["log_level"] == "error"] == []  # nobody ran into another


async def decide_at_once(isp: Isp, url: str) -> None:
    """Reminders, then notices, of everybody in the crowd."""
    async with running(isp, url) as gateways:

        async def all_are_reminded() -> bool:
            return sum((await mails(isp.store)).values()) == CROWD

        await until(all_are_reminded)
        isp.clock.move_to(at(NOTICE_ON))
        await isp.add("9999", "10.9.9.9", site="west")  # somebody changes facts: everybody looks

        def all_are_noticed() -> bool:
            return sum(len(driver._observed.lines) for driver in gateways.drivers.values()) == CROWD

        await until(all_are_noticed)


async def test_a_payment_opens_the_line_at_the_right_gateway_and_touches_no_other(isp: Isp, postgres_url: str) -> None:
    await suspend_everybody(isp)
    async with running(isp, postgres_url) as gateways:
        await until(lambda: set(gateways.lines(SAME).values()) == {LineState.SUSPENDED})
        await isp.pay("599.00", "1002")  # nobody rings: PostgreSQL does

        await until(lambda: gateways.drivers["south"].state_of(SAME) is LineState.OPEN)
        assert gateways.drivers["north"].state_of(SAME) is LineState.SUSPENDED
        assert gateways.drivers["west"].state_of(SAME) is LineState.SUSPENDED

        async def is_said() -> bool:
            return (await isp.mails()).count("restored") == 1

        await until(is_said)


async def suspend_everybody(isp: Isp) -> None:
    """As the engines of yesterday did; today's gateways have forgotten it."""
    for number in ("1001", "1002", "1003"):
        await isp.invoice(f"26{number}", number)
    yesterday = Reconciler(isp.settings, isp.store, {site: DryRunDriver() for site in SITES}, isp.clock)
    isp.clock.move_to(at(NOTICE_ON))
    await yesterday.settle()
    for number in ("1001", "1002", "1003"):
        await isp.acknowledge(number)
    isp.clock.move_to(at(SUSPEND_ON, 15))
    await yesterday.settle()


async def test_exactly_one_of_them_sends_the_mail_and_asks_the_bank(isp: Isp, postgres_url: str) -> None:
    async with running(isp, postgres_url) as gateways:
        await until(lambda: sum(each._presence.is_on_duty for each in gateways.engines) == 1)


async def test_while_the_database_is_away_a_gateway_heals_what_it_knows_and_then_catches_up(
    suspended: tuple[Isp, str], mortal_postgres_server: PostgresServer
) -> None:
    isp, url = suspended
    async with running(isp, url) as gateways:
        await until(lambda: set(gateways.lines(SAME).values()) == {LineState.SUSPENDED})
        await asyncio.to_thread(mortal_postgres_server.stop)

        gateways.drivers["north"].empty()
        await until(lambda: gateways.drivers["north"].state_of(SAME) is LineState.SUSPENDED)

        await asyncio.to_thread(mortal_postgres_server.start)
        await isp.pay("599.00", "1001")

        await until(lambda: gateways.drivers["north"].state_of(SAME) is LineState.OPEN)
        assert gateways.drivers["south"].state_of(SAME) is LineState.SUSPENDED


async def test_a_database_that_goes_away_while_the_brake_is_read_says_nothing_against_what_is_in_force(
    suspended: tuple[Isp, str], mortal_postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    isp, _ = suspended
    networks = {site: DryRunDriver() for site in SITES}
    reconciler = Reconciler(isp.settings, isp.store, networks, isp.clock)
    await reconciler.settle()
    read = brake.accepted

    async def away_after_the_first_answer(session: AsyncSession) -> Any:
        answer = await read(session)
        await asyncio.to_thread(mortal_postgres_server.stop)
        return answer

    monkeypatch.setattr(brake, "accepted", away_after_the_first_answer)
    with pytest.raises((DBAPIError, OSError)):
        await reconciler.look()
    await isp.store.close()
    await asyncio.to_thread(mortal_postgres_server.start)  # the module's other tests need it

    north = networks["north"]
    north._observed = Observed({}, is_installed=False)  # somebody else emptied it
    await reconciler.enforcers[0].round()
    assert north._observed.lines == {Address.parse(SAME): LineState.SUSPENDED}


async def test_subscribers_acknowledge_and_pay_while_three_engines_decide_and_nobody_waits_for_ever(
    isp: Isp, postgres_url: str
) -> None:
    """An acknowledgement, a payment and a closing notice want the same rows: they take turns, none is given up."""
    crowd = [str(number) for number in range(2000, 2000 + CROWD)]
    for number in crowd:
        await isp.invoice(f"26{number}", number)
    isp.clock.move_to(at(NOTICE_ON))
    with structlog.testing.capture_logs() as logs:
        async with running(isp, postgres_url) as gateways:

            def restricted() -> int:
                return sum(len(driver._observed.lines) for driver in gateways.drivers.values())

            await until(lambda: restricted() == CROWD)
            statement = isp.statement(*(Movement(Money.parse("599.00"), variable_symbol=each) for each in crowd))
            doing = [isp.acknowledge(number) for number in crowd]
            answers = await asyncio.gather(*doing[::2], isp.import_bytes(statement), *doing[1::2])
            await until(lambda: restricted() == 0)

    assert len(answers) == CROWD + 1
    assert [line for line in logs if line["log_level"] == "error"] == []
    async with isp.store.reading() as session:
        await journal.verify(session)
        open_notices = await session.scalar(select(func.count()).where(Notice.closed_at.is_(None)))
    assert open_notices == 0
