"""The reconciler: what facts do to the network, told as the story of one contract and its neighbours."""

from datetime import timedelta
from pathlib import Path

import pytest

from billing.dunning.operations import contract_id_of, hold, promise, release
from billing.dunning.reading import load_facts
from billing.store.engine import Store
from config.errors import ClockBehind, DriverError
from enforcement.state import Applied, LineState, Plan
from tests.scenario import DUE_ON, Isp, at

NOTICE_ON = DUE_ON + timedelta(days=14)
SUSPEND_ON = NOTICE_ON + timedelta(days=10)  # a Thursday
ADDRESS = "10.1.0.5"


@pytest.fixture
async def isp(store: Store, tmp_path: Path) -> Isp:
    made = Isp(store, tmp_path)
    await made.add("1001", f"{ADDRESS} 2001:db8:0:100::/56", email="jana@isp.example")
    await made.add("1002", "10.1.0.6")
    await made.invoice("26000001", "1001")
    return made


async def suspended(isp: Isp) -> None:
    """Brings contract 1001 to a suspended line."""
    await isp.settle_at(at(NOTICE_ON))
    await isp.acknowledge("1001")
    await isp.settle_at(at(SUSPEND_ON, 15))


async def test_an_invoice_that_is_not_overdue_changes_nothing(isp: Isp) -> None:
    await isp.settle()

    assert await isp.line(ADDRESS) is LineState.OPEN
    assert await isp.stage("1001") == "clear"
    assert await isp.mails() == []


async def test_reminders_are_mailed_three_and_ten_days_after_the_due_date(isp: Isp) -> None:
    for day in range(12):
        await isp.settle_at(at(DUE_ON + timedelta(days=day)))

    assert await isp.mails() == ["reminder", "reminder"]
    assert await isp.line(ADDRESS) is LineState.OPEN


async def test_fourteen_days_after_the_due_date_every_address_of_the_contract_gets_the_notice(isp: Isp) -> None:
    await isp.settle_at(at(NOTICE_ON))

    assert await isp.line(ADDRESS) is LineState.NOTICE
    assert await isp.line("2001:db8:0:100::/56") is LineState.NOTICE
    assert await isp.line("10.1.0.6") is LineState.OPEN
    assert await isp.recorded_line("1001") == "notice"


async def test_an_acknowledgement_opens_the_line_in_one_quick_round(isp: Isp) -> None:
    await isp.settle_at(at(NOTICE_ON))
    await isp.acknowledge("1001")

    done = await isp.reconciler.round(observes=False)

    assert await isp.line(ADDRESS) is LineState.OPEN
    assert [change.after for change in done.line_changes] == ["open"]


async def test_the_line_is_suspended_when_the_grace_ran_out_and_a_mail_says_so(isp: Isp) -> None:
    await suspended(isp)

    assert await isp.line(ADDRESS) is LineState.SUSPENDED
    assert (await isp.mails())[-1] == "suspended"


async def test_a_payment_restores_the_line_in_one_quick_round_and_a_mail_says_so(isp: Isp) -> None:
    await suspended(isp)
    await isp.pay("599.00", "1001", "26000001")

    await isp.reconciler.round(observes=False)

    assert await isp.line(ADDRESS) is LineState.OPEN
    assert (await isp.mails())[-1] == "restored"
    assert await isp.stage("1001") == "clear"


async def test_a_restored_line_stays_open_after_a_restart(isp: Isp) -> None:
    await suspended(isp)
    await isp.pay("599.00", "1001")
    await isp.settle()
    mails = await isp.mails()

    isp.restart()
    await isp.settle()

    assert await isp.line(ADDRESS) is LineState.OPEN
    assert await isp.mails() == mails


async def test_a_restart_writes_nothing_and_mails_nothing(isp: Isp) -> None:
    await suspended(isp)
    plans, mails = len(isp.driver.plans), await isp.mails()

    isp.restart()
    await isp.settle()

    assert len(isp.driver.plans) == plans
    assert await isp.mails() == mails


async def test_an_engine_that_slept_for_a_month_after_the_acknowledgement_suspends_at_the_next_decent_hour(
    isp: Isp,
) -> None:
    await isp.settle_at(at(NOTICE_ON))
    await isp.acknowledge("1001")
    isp.restart()

    await isp.settle_at(at(NOTICE_ON + timedelta(days=33), 22))  # a Saturday, late
    assert await isp.line(ADDRESS) is LineState.OPEN

    await isp.settle_at(at(NOTICE_ON + timedelta(days=36), 10))  # Tuesday (Monday is no holiday in April 2026)
    assert await isp.line(ADDRESS) is LineState.SUSPENDED


