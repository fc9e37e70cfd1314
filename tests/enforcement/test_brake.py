"""The brake: what is let through and what a person must look at first."""

from dataclasses import replace

import pytest

from enforcement.brake import Freshness, Go, Held, History, Limits, Proposal, Reason, Why, checksum, judge
from enforcement.state import LineState

LIMITS = Limits()
NOTICE, SUSPENDED = LineState.NOTICE, LineState.SUSPENDED
TOWN = History(open_lines=5000, contracts=5200)
VILLAGE = History(open_lines=120, contracts=130)
FRESH = Freshness(age_days=0)


def whys(answer: Go | Held) -> list[Why]:
    return [reason.why for reason in answer.reasons] if isinstance(answer, Held) else []


@pytest.mark.parametrize(
    ("history", "line", "limit"),
    [
        pytest.param(VILLAGE, SUSPENDED, 10, id="ten suspensions in a village"),
        pytest.param(TOWN, SUSPENDED, 100, id="two per cent of a town"),
        pytest.param(VILLAGE, NOTICE, 50, id="fifty notices in a village"),
        pytest.param(TOWN, NOTICE, 500, id="ten per cent of a town"),
        pytest.param(History(), SUSPENDED, 10, id="ten where nothing is open"),
    ],
)
def test_so_many_go_and_one_more_holds_them_all(history: History, line: LineState, limit: int) -> None:
    assert judge(limit, line, history, FRESH, [], LIMITS) == Go()
    assert whys(judge(limit + 1, line, history, FRESH, [], LIMITS)) == [Why.VOLUME]


def test_many_small_runs_add_up() -> None:
    history = replace(TOWN, restricted={SUSPENDED: 95, NOTICE: 400})

    assert judge(5, SUSPENDED, history, FRESH, [], LIMITS) == Go()
    assert whys(judge(6, SUSPENDED, history, FRESH, [], LIMITS)) == [Why.VOLUME]
    assert judge(100, NOTICE, history, FRESH, [], LIMITS) == Go()


def test_the_reason_names_the_figures() -> None:
    answer = judge(1600, SUSPENDED, replace(TOWN, restricted={SUSPENDED: 3}), FRESH, [], LIMITS)

    assert isinstance(answer, Held)
    assert str(answer.reasons[0]) == (
        "volume: 1600 new suspensions and 3 in the last 24 hours are more than 100, the limit for 5000 open lines"
    )


@pytest.mark.parametrize("age_days", [0, 1, 3])
def test_a_statement_of_the_last_working_days_is_fresh(age_days: int) -> None:
    assert judge(1, SUSPENDED, TOWN, Freshness(age_days), [], LIMITS) == Go()


@pytest.mark.parametrize("age_days", [4, 60, None])
def test_without_a_fresh_statement_not_one_is_restricted(age_days: int | None) -> None:
    for line in (NOTICE, SUSPENDED):
        assert whys(judge(1, line, TOWN, Freshness(age_days), [], LIMITS)) == [Why.STALE]


def test_an_isp_that_is_paid_another_way_is_not_asked_for_statements() -> None:
    limits = replace(LIMITS, statement_age_days=0)

    assert judge(1, SUSPENDED, TOWN, Freshness(None, ("a gap",), ("a thin day",)), [], limits) == Go()


def test_missing_and_thin_statements_hold_and_are_named() -> None:
    answer = judge(1, SUSPENDED, TOWN, Freshness(0, ("missing since Monday",), ("three payments",)), [], LIMITS)

    assert isinstance(answer, Held)
    assert [str(reason) for reason in answer.reasons] == ["gap: missing since Monday", "thin: three payments"]


def test_more_than_one_per_cent_parked_holds_everybody() -> None:
    assert judge(1, SUSPENDED, replace(TOWN, parked=52), FRESH, [], LIMITS) == Go()
    assert whys(judge(1, SUSPENDED, replace(TOWN, parked=53), FRESH, [], LIMITS)) == [Why.PARKED]


def test_a_handful_of_parked_contracts_holds_no_village() -> None:
    assert judge(1, NOTICE, replace(VILLAGE, parked=5), FRESH, [], LIMITS) == Go()
    assert whys(judge(1, NOTICE, replace(VILLAGE, parked=6), FRESH, [], LIMITS)) == [Why.PARKED]


def test_whatever_is_new_holds_until_somebody_has_looked() -> None:
    novelty = [Reason(Why.UPGRADED, "0.1 became 0.2"), Reason(Why.CLOCK, "set by 3 h")]

    assert whys(judge(1, NOTICE, TOWN, FRESH, novelty, LIMITS)) == [Why.UPGRADED, Why.CLOCK]


def test_all_reasons_are_named_not_just_the_first() -> None:
    answer = judge(5000, SUSPENDED, replace(TOWN, parked=999), Freshness(None), [Reason(Why.FIRST, "")], LIMITS)

    assert whys(answer) == [Why.FIRST, Why.VOLUME, Why.STALE, Why.PARKED]


# ── the checksum ────────────────────────────────────────────────────────────────────────────────────────────────

ONE = Proposal(1, "1001", SUSPENDED, "599.00", "the grace ran out unpaid")
TWO = Proposal(2, "1002", NOTICE, "300.00", "overdue")
VOLUME = Reason(Why.VOLUME, "so many")


def test_the_checksum_stays_while_the_same_people_owe_the_same() -> None:
    reworded = replace_words(VOLUME, "so many, one minute later")

    assert checksum([ONE, TWO], [VOLUME]) == checksum([TWO, ONE], [reworded])


@pytest.mark.parametrize(
    "proposals",
    [
        pytest.param([ONE], id="somebody is left out"),
        pytest.param([ONE, TWO, Proposal(3, "1003", NOTICE, "1.00", "")], id="somebody is added"),
        pytest.param([ONE._replace(debt="600.00"), TWO], id="a debt changes"),
        pytest.param([ONE._replace(line=NOTICE), TWO], id="a line changes"),
    ],
)
def test_the_checksum_changes_when(proposals: list[Proposal]) -> None:
    assert checksum(proposals, [VOLUME]) != checksum([ONE, TWO], [VOLUME])


def test_the_checksum_changes_when_a_new_reason_comes_up() -> None:
    assert checksum([ONE], [VOLUME]) != checksum([ONE], [VOLUME, Reason(Why.RESTORED, "")])


def replace_words(reason: Reason, words: str) -> Reason:
    return Reason(reason.why, words)
