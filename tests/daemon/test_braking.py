"""The brake at work in the engine: monitor mode, releases, a restored database, and what the admin is told."""

import asyncio
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

import daemon.report
from billing.dunning.facts import Facts
from billing.dunning.reading import load_facts
from billing.store import journal
from billing.store.engine import Store
from billing.store.tables import Mail
from config.settings import parse
from daemon.braking import Verdict, release
from daemon.reconcile import Reconciler
from daemon.report import DailyReport
from daemon.witness import Witness, stay_awake
from enforcement.state import LineState, Observed
from tests.scenario import DUE_ON, SETTINGS, Isp, at

NOTICE_ON = DUE_ON + timedelta(days=14)
SUSPEND_ON = NOTICE_ON + timedelta(days=10)
ADDRESS = "10.1.0.5"
FEW = SETTINGS.replace("per_day = 1000", "per_day = 0").replace("[brake]", "[brake]\nnotices_percent = 0")
"""Not one notice a day is allowed."""


@pytest.fixture
async def isp(store: Store, tmp_path: Path) -> Isp:
    """1001 is ripe for the notice; so is 1002, in ten days."""
    made = Isp(store, tmp_path)
    await made.add("1001", ADDRESS, email="jana@isp.example")
    await made.add("1002", "10.1.0.6")
    await made.invoice("26000001", "1001")
    await made.invoice("26000002", "1002", DUE_ON + timedelta(days=10))
    made.clock.move_to(at(NOTICE_ON))
    return made


def configure(isp: Isp, text: str) -> None:
    text = text.replace("[mail]", '[mail]\nadmin = "admin@isp.example"')
    folders = f'[secrets]\ndirectory = "{isp.folder}"\n[daemon]\nruntime_directory = "{isp.folder}"\n'
    isp.settings = parse(f'{text}{folders}state_directory = "{isp.folder}"\n')
    isp.restart()


def watch(isp: Isp) -> None:
    """An engine that starts now, with the memory of this gateway."""
    witness = Witness(isp.folder, isp.clock)
    isp.reconciler = Reconciler(isp.settings, isp.store, {"main": isp.driver}, isp.clock, witness=witness)


def verdict(isp: Isp) -> Verdict:
    known = isp.reconciler.decider.known
    assert known is not None
    return known.verdict


async def look_and_release(isp: Isp) -> None:
    found = (await isp.reconciler.decider.would_know()).verdict
    await release(isp.store, isp.settings, isp.clock, found, actor="admin:eva", why="looked")


async def subjects(isp: Isp) -> list[str]:
    async with isp.store.reading() as session:
        query = select(Mail.subject).where(Mail.recipient == "admin@isp.example").order_by(Mail.id)
        return list((await session.scalars(query)).all())


# ── held and released ───────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_held_stays_as_it_was_and_nothing_is_written_or_mailed_about_it(isp: Isp) -> None:
    configure(isp, FEW)
    rounds = [*await isp.settle(), *await isp.settle()]

    assert (await isp.stage("1001"), await isp.recorded_line("1001")) == ("reminded", "open")
    assert await isp.line(ADDRESS) is LineState.OPEN
    assert set(await isp.mails()) == {"reminder", "brake"}
    assert rounds[-1].is_quiet
    assert [each.contract for each in verdict(isp).held_proposals] == ["1001"]


async def test_a_release_is_heard_by_the_next_round_of_a_running_engine(isp: Isp) -> None:
    configure(isp, FEW)
    await isp.settle()
    await look_and_release(isp)

    await isp.reconciler.round(observes=False)

    assert await isp.line(ADDRESS) is LineState.NOTICE
    assert verdict(isp).reasons == ()


async def test_a_release_is_for_those_who_were_seen_and_for_two_hours(isp: Isp) -> None:
    configure(isp, FEW)
    await isp.settle()
    await look_and_release(isp)
    await isp.add("1003", "10.1.0.7")
    await isp.invoice("26000003", "1003")
    await isp.settle()
    assert (await isp.line(ADDRESS), await isp.line("10.1.0.7")) == (LineState.NOTICE, LineState.OPEN)

    await look_and_release(isp)
    isp.clock.advance(hours=2)
    await isp.settle()

    assert await isp.line("10.1.0.7") is LineState.OPEN


