"""The forecast agrees with what then happens: with every hour decided by hand, and with the engine's own rounds."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from billing.customers.tables import Contract
from billing.dunning.facts import Facts, Stage
from billing.dunning.forecast import Foreseen, forecast, forecast_all
from billing.dunning.operations import promise
from billing.dunning.policy import Policy
from billing.dunning.reading import load_facts
from billing.dunning.rules import after, decide
from billing.money import Money
from billing.store import journal
from billing.store.engine import Store
from billing.store.tables import JournalEntry
from tests.billing.dunning.examples import (
    ACKNOWLEDGED,
    NOTICED,
    POLICY,
    PRAGUE,
    SUSPENDED,
    UNANSWERED,
    contract,
    invoice,
    notice,
    prague,
)
from tests.billing.dunning.strategies import cases, clocks_about_to_end
from tests.scenario import DUE_ON, Isp, at

HALF_AN_HOUR = timedelta(minutes=30)


def told(foreseen: list[Foreseen]) -> list[tuple[str, str]]:
    return [(f"{seen.at.astimezone(PRAGUE):%Y-%m-%d %H:%M}", seen.what) for seen in foreseen]


def test_a_new_debt_is_foreseen_up_to_the_notice_and_its_mail() -> None:
    seen = list(forecast(contract(invoice()), POLICY, prague("2026-03-01 12:00"), prague("2026-04-30 12:00")))

    assert told(seen) == [
        ("2026-03-05 08:00", "reminded"),
        ("2026-03-05 08:00", "reminder"),
        ("2026-03-12 08:00", "reminder"),
        ("2026-03-16 08:00", "notice"),
        ("2026-03-19 08:00", "notice_mail"),
    ]
    assert {one.debt for one in seen} == {Money(599_00)}


def test_an_acknowledged_notice_is_foreseen_to_end_in_a_suspension() -> None:
    facts = contract(invoice(), stage=Stage.ACKNOWLEDGED, notice=notice(ACKNOWLEDGED))

    seen = list(forecast(facts, POLICY, prague(ACKNOWLEDGED), prague("2026-04-30 12:00")))

    assert [(one.at, one.what, one.why) for one in seen] == [(prague(SUSPENDED), "suspended", "grace_over")]


def test_by_the_explicit_setting_the_clock_of_a_mail_still_to_be_sent_is_foreseen() -> None:
    seen = list(forecast(contract(invoice()), UNANSWERED, prague(NOTICED), prague("2026-04-30 12:00")))

    assert told(seen)[-2:] == [("2026-03-19 08:00", "notice_mail"), ("2026-03-26 08:00", "suspended")]


def test_a_mail_that_is_due_with_its_notice_is_foreseen() -> None:
    policy = Policy(notice_mail_days=0)

    seen = list(forecast(contract(invoice()), policy, prague("2026-03-13 08:00"), prague("2026-04-30 12:00")))

    assert told(seen)[-2:] == [("2026-03-16 08:00", "notice"), ("2026-03-16 08:00", "notice_mail")]


def test_nothing_is_foreseen_after_the_last_moment_that_was_asked_for() -> None:
    facts = contract(invoice())

    assert told(list(forecast(facts, POLICY, prague("2026-03-06 12:00"), prague("2026-03-12 07:59"))))[2:] == []
    assert told(list(forecast(facts, POLICY, prague("2026-03-11 12:00"), prague("2026-03-12 08:00"))))[-1:] == [
        ("2026-03-12 08:00", "reminder")
    ]


def test_everybody_is_foreseen_in_the_order_of_time() -> None:
    late, early = contract(invoice(due="2026-03-09")), contract(invoice())
    seen = forecast_all([late, early], POLICY, prague("2026-03-01 12:00"), prague("2026-05-01 12:00"))

    assert [one.at for one in seen] == sorted(one.at for one in seen)
    assert len(seen) == 10


def test_what_one_contract_meets_at_one_moment_stands_in_the_order_of_its_steps() -> None:
    seen = forecast_all([contract(invoice())], POLICY, prague("2026-03-20 12:00"), prague("2026-03-20 12:00"))

    assert [one.what for one in seen] == ["reminded", "notice"]


def step_by_step(facts: Facts, policy: Policy, now: datetime, until: datetime) -> list[tuple[datetime, str]]:
    """What happens when somebody decides and writes every half an hour."""
    seen: list[tuple[datetime, str]] = []
    moment = now
    while moment <= until:
        decision = decide(facts, policy, moment)
        while decision.is_news:
            seen += [(moment, step.after.value) for step in decision.transitions]
            seen += [(moment, "reminder")] if decision.reminder_due else []
            seen += [(moment, "notice_mail")] if decision.notice_mail_due else []
            facts = after(facts, decision, moment)
            decision = decide(facts, policy, moment)
        moment += HALF_AN_HOUR
    return seen


def on_the_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def with_whole_hours(facts: Facts) -> Facts:
    """The same facts, so that everything that follows happens at a whole or a half hour."""
    if facts.notice is None:
        return facts
    names = ("opened_at", "mailed_at", "acknowledged_at")
    instants = {name: on_the_hour(moment) for name in names if (moment := getattr(facts.notice, name))}
    return replace(facts, notice=replace(facts.notice, **instants))


@settings(max_examples=60, deadline=None)
@given(cases() | clocks_about_to_end(), st.integers(1, 15))
@example((contract(invoice()), UNANSWERED, prague("2026-03-10 08:00")), 30)
@example((contract(invoice(), stage=Stage.NOTICE, notice=notice(ACKNOWLEDGED)), POLICY, prague(ACKNOWLEDGED)), 20)
def test_the_forecast_is_what_deciding_step_by_step_leads_to(case: tuple[Facts, Policy, datetime], days: int) -> None:
    facts, policy, now = with_whole_hours(case[0]), case[1], on_the_hour(case[2])
    until = now + timedelta(days=days)

    foreseen = [(seen.at, seen.what) for seen in forecast(facts, policy, now, until)]

    assert foreseen == step_by_step(facts, policy, now, until)


# ── the engine ──────────────────────────────────────────────────────────────────────────────────────────────────

STEP = timedelta(minutes=7)


async def happened(store: Store, after_id: int) -> list[tuple[str, str, str, datetime]]:
    """(contract, what, why, when) of everything that the journal tells after an entry."""
    query = (
        select(Contract.number, JournalEntry.action, JournalEntry.detail, JournalEntry.at)
        .join(Contract, Contract.id == JournalEntry.contract_id)
        .where(JournalEntry.id > after_id)
        .order_by(JournalEntry.id)
    )
    seen = []
    async with store.reading() as session:
        for number, action, text, moment in (await session.execute(query)).all():
            detail = json.loads(text)
            if action == "stage.changed":
                seen.append((number, detail["after"], detail["event"], moment))
            elif action == "reminder.written":
                seen.append((number, "reminder", f"{detail['after_days']} days", moment))
            elif action == "notice.mailed":
                seen.append((number, "notice_mail", "not acknowledged", moment))
    return seen


async def different_contracts(isp: Isp) -> None:
    """Seven contracts that stand in different places on the day of the first notice."""
    for number in range(1001, 1008):
        await isp.add(str(number), f"10.1.0.{number - 1000}", email=f"c{number}@isp.example")
    for number, days in ((1001, 0), (1002, 0), (1003, 4), (1004, 11), (1005, 0), (1006, 13), (1007, 0)):
        await isp.invoice(f"2600{number}", str(number), DUE_ON + timedelta(days=days))
    await isp.invoice("26002006", "1006", DUE_ON - timedelta(days=1), total="60.00")
    await isp.settle_at(at(DUE_ON + timedelta(days=14)))
    await isp.acknowledge("1002")
    await isp.acknowledge("1005")
    now = isp.clock.now()
    async with isp.store.transaction() as session:
        until_on = now.date() + timedelta(days=12)  # a Saturday
        await promise(session, "1005", until_on=until_on, actor="test", why="called", today=now.date(), now=now)
    await isp.settle()


async def test_what_is_foreseen_happens_when_the_clock_moves_in_steps_of_seven_minutes(
    store: Store, tmp_path: Path
) -> None:
    isp = Isp(store, tmp_path)
    await different_contracts(isp)
    now = isp.clock.now()
    until = now + timedelta(days=21)
    async with store.reading() as session:
        foreseen = forecast_all(await load_facts(session), Policy.from_settings(isp.settings), now, until)
        known = await journal.head(session)

    while isp.clock.now() <= until:
        isp.clock.advance(minutes=7)
        if isp.reconciler.next_look_at and isp.reconciler.next_look_at <= isp.clock.now():
            await isp.settle()
    seen = await happened(store, known)

    assert sorted(one[:3] for one in seen) == sorted((one.contract_number, one.what, one.why) for one in foreseen)
    assert {one.what for one in foreseen} >= {"reminded", "reminder", "notice", "notice_mail", "suspended"}
    for contract_number, what, why, moment in seen:
        expected = next(f.at for f in foreseen if (f.contract_number, f.what, f.why) == (contract_number, what, why))
        assert expected <= moment < expected + 2 * STEP  # a mail is counted from a notice that began late itself
