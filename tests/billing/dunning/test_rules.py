"""The specification of dunning, to be read from the top.

The default policy: reminders 3 and 10 days after the due date, the notice after 14, at least 100 CZK, 10 days of
grace, days begin at 8:00, nobody is suspended from 16:00 to 8:00, at a weekend or on a Czech holiday.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from billing.dunning import rules
from billing.dunning.facts import Facts, InvoiceFact, NoticeFact, Stage, Transition
from billing.dunning.policy import Policy
from billing.dunning.rules import EVENTS, TABLE, WORDS, decide
from billing.money import Money
from tests.billing.dunning.examples import (
    ACKNOWLEDGED,
    DUE,
    NOTICED,
    POLICY,
    SUSPENDED,
    UNANSWERED,
    Story,
    contract,
    invoice,
    notice,
    prague,
)

CLEAR, REMINDED, NOTICE = Stage.CLEAR, Stage.REMINDED, Stage.NOTICE
IN_GRACE, CUT = Stage.ACKNOWLEDGED, Stage.SUSPENDED


def acknowledged_story(*more: InvoiceFact, policy: Policy = POLICY) -> Story:
    """An invoice of 599, noticed on Monday 16 March at 8:00, acknowledged at noon."""
    story = Story(invoice(), *more, policy=policy)
    story.look(NOTICED)
    assert story.acknowledge(ACKNOWLEDGED) is IN_GRACE
    return story


def suspended_story(*more: InvoiceFact) -> Story:
    story = acknowledged_story(*more)
    assert story.look(SUSPENDED) is CUT
    return story


# ── the story ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_whole_story() -> None:
    story = Story(invoice(due="2026-03-02"))

    assert story.look("2026-03-05 07:59") is CLEAR
    assert story.look("2026-03-05 08:00") is REMINDED
    assert story.said.reminder_due == (1, 3)
    assert story.look("2026-03-12 08:00") is REMINDED
    assert story.said.reminder_due == (1, 10)
    assert story.look("2026-03-16 07:59") is REMINDED
    assert story.look("2026-03-16 08:00") is NOTICE
    assert story.said.opens_notice
    assert story.acknowledge("2026-03-16 12:00") is IN_GRACE
    assert story.said.suspend_at == prague("2026-03-26 12:00")
    assert story.look("2026-03-26 11:59") is IN_GRACE
    assert story.look("2026-03-26 12:00") is CUT
    assert story.pay(1, moment="2026-03-28 23:30") is CLEAR
    assert story.said.closes_notice == "settled"


def test_whoever_looks_only_when_asked_to_sees_the_same_story() -> None:
    story = Story(invoice())

    assert story.until("2026-03-16 12:00") == [("2026-03-05 08:00", "reminded"), ("2026-03-16 08:00", "notice")]
    story.acknowledge("2026-03-16 12:00")
    assert story.until("2026-12-31 00:00") == [("2026-03-26 12:00", "suspended")]


def test_only_notice_and_suspended_restrict_the_line() -> None:
    assert {stage: stage.line for stage in Stage} == {
        CLEAR: "open",
        REMINDED: "open",
        NOTICE: "notice",
        IN_GRACE: "open",
        CUT: "suspended",
    }


def test_a_contract_without_invoices_is_clear_and_never_looked_at_again() -> None:
    decision = decide(contract(), POLICY, prague(SUSPENDED))

    assert (decision.stage, decision.is_news, decision.next_look_at) == (CLEAR, False, None)


def test_on_its_due_date_an_invoice_is_not_overdue() -> None:
    assert decide(contract(invoice()), POLICY, prague("2026-03-02 23:59")).debt == Money(0)
    assert decide(contract(invoice()), POLICY, prague("2026-03-03 00:00")).debt == Money(599_00)


# ── the table, row by row ───────────────────────────────────────────────────────────────────────────────────────

PAID_DOWN = invoice(open="50")

ROWS: dict[tuple[Stage, str], tuple[Facts, Policy, str]] = {
    (CLEAR, "overdue"): (contract(invoice()), POLICY, "2026-03-05 08:00"),
    (REMINDED, "settled"): (contract(stage=REMINDED), POLICY, "2026-03-12 08:00"),
    (REMINDED, "shielded"): (contract(invoice(), stage=REMINDED, is_held=True), POLICY, "2026-03-12 08:00"),
    (REMINDED, "ripe"): (contract(invoice(), stage=REMINDED), POLICY, NOTICED),
    (NOTICE, "settled"): (contract(stage=NOTICE, notice=notice()), POLICY, ACKNOWLEDGED),
    (NOTICE, "shielded"): (contract(invoice(), stage=NOTICE, notice=notice(), is_exempt=True), POLICY, ACKNOWLEDGED),
    (NOTICE, "dropped"): (contract(PAID_DOWN, stage=NOTICE, notice=notice()), POLICY, ACKNOWLEDGED),
    (NOTICE, "acknowledged"): (contract(invoice(), stage=NOTICE, notice=notice(ACKNOWLEDGED)), POLICY, ACKNOWLEDGED),
    (NOTICE, "unanswered"): (
        contract(invoice(), stage=NOTICE, notice=notice(mailed="2026-03-19 08:00")),
        UNANSWERED,
        "2026-03-26 08:00",
    ),
    (IN_GRACE, "settled"): (contract(stage=IN_GRACE, notice=notice(ACKNOWLEDGED)), POLICY, ACKNOWLEDGED),
    (IN_GRACE, "shielded"): (
        contract(invoice(), stage=IN_GRACE, notice=notice(ACKNOWLEDGED), is_held=True),
        POLICY,
        SUSPENDED,
    ),
    (IN_GRACE, "paid_down"): (contract(PAID_DOWN, stage=IN_GRACE, notice=notice(ACKNOWLEDGED)), POLICY, SUSPENDED),
    (IN_GRACE, "grace_over"): (contract(invoice(), stage=IN_GRACE, notice=notice(ACKNOWLEDGED)), POLICY, SUSPENDED),
    (CUT, "settled"): (contract(stage=CUT, notice=notice(ACKNOWLEDGED)), POLICY, SUSPENDED),
    (CUT, "shielded"): (contract(invoice(), stage=CUT, notice=notice(ACKNOWLEDGED), is_held=True), POLICY, SUSPENDED),
    (CUT, "paid_down"): (contract(PAID_DOWN, stage=CUT, notice=notice(ACKNOWLEDGED)), POLICY, SUSPENDED),
}

LEADS_TO = {(stage, event): after for stage, rows in TABLE.items() for event, after in rows}
EVERY_PAIR = [(stage, event) for stage in Stage for event in EVENTS]


def test_every_row_of_the_table_has_an_example_here() -> None:
    assert set(ROWS) == set(LEADS_TO)


@pytest.mark.parametrize(("stage", "event"), LEADS_TO)
def test_a_row_is_walked_when_its_event_is_true(stage: Stage, event: str) -> None:
    facts, policy, moment = ROWS[stage, event]

    first_step = decide(facts, policy, prague(moment)).transitions[0]

    assert first_step == Transition(stage, event, LEADS_TO[stage, event])


@pytest.mark.parametrize(("stage", "event"), [pair for pair in EVERY_PAIR if pair not in LEADS_TO])
def test_an_event_that_the_table_does_not_name_leads_nowhere(
    stage: Stage, event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_this = {name: lambda _, is_true=(name == event): is_true for name in EVENTS}
    monkeypatch.setattr(rules, "EVENTS", only_this)
    facts = contract(invoice(), stage=stage, notice=notice(ACKNOWLEDGED))

    decision = decide(facts, POLICY, prague(SUSPENDED))

    assert (decision.stage, decision.transitions) == (stage, ())


def test_a_suspension_is_reached_by_the_end_of_a_clock_alone() -> None:
    ways = {pair for pair, after in LEADS_TO.items() if after is CUT}

    assert ways == {(IN_GRACE, "grace_over"), (NOTICE, "unanswered")}


def test_every_event_has_words() -> None:
    assert set(EVENTS) <= set(WORDS)


# ── reminders ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_reminder_that_was_sent_is_not_sent_again() -> None:
    story = Story(invoice())
    story.look("2026-03-05 08:00")
    story.look("2026-03-05 09:00")

    assert story.said.reminder_due is None


def test_reminders_are_counted_from_the_oldest_overdue_invoice() -> None:
    story = Story(invoice(1), invoice(2, due="2026-03-09"))
    story.look("2026-03-12 08:00")

    assert story.said.reminder_due == (1, 10)

    story.pay(1, moment="2026-03-12 09:00")

    assert story.said.reminder_due == (2, 3)


def test_of_the_reminders_that_were_slept_through_only_the_latest_is_sent() -> None:
    story = Story(invoice())
    story.look("2026-03-13 10:00")

    assert story.said.reminder_due == (1, 10)
    story.look("2026-03-13 11:00")
    assert story.said.reminder_due is None


def test_in_notice_nobody_is_reminded() -> None:
    assert decide(contract(invoice()), POLICY, prague(NOTICED)).reminder_due is None


def test_a_policy_without_reminders_goes_straight_to_the_notice() -> None:
    story = Story(invoice(), policy=Policy(reminder_days=()))

    assert story.until("2026-04-01 00:00") == [("2026-03-16 08:00", "notice")]


# ── the notice and the minimum debt ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("amount", "stage"), [("99.99", REMINDED), ("100.00", NOTICE)])
def test_the_notice_begins_at_the_minimum_debt(amount: str, stage: Stage) -> None:
    assert decide(contract(invoice(amount=amount)), POLICY, prague(NOTICED)).stage is stage


def test_small_debts_are_noticed_together_once_each_had_its_own_time() -> None:
    story = Story(invoice(1, amount="60"), invoice(2, due="2026-04-02", amount="60"))

    assert story.until("2026-05-01 00:00") == [("2026-03-05 08:00", "reminded"), ("2026-04-16 08:00", "notice")]


def test_without_a_minimum_even_nothing_open_is_no_notice() -> None:
    policy = Policy(minimum_debt=Money(0))

    assert decide(contract(invoice(amount="0")), policy, prague(NOTICED)).stage is CLEAR
    assert decide(contract(invoice(amount="0.01")), policy, prague(NOTICED)).stage is NOTICE


def test_a_notice_that_nobody_reads_is_mailed_once() -> None:
    story = Story(invoice())
    story.look(NOTICED)

    story.look("2026-03-19 07:59")
    assert not story.said.notice_mail_due
    story.look("2026-03-19 08:00")
    assert story.said.notice_mail_due
    story.look("2026-03-19 08:01")
    assert not story.said.notice_mail_due


def test_a_notice_is_not_mailed_where_there_is_no_address() -> None:
    facts = contract(invoice(), stage=NOTICE, notice=replace(notice(), is_mailable=False))

    assert not decide(facts, POLICY, prague("2026-03-30 08:00")).is_news


def test_a_notice_that_was_read_is_not_mailed() -> None:
    story = acknowledged_story()
    story.look("2026-03-20 08:00")

    assert not story.said.notice_mail_due


# ── who never acknowledges ──────────────────────────────────────────────────────────────────────────────────────


def test_who_never_acknowledges_stays_in_notice() -> None:
    story = Story(invoice())
    story.look(NOTICED)

    assert story.until("2027-12-31 00:00") == []
    assert story.look("2027-12-31 12:00") is NOTICE


def test_by_the_explicit_setting_the_mail_starts_a_clock() -> None:
    story = Story(invoice(), policy=UNANSWERED)
    story.look(NOTICED)

    # mailed on Thursday 19 March, seven days later
    assert story.until("2026-04-30 00:00") == [("2026-03-26 08:00", "suspended")]


def test_a_mail_that_was_lost_on_its_way_starts_no_clock() -> None:
    mailed = NoticeFact(1, prague(NOTICED), mailed_at=prague("2026-03-19 08:00"))
    told = contract(invoice(), stage=NOTICE, notice=mailed)
    lost = contract(invoice(), stage=NOTICE, notice=replace(mailed, is_mail_lost=True))

    assert decide(told, UNANSWERED, prague("2026-03-26 08:00")).stage is CUT
    assert decide(lost, UNANSWERED, prague("2026-12-01 12:00")).stage is NOTICE


def test_a_notice_that_could_not_be_mailed_starts_no_clock() -> None:
    facts = contract(invoice(), stage=NOTICE, notice=replace(notice(), is_mailable=False))

    assert decide(facts, UNANSWERED, prague("2026-12-01 12:00")).stage is NOTICE


def test_an_acknowledgement_replaces_the_clock_of_the_mail_by_the_full_grace() -> None:
    story = Story(invoice(), policy=UNANSWERED)
    story.look(NOTICED)
    story.look("2026-03-19 08:00")
    story.acknowledge("2026-03-25 12:00")

    assert story.said.suspend_at == prague("2026-04-07 08:00")  # Saturday 4 April, moved past Easter


def test_the_clock_of_a_mail_is_not_inherited_by_an_invoice_that_the_mail_did_not_show() -> None:
    story = Story(invoice(1), policy=UNANSWERED)
    story.look(NOTICED)
    story.look("2026-03-19 08:00")
    story.owe(invoice(2, due="2026-03-20"))
    story.change(is_held=True)
    story.look("2026-03-20 08:00")
    story.change(is_held=False)

    story.pay(1, moment="2026-04-03 08:00")  # the second is ripe, the clock of the mail long over

    assert (story.said.stage, story.said.closes_notice, story.said.opens_notice) == (NOTICE, "paid_down", True)
    assert story.until("2026-05-30 00:00") == [("2026-04-13 08:00", "suspended")]  # mailed on 6 April


# ── paying some of it ───────────────────────────────────────────────────────────────────────────────────────────


def test_paying_some_of_the_claimed_leaves_the_clock_as_it_is() -> None:
    story = acknowledged_story()

    assert story.pay(1, "499", "2026-03-18 10:00") is IN_GRACE
    assert story.said.suspend_at == prague(SUSPENDED)
    assert story.look(SUSPENDED) is CUT


def test_paying_down_to_less_than_the_minimum_ends_the_notice_and_its_clock() -> None:
    story = acknowledged_story()

    assert story.pay(1, "499.01", "2026-03-18 10:00") is REMINDED
    assert story.said.closes_notice == "paid_down"
    assert story.until("2027-01-01 00:00") == []


def test_paying_down_restores_a_suspended_line() -> None:
    assert suspended_story().pay(1, "500", "2026-03-29 03:00") is REMINDED


def test_paying_some_but_not_enough_leaves_the_line_suspended() -> None:
    assert suspended_story().pay(1, "400", "2026-03-29 03:00") is CUT


def test_paying_down_an_unread_notice_ends_it() -> None:
    story = Story(invoice())
    story.look(NOTICED)

    assert story.pay(1, "500", "2026-03-17 10:00") is REMINDED


def test_a_newer_invoice_does_not_shorten_a_running_grace() -> None:
    story = acknowledged_story()
    ends_at = story.said.suspend_at
    story.owe(invoice(2, due="2026-03-04"))
    story.look("2026-03-20 10:00")

    assert story.said.suspend_at == ends_at


def test_a_newer_invoice_does_not_keep_a_line_suspended_and_gets_a_full_grace_of_its_own() -> None:
    story = suspended_story()
    story.owe(invoice(2, due="2026-04-02"))
    assert story.look("2026-04-20 10:00") is CUT

    assert story.pay(1, moment="2026-04-20 10:00") is NOTICE  # the second is ripe: a notice, but the line is back
    story.acknowledge("2026-04-20 11:00")
    assert story.until("2026-06-01 00:00") == [("2026-04-30 11:00", "suspended")]


def test_a_newer_invoice_that_is_not_ripe_yet_waits_for_its_own_notice() -> None:
    story = suspended_story()
    story.owe(invoice(2, due="2026-03-20"))

    assert story.pay(1, moment="2026-03-27 10:00") is REMINDED
    assert story.until("2026-04-30 00:00") == [("2026-04-03 08:00", "notice")]


def test_an_invoice_that_the_acknowledged_page_showed_joins_the_claim_when_it_is_ripe() -> None:
    story = acknowledged_story(invoice(2, due="2026-03-13"))  # overdue, and shown, on 16 March; ripe on the 27th

    assert story.look(SUSPENDED) is CUT
    assert story.pay(1, moment="2026-03-27 09:00") is CUT


def test_an_invoice_that_was_shown_but_is_not_ripe_alone_suspends_nobody() -> None:
    story = acknowledged_story(invoice(2, due="2026-03-13"))

    assert story.pay(1, moment="2026-03-20 09:00") is REMINDED
    assert story.until("2026-05-30 00:00") == [("2026-03-27 08:00", "notice")]


def test_a_payment_that_is_returned_starts_anew_with_a_notice() -> None:
    story = suspended_story()
    story.pay(1, moment="2026-03-27 09:00")
    story.owe(invoice(1))

    assert story.look("2026-04-20 10:00") is NOTICE
    assert story.facts.notice is not None
    assert story.facts.notice.acknowledged_at is None


def test_a_returned_payment_while_the_notice_is_open_is_claimed_by_it_again() -> None:
    story = acknowledged_story(invoice(2, due="2026-03-01"))
    story.pay(1, moment="2026-03-18 09:00")
    story.owe(invoice(1))

    assert story.look("2026-03-20 10:00") is IN_GRACE
    assert story.said.suspend_at == prague(SUSPENDED)


# ── shields ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("shield", "why"),
    [
        ({"is_exempt": True}, "exempt"),
        ({"is_held": True}, "held"),
        ({"promise_until_on": date(2026, 12, 24)}, "promised"),
    ],
)
@pytest.mark.parametrize("stage", Stage)
def test_a_shield_keeps_every_stage_clear(stage: Stage, shield: dict[str, object], why: str) -> None:
    facts = contract(invoice(), stage=stage, notice=notice(ACKNOWLEDGED), **shield)

    decision = decide(facts, POLICY, prague(SUSPENDED))

    assert (decision.stage, decision.why, decision.closes_notice) == (CLEAR, why, "")


def test_under_a_shield_nothing_is_written_to_the_subscriber() -> None:
    facts = contract(invoice(), notice=notice(), is_held=True)

    assert not decide(facts, POLICY, prague("2026-04-30 10:00")).is_news


def test_a_released_hold_goes_on_where_it_was() -> None:
    story = acknowledged_story()
    story.change(is_held=True)
    assert story.look("2026-03-20 10:00") is CLEAR
    story.change(is_held=False)

    assert story.look("2026-03-24 10:00") is IN_GRACE
    assert story.said.suspend_at == prague(SUSPENDED)


def test_a_promise_protects_its_last_day_too() -> None:
    story = acknowledged_story()
    story.change(promise_until_on=date(2026, 3, 30))
    story.look("2026-03-20 10:00")

    assert story.look("2026-03-30 23:59") is CLEAR
    assert story.look("2026-03-31 00:00") is IN_GRACE
    assert story.look("2026-03-31 08:00") is CUT


def test_a_promise_that_lapses_on_a_friday_suspends_on_monday() -> None:
    story = acknowledged_story()
    story.change(promise_until_on=date(2026, 4, 10))
    story.look("2026-03-20 10:00")

    # 11 April is a Saturday
    assert story.until("2026-05-01 00:00") == [
        ("2026-04-11 00:00", "acknowledged"),
        ("2026-04-13 08:00", "suspended"),
    ]


def test_a_promise_that_lapses_within_the_grace_changes_nothing_of_its_end() -> None:
    story = acknowledged_story()
    story.change(promise_until_on=date(2026, 3, 20))
    story.look("2026-03-17 10:00")

    assert story.until("2026-05-01 00:00") == [("2026-03-21 00:00", "acknowledged"), ("2026-03-26 12:00", "suspended")]


def test_a_promise_restores_a_suspended_line_at_any_hour() -> None:
    story = suspended_story()
    story.change(promise_until_on=date(2026, 4, 30))

    assert story.look("2026-03-28 23:00") is CLEAR


def test_a_payment_under_a_shield_closes_the_notice() -> None:
    story = acknowledged_story()
    story.change(is_held=True)
    story.look("2026-03-18 10:00")
    story.pay(1, moment="2026-03-20 10:00")

    assert story.said.closes_notice == "settled"
    assert story.said.transitions == ()
    assert story.facts.notice is None


# ── decent hours ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("acknowledged", "suspended"),
    [
        ("2026-03-16 15:59", "2026-03-26 15:59"),
        ("2026-03-16 16:00", "2026-03-27 08:00"),  # Thursday at 16:00 is late: Friday morning
        ("2026-03-17 20:00", "2026-03-30 08:00"),  # Friday evening: Monday
        ("2026-03-18 12:00", "2026-03-30 08:00"),  # Saturday: Monday
        ("2026-03-24 12:00", "2026-04-07 08:00"),  # Good Friday, the weekend, Easter Monday: Tuesday
        ("2026-12-14 12:00", "2026-12-28 08:00"),  # 24 December is a Thursday: the Monday after Christmas
        ("2026-12-22 12:00", "2027-01-04 08:00"),  # New Year's Day is a Friday
        ("2026-04-21 12:00", "2026-05-04 08:00"),  # 1 May is a Friday
    ],
)
def test_a_suspension_begins_at_a_decent_hour(acknowledged: str, suspended: str) -> None:
    opened = notice(acknowledged, opened=acknowledged)
    story = Story(invoice(), stage=IN_GRACE, notice=opened)
    story.now = prague(acknowledged)

    assert story.until("2027-12-31 00:00") == [(suspended, "suspended")]


def test_decent_hours_are_never_a_reason_to_end_a_suspension() -> None:
    story = suspended_story()

    for moment in ("2026-03-26 20:00", "2026-03-28 12:00", "2026-04-06 12:00"):  # evening, Saturday, Easter Monday
        assert story.look(moment) is CUT


def test_a_line_is_restored_on_a_holiday_at_night() -> None:
    assert suspended_story().pay(1, moment="2026-04-06 03:00") is CLEAR


def test_without_spared_holidays_easter_monday_is_a_day_like_any_other() -> None:
    policy = Policy(holiday_country="")
    facts = contract(invoice(), stage=IN_GRACE, notice=notice("2026-03-27 12:00"))

    assert decide(facts, policy, prague("2026-04-06 13:00")).stage is CUT  # ten full days, one of them of 23 hours


# ── sleep, jumps, odd days ──────────────────────────────────────────────────────────────────────────────────────


def test_after_a_month_without_the_daemon_an_unread_contract_is_noticed_and_no_more() -> None:
    story = Story(invoice())

    assert story.look("2026-04-15 10:00") is NOTICE
    assert [step.after for step in story.said.transitions] == [REMINDED, NOTICE]
    assert (story.said.opens_notice, story.said.reminder_due) == (True, None)


def test_after_a_month_without_the_daemon_who_acknowledged_is_suspended_at_a_decent_hour() -> None:
    story = acknowledged_story()

    assert story.look("2026-04-18 10:00") is IN_GRACE  # a Saturday
    assert story.said.suspend_at == prague("2026-04-20 08:00")
    assert story.look("2026-04-20 08:00") is CUT


def test_an_acknowledgement_that_nobody_processed_counts_from_when_it_was_given() -> None:
    story = Story(invoice(), stage=NOTICE, notice=notice(ACKNOWLEDGED))

    assert story.look("2026-03-27 10:00") is CUT
    assert [step.after for step in story.said.transitions] == [IN_GRACE, CUT]


def test_a_clock_ten_years_ahead_suspends_nobody_and_forgets_nothing() -> None:
    story = acknowledged_story()

    assert story.look("2036-03-20 10:00") is IN_GRACE
    assert story.said.parked == ("invoice 26000001 is overdue since 2026-03-02, more than two years",)
    assert story.said.closes_notice == ""

    assert story.look("2026-03-20 10:00") is IN_GRACE
    assert (story.said.parked, story.said.suspend_at) == ((), prague(SUSPENDED))


def test_a_clock_ten_years_ahead_leaves_a_suspended_line_suspended() -> None:
    story = suspended_story()

    assert story.look("2036-03-26 10:00") is CUT
    assert story.look("2026-03-27 10:00") is CUT


def test_a_clock_ten_years_ahead_notices_and_mails_nobody() -> None:
    story = Story(invoice())

    assert story.look("2036-03-26 10:00") is REMINDED
    assert (story.said.opens_notice, story.said.reminder_due) == (False, None)


def test_a_clock_ten_years_behind_sees_no_debt_and_restricts_nobody() -> None:
    for stage in Stage:
        facts = contract(invoice(), stage=stage, notice=notice(ACKNOWLEDGED))
        assert decide(facts, POLICY, prague("2016-03-20 10:00")).stage is CLEAR


def test_an_acknowledgement_before_its_notice_counts_from_the_notice() -> None:
    facts = contract(invoice(), stage=NOTICE, notice=notice("1970-01-01 12:00"))

    decision = decide(facts, POLICY, prague(ACKNOWLEDGED))

    assert (decision.stage, decision.suspend_at) == (IN_GRACE, prague("2026-03-26 08:00"))


@pytest.mark.parametrize(
    ("due", "noticed_at"),
    [
        ("2026-03-15", "2026-03-29T06:00"),  # the Sunday on which summer begins: 8:00 is 6:00 UTC
        ("2026-03-14", "2026-03-28T07:00"),  # the day before: 7:00 UTC
        ("2026-10-11", "2026-10-25T07:00"),  # the Sunday on which it ends
        ("2026-10-10", "2026-10-24T06:00"),
    ],
)
def test_a_day_begins_at_eight_on_the_wall_in_summer_and_in_winter(due: str, noticed_at: str) -> None:
    at = datetime.fromisoformat(noticed_at).replace(tzinfo=UTC)
    facts = contract(invoice(due=due), stage=REMINDED)

    assert decide(facts, POLICY, at - timedelta(seconds=1)).stage is REMINDED
    assert decide(facts, POLICY, at).stage is NOTICE


def test_the_grace_is_full_days_across_the_beginning_of_summer() -> None:
    story = Story(invoice(), stage=NOTICE, notice=notice("2026-03-23 12:00", opened="2026-03-23 08:00"))
    story.look("2026-03-23 12:00")

    assert story.said.suspend_at == prague("2026-03-23 12:00") + timedelta(days=10)


def test_what_is_due_on_the_29th_of_february_is_noticed_14_days_later() -> None:
    story = Story(invoice(due="2028-02-29"))

    assert story.until("2028-04-01 00:00") == [("2028-03-03 08:00", "reminded"), ("2028-03-14 08:00", "notice")]


# ── absurd facts ────────────────────────────────────────────────────────────────────────────────────────────────

ABSURD = {
    "invoice 26000009 is due 2026-02-01, before it was issued 2026-02-15": {
        "issued_on": date(2026, 2, 15),
        "due_on": date(2026, 2, 1),
    },
    "invoice 26000009 was issued 1970-01-01 and is due 1970-01-15": {
        "issued_on": date(1970, 1, 1),
        "due_on": date(1970, 1, 15),
    },
    "invoice 26000009 was issued 2026-02-16 and is due 9999-12-31": {"due_on": date.max},
    "invoice 26000009 was issued 0001-01-01 and is due 2026-03-02": {"issued_on": date.min},
    "invoice 26000009 has a negative amount": {"total": Money(-1), "open": Money(-1)},
    "invoice 26000009 has more open (600.00) than its total (599.00)": {"open": Money(600_00)},
    "invoice 26000009 is overdue since 2024-03-15, more than two years": {
        "issued_on": date(2024, 3, 1),
        "due_on": date(2024, 3, 15),
    },
}


@pytest.mark.parametrize(("words", "changes"), ABSURD.items())
def test_an_absurd_invoice_parks_the_contract_and_restricts_nobody(words: str, changes: dict[str, object]) -> None:
    absurd = replace(invoice(9), **changes)  # type: ignore[arg-type]

    decision = decide(contract(absurd), POLICY, prague("2026-03-16 12:00"))

    assert decision.parked == (words,)
    assert decision.stage.line == "open"
    assert decision.reminder_due is None


NONSENSE = replace(invoice(9), open=Money(600_00))


@pytest.mark.parametrize("stage", [REMINDED, IN_GRACE])
def test_a_parked_contract_gets_no_stricter(stage: Stage) -> None:
    facts = contract(invoice(), NONSENSE, stage=stage, notice=notice(ACKNOWLEDGED))

    assert decide(facts, POLICY, prague(SUSPENDED)).stage.line == "open"


def test_a_parked_contract_can_become_better() -> None:
    story = suspended_story()
    story.owe(NONSENSE)
    assert story.look("2026-03-27 09:00") is CUT

    assert story.pay(1, moment="2026-03-27 10:00") is CLEAR
    assert story.said.parked


def test_a_parked_contract_in_notice_can_be_acknowledged() -> None:
    story = Story(invoice())
    story.look(NOTICED)
    story.owe(NONSENSE)

    assert story.acknowledge(ACKNOWLEDGED) is IN_GRACE
    assert story.look("2026-04-20 12:00") is IN_GRACE


def test_a_parked_contract_is_not_mailed() -> None:
    facts = contract(invoice(), NONSENSE, stage=NOTICE, notice=notice())

    assert not decide(facts, POLICY, prague("2026-03-20 10:00")).is_news


@pytest.mark.parametrize("stage", [CLEAR, REMINDED, NOTICE, IN_GRACE, CUT])
def test_a_stage_that_nobody_knows_parks_and_leaves_the_line_as_it_is(stage: Stage) -> None:
    facts = contract(invoice(), stage=stage, notice=notice(), unknown_stage="throttled")

    decision = decide(facts, POLICY, prague(NOTICED))

    assert (decision.stage, decision.transitions, decision.is_news) == (stage, (), False)
    assert "the stage 'throttled'" in decision.parked[0]
    assert "`hradlo hold 1001`" in decision.parked[0]


@pytest.mark.parametrize("facts", [contract(), contract(invoice(), is_held=True), contract(invoice(), is_exempt=True)])
def test_who_owes_nothing_or_is_shielded_is_clear_whatever_nobody_knows(facts: Facts) -> None:
    decision = decide(replace(facts, stage=CUT, unknown_stage="throttled"), POLICY, prague(NOTICED))

    assert (decision.stage, decision.parked) == (CLEAR, ())


def test_who_acknowledges_gets_the_line_back_from_a_stage_that_nobody_knows() -> None:
    facts = contract(invoice(), stage=NOTICE, notice=notice(ACKNOWLEDGED), unknown_stage="throttled")

    assert decide(facts, POLICY, prague(SUSPENDED)).stage is IN_GRACE


def test_absurdities_are_told_in_one_order() -> None:
    absurd = (NONSENSE, replace(invoice(8), open=Money(-1)))

    assert decide(contract(*absurd), POLICY, prague(NOTICED)).parked == (
        "invoice 26000008 has a negative amount",
        "invoice 26000009 has more open (600.00) than its total (599.00)",
    )


def test_what_makes_no_sense_is_never_debt() -> None:
    assert decide(contract(NONSENSE), POLICY, prague(NOTICED)).debt == Money(0)


def test_a_corrected_contract_goes_on_where_it_stood() -> None:
    story = acknowledged_story()
    story.owe(NONSENSE)
    story.look("2026-03-30 10:00")
    story.change(invoices=(invoice(),))

    assert story.look("2026-03-31 10:00") is CUT


def test_the_day_on_which_a_debt_becomes_absurdly_old_is_announced() -> None:
    story = suspended_story()
    at = decide(story.facts, POLICY, story.now).next_look_at

    assert at == prague("2028-03-02 00:00")
    assert not decide(story.facts, POLICY, at - timedelta(seconds=1)).parked
    assert decide(story.facts, POLICY, at).parked


def test_instants_beyond_the_calendar_suspend_nobody() -> None:
    for at in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        read = NoticeFact(1, opened_at=at, mailed_at=at, acknowledged_at=at, acknowledged_invoices=frozenset({1}))
        assert decide(contract(invoice(), notice=read, stage=IN_GRACE), POLICY, prague(NOTICED)).next_look_at


def test_a_promise_beyond_the_calendar_holds_for_ever() -> None:
    facts = contract(invoice(), promise_until_on=date.max, notice=notice(ACKNOWLEDGED))

    assert decide(facts, POLICY, prague(SUSPENDED)).stage is CLEAR


def test_another_policy_has_other_days() -> None:
    policy = Policy(reminder_days=(1,), notice_days=2, grace_days=1, day_starts_at=time(0), minimum_debt=Money(1))
    story = Story(invoice(due=DUE, amount="0.01"), policy=policy)
    assert story.until("2026-03-04 12:00") == [("2026-03-03 00:00", "reminded"), ("2026-03-04 00:00", "notice")]

    story.acknowledge("2026-03-04 12:00")
    assert story.until("2026-04-01 00:00") == [("2026-03-05 12:00", "suspended")]