async def test_who_pays_before_the_release_is_not_restricted_by_it(isp: Isp) -> None:
    configure(isp, FEW)
    await isp.settle()
    await look_and_release(isp)
    await isp.pay("599.00", "1001", "26000001")
    await isp.settle()

    assert await isp.line(ADDRESS) is LineState.OPEN
    assert await isp.stage("1001") == "clear"


async def test_a_suspension_that_is_released_in_the_evening_waits_for_the_morning(isp: Isp) -> None:
    await isp.settle()
    await isp.acknowledge("1001")
    await isp.settle()
    configure(isp, FEW.replace("suspensions_per_day = 0", "suspensions_per_day = 0\nsuspensions_percent = 0"))
    await isp.settle_at(at(SUSPEND_ON, 15))
    await look_and_release(isp)

    await isp.settle_at(at(SUSPEND_ON, 16))
    assert await isp.line(ADDRESS) is LineState.OPEN


async def test_the_admin_is_told_at_once_and_once_what_is_held_and_how_to_let_it_go(isp: Isp) -> None:
    configure(isp, FEW)
    await isp.settle()
    isp.clock.advance(minutes=5)
    await isp.settle()

    assert await subjects(isp) == ["Hradlo holds restrictions: policy, volume"]
    async with isp.store.reading() as session:
        body = await session.scalar(select(Mail.text).where(Mail.kind == "brake"))
    assert body is not None
    assert "contract 1001: notice, owes 599.00" in body
    assert f"hradlo brake release {verdict(isp).checksum}" in body


# ── monitor ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_who_monitors_writes_nothing_to_the_network(isp: Isp) -> None:
    configure(isp, SETTINGS.replace("[enforcement]", '[enforcement]\nmode = "monitor"'))
    await isp.settle()
    await isp.settle_at(at(SUSPEND_ON, 15))

    assert not isp.driver.plans
    assert set(await isp.mails()) == {"reminder"}
    assert [each.contract for each in verdict(isp).held_proposals] == ["1001", "1002"]


async def test_who_monitors_after_having_enforced_still_gives_lines_back(isp: Isp) -> None:
    await isp.settle()
    configure(isp, SETTINGS.replace("[enforcement]", '[enforcement]\nmode = "monitor"'))
    await isp.settle()
    assert await isp.line(ADDRESS) is LineState.NOTICE

    await isp.pay("599.00", "1001", "26000001")
    await isp.settle()

    assert await isp.line(ADDRESS) is LineState.OPEN


async def test_a_release_does_not_end_the_monitoring(isp: Isp) -> None:
    configure(isp, SETTINGS.replace("[enforcement]", '[enforcement]\nmode = "monitor"'))
    await isp.settle()
    await look_and_release(isp)
    await isp.settle()

    assert await isp.line(ADDRESS) is LineState.OPEN


# ── a restored database ─────────────────────────────────────────────────────────────────────────────────────────


async def test_after_a_restore_not_even_what_was_in_force_is_written_again_before_a_person_looked(isp: Isp) -> None:
    stay_awake(isp.folder, isp.clock)
    watch(isp)
    await isp.settle()
    assert await isp.line(ADDRESS) is LineState.NOTICE
    isp.driver._observed = Observed({})  # who paid after the backup was made has been connected since
    Witness(isp.folder, isp.clock).note(journal.Mark(10_000, "f" * 64))
    watch(isp)
    await isp.settle()
    assert [reason.why.value for reason in verdict(isp).reasons] == ["restored"]
    assert await isp.line(ADDRESS) is LineState.OPEN
    assert (await isp.reconciler.preview()).is_empty

    isp.restart()  # another engine, which has no witness: the hold stands in the database
    await isp.settle()
    assert await isp.line(ADDRESS) is LineState.OPEN

    await look_and_release(isp)
    await isp.settle()
    assert await isp.line(ADDRESS) is LineState.NOTICE


