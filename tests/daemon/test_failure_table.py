"""What happens when something fails: the table of docs/reliability.md, a test for each of its rows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from sqlalchemy import delete, insert, text

from billing.dunning.case import Case
from billing.dunning.operations import contract_id_of, hold
from billing.dunning.operations import release as end_hold
from billing.dunning.reading import load_facts, parked
from billing.dunning.tables import Standing
from billing.money import Money
from billing.payments.operations import record
from billing.store.engine import Store
from config.errors import DriverError
from config.settings import parse
from daemon import notice_health
from daemon.engine import Engine
from daemon.notice_health import NoticeHealth
from daemon.reconcile import Reconciler
from daemon.status import read_status
from daemon.witness import Witness, stay_awake
from enforcement.dryrun import DryRunDriver
from enforcement.state import LineState, Observed
from tests.scenario import DUE_ON, SETTINGS, Isp, at

NOTICE_ON = DUE_ON + timedelta(days=14)
SUSPEND_ON = NOTICE_ON + timedelta(days=10)
ONE, TWO, THREE = "10.1.0.1", "10.1.0.2", "10.1.0.3"


@pytest.fixture
async def isp(store: Store, tmp_path: Path) -> Isp:
    """1001 is suspended, 1002 has the notice, 1003 owes nothing."""
    made = Isp(store, tmp_path)
    for number, address in ((1001, ONE), (1002, TWO), (1003, THREE)):
        await made.add(str(number), address)
    await made.invoice("26000001", "1001")
    await made.settle_at(at(NOTICE_ON))
    await made.acknowledge("1001")
    await made.invoice("26000002", "1002", DUE_ON + timedelta(days=5))
    await made.settle_at(at(SUSPEND_ON, 15))
    assert await lines(made) == ["suspended", "notice", "open"]
    return made


async def lines(isp: Isp) -> list[str]:
    """What the network does to the three."""
    return [str(await isp.line(address)) for address in (ONE, TWO, THREE)]


def configure(isp: Isp, text: str) -> None:
    """Other settings, and an engine that runs by them."""
    folders = f'[secrets]\ndirectory = "{isp.folder}"\n[daemon]\nruntime_directory = "{isp.folder}"\n'
    isp.settings = parse(text + folders + f'state_directory = "{isp.folder}"\n')
    isp.restart()


async def ripen_1003(isp: Isp) -> None:
    """1003 is about to get the notice."""
    await isp.invoice("26000003", "1003", DUE_ON)


async def set_stage(isp: Isp, contract: str, stage: str) -> None:
    """A newer version wrote it, or somebody meddled."""
    async with isp.store.transaction() as session:
        contract_id = await contract_id_of(session, contract)
        await session.execute(delete(Standing).where(Standing.contract_id == contract_id))
        row = {"contract_id": contract_id, "stage": stage, "why": "", "since_at": isp.clock.now(), "parked_why": ""}
        await session.execute(insert(Standing).values(**row))


# ── row by row ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_daemon_stopped_crashed_upgrading__fail_static(isp: Isp) -> None:
    stay_awake(isp.folder, isp.clock)
    plans = len(isp.driver.plans)
    async with asyncio.TaskGroup() as tasks:
        engine = tasks.create_task(Engine(isp.settings, isp.store, {"main": isp.driver}, isp.clock).run())
        await asyncio.sleep(0)
        engine.cancel()

    assert await lines(isp) == ["suspended", "notice", "open"]
    isp.restart()
    await isp.settle()
    assert len(isp.driver.plans) == plans


async def test_notice_page_down__open_for_notice_and_suspended_stays(isp: Isp) -> None:
    [enforcer] = isp.reconciler.enforcers
    enforcer.shows_notices = False
    await isp.settle()
    assert await lines(isp) == ["suspended", "open", "open"]
    assert await isp.recorded_line("1002") == "notice"  # it is no restoration, and nobody is told of one

    enforcer.shows_notices = True
    await isp.settle()
    assert await lines(isp) == ["suspended", "notice", "open"]


async def test_notice_page_down__it_takes_three_failures_in_a_row_and_one_answer_ends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[bool] = []
    async with page_at() as page:
        health = NoticeHealth(parse(f'[notice]\nurl = "http://127.0.0.1:{page.port}"'), told.append)
        page.answer = b"HTTP/1.1 500 Internal Server Error\r\n\r\n"
        for _ in range(2):
            await health.check()
        assert told == []
        page.answer = b"HTTP/1.1 200 OK\r\n\r\n"
        await health.check()
        page.answer = b""
        monkeypatch.setattr(notice_health, "PATIENCE_SECONDS", 0.1)
        for _ in range(4):
            await health.check()
        assert told == [False]
        page.answer = b"HTTP/1.1 429 Too Many Requests\r\n\r\n"
        await health.check()

    assert told == [False, True]
    for _ in range(3):
        await health.check()  # nobody listens any more
    assert told == [False, True, False]


class Page:
    """A notice server that answers what it is told to; without an answer it is silent."""

    port = 0
    answer = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        if self.answer:
            writer.write(self.answer)
        else:
            await asyncio.sleep(0.5)
        writer.close()


@asynccontextmanager
async def page_at() -> AsyncIterator[Page]:
    page = Page()
    server = await asyncio.start_server(page.serve, "127.0.0.1", 0)
    page.port = server.sockets[0].getsockname()[1]
    async with server:
        yield page


async def test_database_unreachable__freeze(isp: Isp, monkeypatch: pytest.MonkeyPatch) -> None:
    await ripen_1003(isp)
    isp.restart()
    async with isp.store.transaction() as session:
        await session.execute(text("ALTER TABLE standing RENAME TO gone"))
    with pytest.raises(Exception, match="no such table"):
        await isp.settle()

    assert await lines(isp) == ["suspended", "notice", "open"]
    async with isp.store.transaction() as session:
        await session.execute(text("ALTER TABLE gone RENAME TO standing"))
    await isp.settle()
    assert await lines(isp) == ["suspended", "notice", "notice"]


async def test_bank_import_late__no_new_restrictions_and_restores_go_on(isp: Isp) -> None:
    await isp.pay("1.00", "1002")  # the last statement
    configure(isp, SETTINGS.replace("statement_age_days = 0", "statement_age_days = 3"))
    await isp.release()
    await ripen_1003(isp)
    isp.clock.advance(days=6)  # a Wednesday: Friday, Monday and Tuesday are not covered
    await isp.settle()
    assert await lines(isp) == ["suspended", "notice", "notice"]

    isp.clock.advance(days=1)
    await isp.add("1004", "10.1.0.4")
    await isp.invoice("26000004", "1004")
    await isp.settle()
    assert await isp.line("10.1.0.4") is LineState.OPEN
    assert await held(isp) == ["stale"]

    await cash(isp, "1001", "599.00")
    await isp.settle()
    assert await isp.line(ONE) is LineState.OPEN


async def cash(isp: Isp, contract: str, amount: str) -> None:
    """Money that no statement brings."""
    now = isp.clock.now()
    async with isp.store.transaction() as session:
        await record(session, contract, Money.parse(amount), on=now.date(), why="cash", actor="t", now=now)


async def held(isp: Isp) -> list[str]:
    known = isp.reconciler.decider.known
    assert known is not None
    return [reason.why.value for reason in known.verdict.reasons]


class Away(DryRunDriver):
    """A router that is not reached."""

    is_away = False

    async def observe(self) -> Observed:
        if self.is_away:
            raise DriverError("no answer")
        return await super().observe()


async def test_router_unreachable__it_waits_longer_each_time_and_is_shown_as_unknown(isp: Isp) -> None:
    isp.driver = away = Away()
    isp.restart()
    await isp.settle()
    [enforcer] = isp.reconciler.enforcers
    away.is_away = True
    waits = []
    for _ in range(8):
        with pytest.raises(DriverError):
            await isp.reconciler.round()
        waits.append(enforcer.retry_seconds)

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert enforcer.trouble == "no answer"
    assert "no answer" in (await isp.reconciler.preview()).unknown["main"]
    away.is_away = False
    await isp.settle()
    assert (enforcer.trouble, await lines(isp)) == ("", ["suspended", "notice", "open"])


async def test_router_rebooted__asserted_again_and_not_braked(isp: Isp) -> None:
    configure(isp, SETTINGS.replace("per_day = 1000", "per_day = 0"))
    await isp.release()
    isp.driver._observed = Observed({}, is_installed=False)

    await isp.settle()

    assert await lines(isp) == ["suspended", "notice", "open"]


async def test_decision_raises_for_one_subscriber__parked_and_the_others_go_on(
    isp: Isp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with isp.store.reading() as session:
        broken = await contract_id_of(session, "1002")

    def fail(self: Case) -> None:
        if self.facts.contract_id == broken:
            raise ZeroDivisionError("a damaged row")
        real(self)

    real = Case.__post_init__
    monkeypatch.setattr(Case, "__post_init__", fail)
    await ripen_1003(isp)
    isp.restart()
    await isp.settle()

    assert await lines(isp) == ["suspended", "notice", "notice"]  # it stays as it was
    async with isp.store.reading() as session:
        facts = (await load_facts(session, [broken]))[0]
    assert "nothing can be decided (ZeroDivisionError: a damaged row)" in facts.parked_why


async def test_stage_that_nobody_knows__parked_and_the_others_go_on(isp: Isp) -> None:
    await set_stage(isp, "1001", "throttled")
    await ripen_1003(isp)
    isp.restart()
    await isp.settle()

    assert await lines(isp) == ["suspended", "notice", "notice"]  # it stays as it was
    assert await isp.stage("1001") == "throttled"
    async with isp.store.reading() as session:
        [(number, why)] = await parked(session)
    assert number == "1001"
    assert "'throttled', which this version of Hradlo does not know" in why
    assert (await read_status(isp.store, isp.settings, isp.clock.now())).parked == 1


async def test_stage_that_nobody_knows__who_pays_gets_the_line_back(isp: Isp) -> None:
    await set_stage(isp, "1001", "throttled")
    await isp.settle()
    await isp.pay("599.00", "1001")
    await isp.settle()

    assert (await lines(isp))[0] == "open"
    assert await isp.stage("1001") == "clear"


async def test_stage_that_nobody_knows__an_open_line_stays_open_until_a_person_begins_anew(isp: Isp) -> None:
    await ripen_1003(isp)
    await set_stage(isp, "1003", "throttled")
    await isp.settle()
    assert ((await lines(isp))[2], await isp.stage("1003")) == ("open", "throttled")

    async with isp.store.transaction() as session:
        await hold(session, "1003", actor="test", why="", now=isp.clock.now())
    await isp.settle()
    assert await isp.stage("1003") == "clear"
    async with isp.store.transaction() as session:
        await end_hold(session, "1003", actor="test", why="", today=isp.clock.now().date(), now=isp.clock.now())
    await isp.settle()

    assert (await lines(isp))[2] == "notice"


async def test_decision_raises__more_than_one_per_cent_parked_holds_all(isp: Isp) -> None:
    configure(isp, SETTINGS.replace("[brake]", "[brake]\nparked = 0"))
    await isp.release()
    await isp.add("1004", "10.1.0.4")
    await isp.invoice_row("26000009,1004,2026-02-10,1970-01-01,599.00,599.00")
    await ripen_1003(isp)
    await isp.settle()

    assert await lines(isp) == ["suspended", "notice", "open"]
    assert await held(isp) == ["parked"]


async def test_clock_jumped__held_until_it_was_sane_for_ten_minutes_and_restores_go_on(isp: Isp) -> None:
    stay_awake(isp.folder, isp.clock)
    watch(isp)
    await isp.settle()
    await ripen_1003(isp)
    isp.clock.jump_to(isp.clock.now() + timedelta(minutes=30))
    await isp.settle()
    assert await lines(isp) == ["suspended", "notice", "open"]
    assert await held(isp) == ["clock"]

    await isp.pay("599.00", "1001", "26000001")
    await isp.settle()
    assert await lines(isp) == ["open", "notice", "open"]

    isp.clock.advance(minutes=11)
    await isp.settle()
    assert await lines(isp) == ["open", "notice", "notice"]


def watch(isp: Isp) -> None:
    """An engine with a witness."""
    witness = Witness(isp.folder, isp.clock)
    isp.reconciler = Reconciler(isp.settings, isp.store, {"main": isp.driver}, isp.clock, witness=witness)


@pytest.mark.parametrize("table", ["brake_hold", "brake_release", "restriction"])
async def test_brake_state_unreadable__held_and_restores_go_on(isp: Isp, table: str) -> None:
    await ripen_1003(isp)
    await isp.pay("599.00", "1001", "26000001")
    async with isp.store.transaction() as session:
        await session.execute(text(f"ALTER TABLE {table} RENAME TO gone"))

    with structlog.testing.capture_logs() as logs:
        await isp.settle()

    assert await lines(isp) == ["open", "notice", "open"]
    assert any(line["event"] == "the brake can't be read; everything is held" for line in logs)


async def test_brake_state_unreadable__a_witness_that_is_damaged_holds(isp: Isp) -> None:
    await ripen_1003(isp)
    (isp.folder / "witness.json").write_text("rubbish")
    watch(isp)
    await isp.settle()

    assert await lines(isp) == ["suspended", "notice", "open"]
    assert await held(isp) == ["unreadable"]


async def test_notice_page_down__the_engine_asks_by_itself_and_brings_the_redirect_back(
    isp: Isp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice_health, "CHECK_SECONDS", 0.02)
    async with page_at() as page:
        page.answer = b"HTTP/1.1 502 Bad Gateway\r\n\r\n"
        text = SETTINGS.replace('driver = "dryrun"', 'driver = "nftables"\ngarden_refresh_seconds = 3600')
        configure(isp, f'{text}\n[notice]\nurl = "http://127.0.0.1:{page.port}"\n')
        await isp.release()
        async with asyncio.TaskGroup() as tasks:
            engine = tasks.create_task(Engine(isp.settings, isp.store, {"main": isp.driver}, isp.clock).run())
            await until_lines(isp, ["suspended", "open", "open"])
            page.answer = b"HTTP/1.1 200 OK\r\n\r\n"
            await until_lines(isp, ["suspended", "notice", "open"])
            engine.cancel()


async def until_lines(isp: Isp, expected: list[str]) -> None:
    async with asyncio.timeout(20):
        while await lines(isp) != expected:  # noqa: ASYNC110 - the network has no event to wait for
            await asyncio.sleep(0.02)
