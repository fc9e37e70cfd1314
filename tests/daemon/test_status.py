"""The status counts what moves, and its advice says what a person should do."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from billing.store.engine import Store
from billing.store.tables import Mail
from billing.voip.settling import record_calls
from daemon.engine_lock import only_engine
from daemon.status import Status, read_status
from tests.billing.voip.world import call
from tests.scenario import DUE_ON, Isp, at

NOTICE_ON = DUE_ON + timedelta(days=14)
SUSPEND_ON = NOTICE_ON + timedelta(days=10)


@pytest.fixture
async def isp(store: Store, tmp_path: Path) -> Isp:
    made = Isp(store, tmp_path)
    for number in range(1, 6):
        await made.add(f"100{number}", f"10.1.0.{number}", email="jana@isp.example")
    return made


async def status(isp: Isp) -> Status:
    return await read_status(isp.store, isp.settings, isp.clock.now())


async def test_a_new_installation_is_all_zeros_and_is_told_to_start(isp: Isp) -> None:
    seen = await status(isp)

    assert (seen.engine, seen.clock, seen.contracts) == ("stopped", "good", 5)
    assert {value for name, value in seen.as_json().items() if isinstance(value, int) and name != "contracts"} == {0}
    assert [advice.partition(":")[0] for advice in seen.advice()] == [
        "No engine runs here",
        "Nobody is told by mail when restrictions are held",
        "No bank statement was ever imported",
    ]


async def test_each_contract_is_counted_in_its_stage_and_its_line(isp: Isp) -> None:
    """1001 suspended, 1002 acknowledged, 1003 in notice, 1004 reminded, 1005 clear."""
    await isp.invoice("26000001", "1001")
    await isp.settle_at(at(NOTICE_ON))
    await isp.acknowledge("1001")
    await isp.settle_at(at(SUSPEND_ON, 15))
    today = isp.clock.now().date()
    for number, contract, days in (("26000002", "1002", 14), ("26000003", "1003", 14), ("26000004", "1004", 5)):
        await isp.invoice(number, contract, today - timedelta(days=days))
    await isp.settle()
    await isp.acknowledge("1002")
    await isp.settle()
    seen = await status(isp)

    stages = seen.suspended, seen.acknowledged, seen.notice, seen.reminded, seen.parked
    assert stages == (1, 1, 1, 1, 0)
    assert (seen.lines_suspended, seen.lines_in_notice) == (1, 1)


async def test_absurd_facts_are_counted_as_parked(isp: Isp) -> None:
    await isp.invoice_row("26000001,1001,2020-01-01,2020-01-15,599.00,599.00")
    await isp.settle_at(at(NOTICE_ON))
    seen = await status(isp)

    assert seen.parked == 1
    assert any("1 contract is parked" in advice for advice in seen.advice())


async def test_payments_that_wait_and_the_last_statement_are_shown(isp: Isp) -> None:
    await isp.pay("599.00", "777")
    seen = await status(isp)

    assert seen.payments_waiting == 1
    assert seen.last_statement_imported_at == "2026-03-02 12:00+01:00"
    assert any("hradlo payments unmatched" in advice for advice in seen.advice())


async def test_calls_that_wait_are_shown(isp: Isp) -> None:
    async with isp.store.transaction() as session:
        await record_calls(session, [call("c1", caller="anonymous")], isp.settings, isp.clock.now())
    seen = await status(isp)

    assert seen.calls_waiting == 1
    assert any("hradlo voip calls waiting" in advice for advice in seen.advice())


async def test_mails_are_counted_as_waiting_until_they_are_sent_and_apart_when_refused(isp: Isp) -> None:
    await isp.invoice("26000001", "1001")
    await isp.settle_at(at(DUE_ON + timedelta(days=3)))
    waiting = await status(isp)
    async with isp.store.transaction() as session:
        await session.execute(update(Mail).values(failed_at=isp.clock.now(), last_error="refused: 550 no such user"))
    refused = await status(isp)

    assert (waiting.mails_waiting, waiting.mails_failed) == (1, 0)
    assert (refused.mails_waiting, refused.mails_failed, refused.mails_expired) == (0, 1, 0)
    assert any("refused for good" in advice for advice in refused.advice())


async def test_an_engine_that_holds_the_lock_is_running(isp: Isp) -> None:
    with only_engine(isp.folder):
        seen = await status(isp)

    assert seen.engine == "running"
    assert (await status(isp)).engine == "stopped"


async def test_of_an_engine_whose_lock_nobody_can_look_at_nothing_is_claimed(isp: Isp) -> None:
    (isp.folder / "engine.lock").mkdir()

    assert (await status(isp)).engine == "unknown"


async def test_looking_writes_nothing(isp: Isp) -> None:
    await asyncio.gather(*(status(isp) for _ in range(8)))

    async with isp.store.reading() as session:
        from billing.store import journal

        assert await journal.head(session) == 11