async def test_payments_that_are_imported_after_a_restore_are_counted_before_the_release(isp: Isp) -> None:
    stay_awake(isp.folder, isp.clock)
    watch(isp)
    await isp.settle()
    Witness(isp.folder, isp.clock).note(journal.Mark(10_000, "f" * 64))
    watch(isp)
    await isp.settle()
    await isp.pay("599.00", "1001", "26000001")
    await isp.settle()

    assert await isp.line(ADDRESS) is LineState.OPEN


# ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────

DAYS = {
    "the Sunday in spring without an hour": date(2026, 3, 29),
    "the Sunday in autumn with an hour twice": date(2026, 10, 25),
    "the 29th of February": date(2028, 2, 29),
    "the last day of a year": date(2026, 12, 31),
}


@pytest.mark.parametrize("day", [pytest.param(day, id=name) for name, day in DAYS.items()])
async def test_hour_by_hour_nothing_is_done_twice_and_nobody_suspended_at_night(
    store: Store, tmp_path: Path, day: date
) -> None:
    isp = Isp(store, tmp_path)
    configure(isp, SETTINGS)
    isp.clock.move_to(at(day - timedelta(days=30)))
    await isp.add("1001", ADDRESS, email="jana@isp.example")
    await isp.invoice("26000001", "1001", day - timedelta(days=24))
    await isp.settle_at(at(day - timedelta(days=10)))
    assert await isp.acknowledge("1001")
    await isp.settle()
    isp.clock.move_to(at(day, 1))
    stay_awake(isp.folder, isp.clock)
    watch(isp)
    report = DailyReport(isp.settings, isp.store, isp.clock)
    suspended_at: list[datetime] = []
    for _ in range(28 * 4):
        await isp.settle()
        await report.write_if_due()
        if await isp.line(ADDRESS) is LineState.SUSPENDED:
            suspended_at.append(isp.clock.now().astimezone(isp.settings.zone))
        isp.clock.advance(minutes=15)

    counts = Counter(await isp.mails())
    assert counts["suspended"] <= 1
    assert counts["brake"] == 0
    assert counts["report"] == 2  # yesterday's, as the engine started at night, and today's
    assert [subject[:20] for subject in await subjects(isp)] == [
        f"Hradlo on {each}" for each in (day - timedelta(days=1), day)
    ]
    if suspended_at:
        assert 8 <= suspended_at[0].hour < 16
        assert suspended_at[0].weekday() < 5


async def test_who_writes_waits_for_no_report_that_is_being_made(isp: Isp, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(isp, FEW)

    async def load_facts_slowly(session: AsyncSession) -> list[Facts]:
        async with asyncio.timeout(5), isp.store.transaction() as other:
            await other.execute(select(1))
        return await load_facts(session)

    monkeypatch.setattr(daemon.report, "load_facts", load_facts_slowly)

    assert await DailyReport(isp.settings, isp.store, isp.clock).write_if_due()


async def test_a_report_says_what_is_held_what_comes_and_where_the_journal_ends(isp: Isp) -> None:
    configure(isp, FEW)
    await isp.settle()
    assert await DailyReport(isp.settings, isp.store, isp.clock).write_if_due()
    assert not await DailyReport(isp.settings, isp.store, isp.clock).write_if_due() or len(await subjects(isp)) == 2

    async with isp.store.reading() as session:
        body = await session.scalar(select(Mail.text).where(Mail.kind == "report"))
        mark = await journal.mark(session)
    assert body is not None
    assert "contract 1001: notice, owes 599.00" in body
    assert "- 1 notice" in body
    assert f"hradlo audit verify --mark {mark.id}:{mark.hash}" in body
    assert (await subjects(isp))[-1] == "Hradlo on 2026-03-16: 1 is held"