async def test_a_promise_restores_a_suspended_line_and_its_end_suspends_it_again(isp: Isp) -> None:
    await suspended(isp)
    today = isp.clock.now().date()
    async with isp.store.transaction() as session:
        await promise(
            session, "1001", until_on=today + timedelta(days=3), actor="t", why="", today=today, now=isp.clock.now()
        )
    await isp.settle()
    assert await isp.line(ADDRESS) is LineState.OPEN

    await isp.settle_at(at(today + timedelta(days=4)))

    assert await isp.line(ADDRESS) is LineState.SUSPENDED


async def test_a_hold_lifts_the_notice_until_it_is_released(isp: Isp) -> None:
    await isp.settle_at(at(NOTICE_ON))
    async with isp.store.transaction() as session:
        await hold(session, "1001", actor="t", why="disputed", now=isp.clock.now())
    await isp.settle()
    assert await isp.line(ADDRESS) is LineState.OPEN

    async with isp.store.transaction() as session:
        await release(session, "1001", actor="t", why="", today=isp.clock.now().date(), now=isp.clock.now())
    await isp.settle()

    assert await isp.line(ADDRESS) is LineState.NOTICE


async def test_an_address_that_moves_to_another_contract_takes_that_contracts_state_at_once(isp: Isp) -> None:
    await suspended(isp)
    await isp.add("1001", "10.1.0.9")  # the same service, with another address
    await isp.add("1002", f"10.1.0.6 {ADDRESS}")

    await isp.reconciler.round(observes=False)

    assert await isp.line(ADDRESS) is LineState.OPEN
    assert await isp.line("10.1.0.9") is LineState.SUSPENDED


async def test_absurd_invoices_park_the_contract_and_its_line_stays_open(isp: Isp) -> None:
    await isp.invoice_row("26000009,1002,2026-02-10,1970-01-01,599.00,599.00")

    await isp.settle_at(at(NOTICE_ON))

    assert await isp.line("10.1.0.6") is LineState.OPEN
    async with isp.store.reading() as session:
        facts = (await load_facts(session, [await contract_id_of(session, "1002")]))[0]
    assert "26000009" in facts.parked_why


async def test_what_somebody_else_deleted_from_the_network_is_healed_by_the_next_full_round(isp: Isp) -> None:
    await suspended(isp)
    isp.driver._observed = type(isp.driver._observed)({})

    await isp.reconciler.round()

    assert await isp.line(ADDRESS) is LineState.SUSPENDED


async def test_a_network_that_can_not_be_written_records_no_line_and_mails_nobody(
    isp: Isp, monkeypatch: pytest.MonkeyPatch
) -> None:
    await isp.settle_at(at(NOTICE_ON))
    await isp.acknowledge("1001")
    isp.clock.move_to(at(SUSPEND_ON, 15))

    async def refuse(plan: Plan) -> Applied:
        raise DriverError("no network")

    with monkeypatch.context() as patched:
        patched.setattr(isp.driver, "apply", refuse)
        with pytest.raises(DriverError):
            await isp.settle()
    assert "suspended" not in await isp.mails()

    await isp.settle()

    assert await isp.line(ADDRESS) is LineState.SUSPENDED
    assert (await isp.mails()).count("suspended") == 1


async def test_a_preview_says_whose_line_would_change_and_why_and_changes_nothing(isp: Isp) -> None:
    isp.clock.move_to(at(NOTICE_ON))

    preview = await isp.reconciler.preview()

    assert [(change.contract, change.after) for change in preview.changes] == [("1001", "notice")] * 2
    assert await isp.line(ADDRESS) is LineState.OPEN
    assert await isp.stage("1001") == "clear"


# ── a clock that is wrong ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_clock_far_behind_the_journal_decides_nothing_and_leaves_the_network_as_it_is(isp: Isp) -> None:
    await suspended(isp)
    plans, mails = len(isp.driver.plans), await isp.mails()
    isp.restart()
    isp.clock.advance(days=-60)

    with pytest.raises(ClockBehind, match="the network stays as it is"):
        await isp.reconciler.round()
    with pytest.raises(ClockBehind):
        await isp.reconciler.preview()

    assert await isp.line(ADDRESS) is LineState.SUSPENDED
    assert (len(isp.driver.plans), await isp.mails()) == (plans, mails)


async def test_once_the_clock_is_right_again_the_same_reconciler_goes_on(isp: Isp) -> None:
    await isp.settle_at(at(NOTICE_ON))
    isp.clock.advance(days=-60)
    with pytest.raises(ClockBehind):
        await isp.reconciler.round()
    isp.clock.advance(days=60)
    await isp.acknowledge("1001")

    await isp.settle()

    assert await isp.line(ADDRESS) is LineState.OPEN
