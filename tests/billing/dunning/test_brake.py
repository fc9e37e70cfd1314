"""What the brake remembers, on both databases: holds, releases, runs and their undoing."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from billing.dunning import brake
from billing.dunning.brake import HoldReason, Permit
from billing.dunning.operations import contract_id_of
from billing.dunning.recording import record
from billing.dunning.undoing import Undone, undo
from billing.store.engine import Store
from billing.store.tables import JournalEntry
from config.errors import NotAllowed, NotFound
from config.settings import parse
from tests.scenario import DUE_ON, Isp, at

NOTICE_ON = DUE_ON + timedelta(days=14)
VOLUME = HoldReason("volume", "suspended", "too many")
RESTORED = HoldReason("restored", "", "a copy of yesterday")
LASTING = {"restored"}


@pytest.fixture
async def isp(each_store: Store, tmp_path: Path) -> Isp:
    """Three contracts that are ripe for the notice."""
    made = Isp(each_store, tmp_path)
    for number in range(1, 4):
        await made.add(f"100{number}", f"10.1.0.{number}")
        await made.invoice(f"2600000{number}", f"100{number}")
    made.clock.move_to(at(NOTICE_ON))
    return made


async def keep(isp: Isp, *reasons: HoldReason, gateway: str = "a") -> list[HoldReason]:
    async with isp.store.transaction() as session:
        return await brake.keep_holds(session, reasons, LASTING, gateway, isp.clock.now())


async def holds(isp: Isp) -> list[str]:
    async with isp.store.reading() as session:
        return [each.why for each in await brake.open_holds(session)]


async def ids(isp: Isp, *numbers: str) -> list[int]:
    async with isp.store.reading() as session:
        return [await contract_id_of(session, number) for number in numbers]


async def actions(isp: Isp) -> list[str]:
    async with isp.store.reading() as session:
        return list((await session.scalars(select(JournalEntry.action).order_by(JournalEntry.id))).all())


# ── holds ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_reason_holds_as_long_as_it_is_true_and_stands_in_the_journal_twice(isp: Isp) -> None:
    assert await keep(isp, VOLUME) == [VOLUME]
    assert await keep(isp, VOLUME) == []
    assert await holds(isp) == ["volume"]

    assert await keep(isp) == []

    assert await holds(isp) == []
    assert (await actions(isp))[-2:] == ["brake.held", "brake.over"]


async def test_what_needs_a_person_does_not_end_by_itself(isp: Isp) -> None:
    await keep(isp, RESTORED)
    await keep(isp)

    assert await holds(isp) == ["restored"]


async def test_a_gateway_ends_no_hold_of_another(isp: Isp) -> None:
    await keep(isp, VOLUME, gateway="a")
    await keep(isp, gateway="b")
    assert await holds(isp) == ["volume"]

    await keep(isp, gateway="a")
    assert await holds(isp) == []


async def test_a_release_ends_all_holds_and_lets_just_the_named_contracts_through_for_two_hours(isp: Isp) -> None:
    await keep(isp, VOLUME, RESTORED)
    one, two = await ids(isp, "1001", "1002")
    await release(isp, {one: "suspended", two: "notice"})

    assert await holds(isp) == []
    async with isp.store.reading() as session:
        now = isp.clock.now()
        assert await brake.released(session, now) == {one: "suspended", two: "notice"}
        assert await brake.released(session, now + brake.RELEASE_VALID) == {}
    assert (await actions(isp))[-1] == "brake.released"


async def release(isp: Isp, contracts: dict[int, str]) -> None:
    async with isp.store.transaction() as session:
        await brake.release(
            session, contracts, checksum="c", version="1", policy="p", actor="admin:eva", why="w", now=isp.clock.now()
        )


def test_the_policys_hash_changes_with_every_rule_and_limit_and_with_nothing_else() -> None:
    plain = brake.policy_sha256(parse(""))

    assert plain == brake.policy_sha256(parse('[isp]\nname = "Another"\n[mail]\nport = 587'))
    for changed in (
        "[dunning]\ngrace_days = 9",
        "[dunning]\nminimum_debt = 99.99",
        '[dunning]\nsuspend_weekdays = ["mon"]',
        "[brake]\nsuspensions_per_day = 11",
        "[brake]\nstatement_age_days = 0",
    ):
        assert brake.policy_sha256(parse(changed)) != plain


# ── recording within a permit, and runs ─────────────────────────────────────────────────────────────────────────


async def test_without_a_permit_nobodys_line_gets_stricter_and_reminders_leave_all_the_same(isp: Isp) -> None:
    await recorded(isp, Permit())

    assert [await isp.stage(f"100{n}") for n in (1, 2, 3)] == ["reminded"] * 3
    assert "notice.opened" not in await actions(isp)
    assert "reminder.written" in await actions(isp)


async def test_a_permit_is_for_the_contracts_that_it_names_and_what_it_led_to_is_one_run(isp: Isp) -> None:
    one, two = await ids(isp, "1001", "1002")
    permit = Permit({one: "notice", two: "notice"}, limits={"notice": 50})
    await recorded(isp, permit)

    assert [await isp.stage(f"100{n}") for n in (1, 2, 3)] == ["notice", "notice", "reminded"]
    async with isp.store.reading() as session:
        assert await brake.contracts_of_run(session, permit.run_id or 0) == [one, two]
        assert await brake.restricted_lately(session, isp.clock.now()) == {"notice": 2}
        assert await brake.restricted_lately(session, isp.clock.now() + timedelta(hours=24)) == {}


async def test_the_limit_is_asked_once_more_while_nobody_else_writes(isp: Isp) -> None:
    one, two, three = await ids(isp, "1001", "1002", "1003")
    await recorded(isp, Permit({one: "notice"}, limits={"notice": 2}))  # another engine was faster
    await recorded(isp, Permit({two: "notice", three: "notice"}, limits={"notice": 2}))

    assert [await isp.stage(f"100{n}") for n in (1, 2, 3)] == ["notice", "notice", "reminded"]


async def test_what_a_person_released_does_not_count_against_the_limit(isp: Isp) -> None:
    one, two = await ids(isp, "1001", "1002")
    await recorded(isp, Permit({one: "notice", two: "notice"}, frozenset({one, two}), {"notice": 0}))

    assert await isp.stage("1001") == "notice"
    async with isp.store.reading() as session:
        assert await brake.restricted_lately(session, isp.clock.now()) == {}


async def recorded(isp: Isp, permit: Permit) -> None:
    async with isp.store.transaction() as session:
        await record(session, await _all(isp), isp.settings, isp.clock.now(), permit)


async def _all(isp: Isp) -> list[int]:
    return await ids(isp, "1001", "1002", "1003")


# ── undo ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def undone(isp: Isp, run: int, days: int = 7) -> Undone:
    today = isp.clock.now().date()
    async with isp.store.transaction() as session:
        return await undo(
            session, run, until_on=today + timedelta(days=days), actor="admin:eva", why="", today=today,
            now=isp.clock.now(),
        )  # fmt: skip


async def test_undoing_a_run_gives_all_of_it_their_line_back_and_keeps_it_so(isp: Isp) -> None:
    await isp.settle()
    assert [await isp.recorded_line(f"100{n}") for n in (1, 2, 3)] == ["notice"] * 3

    done = await undone(isp, 1)
    await isp.settle()
    await isp.settle_at(at(NOTICE_ON + timedelta(days=7)))

    assert done.contracts == ("1001", "1002", "1003")
    assert [await isp.recorded_line(f"100{n}") for n in (1, 2, 3)] == ["open"] * 3
    assert (await actions(isp)).count("run.undone") == 1


async def test_after_the_protection_the_debt_counts_again(isp: Isp) -> None:
    await isp.settle()
    await undone(isp, 1)
    await isp.settle()
    await isp.settle_at(at(NOTICE_ON + timedelta(days=8)))

    assert await isp.recorded_line("1001") == "notice"


async def test_who_paid_meanwhile_needs_no_protection(isp: Isp) -> None:
    await isp.settle()
    await isp.pay("599.00", "1001", "26000001")
    await isp.settle()

    assert (await undone(isp, 1)).contracts == ("1002", "1003")


async def test_a_run_is_undone_once_and_whoever_a_later_run_restricted_stays_so(isp: Isp) -> None:
    await isp.settle()
    await undone(isp, 1)
    await isp.settle_at(at(NOTICE_ON + timedelta(days=8)))

    with pytest.raises(NotAllowed, match="Run 1 was undone already, at 2026-03-16"):
        await undone(isp, 1)
    await isp.settle()

    assert await isp.recorded_line("1001") == "notice"


async def test_a_run_that_never_was_and_a_day_that_is_past_are_refused(isp: Isp) -> None:
    with pytest.raises(NotFound, match="no run 12"):
        await undone(isp, 12)
    with pytest.raises(NotAllowed, match="past or more than a year away"):
        await undone(isp, 1, days=-1)
