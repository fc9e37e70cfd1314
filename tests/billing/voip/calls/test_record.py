"""A record that contradicts itself is told apart from a call."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.voip.calls.record import CALL_LASTS_MAX, PROBLEMS_SHOWN_MAX, CallRecord, disagreements, rejected
from config.errors import Problem

STARTED = datetime(2026, 11, 28, 13, 0, tzinfo=UTC)
CALL = CallRecord(
    source="kamailio",
    uid="1-1",
    call_id="1-1",
    caller="228880001",
    called="602123456",
    started_at=STARTED,
    answered_at=STARTED + timedelta(seconds=5),
    ended_at=STARTED + timedelta(seconds=65),
    billed_seconds=60,
    disposition="answered",
)
UNANSWERED = replace(CALL, answered_at=None, billed_seconds=0, disposition="unanswered")


@pytest.mark.parametrize("call", [CALL, UNANSWERED, replace(CALL, billed_seconds=58), replace(CALL, billed_seconds=62)])
def test_a_call_agrees_with_itself(call: CallRecord) -> None:
    assert list(disagreements(call)) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"billed_seconds": 57}, "60 s lie between answer and end, but 57 s are billed"),
        ({"billed_seconds": -1}, "its billed seconds are -1"),
        ({"answered_at": None}, "it is answered, but its answer time is missing"),
        ({"answered_at": STARTED - timedelta(seconds=1)}, "outside its time"),
        ({"ended_at": STARTED - timedelta(seconds=1)}, "no time of a call"),
        ({"started_at": datetime(1970, 1, 1, tzinfo=UTC)}, "no time of a call"),
        ({"ended_at": STARTED + CALL_LASTS_MAX + timedelta(seconds=1)}, "longer than any call"),
        ({"disposition": "busy"}, "it is busy, but its answer time is"),
    ],
)
def test_what_contradicts_itself_is_named(changed: dict[str, Any], said: str) -> None:
    assert said in "; ".join(disagreements(replace(CALL, **changed)))


def test_a_call_that_nobody_answered_bills_nothing() -> None:
    assert list(disagreements(replace(UNANSWERED, billed_seconds=60))) == ["it was not answered, but 60 s are billed"]


def test_a_refusal_shows_the_first_problems_and_counts_the_others() -> None:
    problems = [Problem(f"line {number}", "is none") for number in range(1, PROBLEMS_SHOWN_MAX + 6)]

    shown = rejected(problems).problems

    assert len(shown) == PROBLEMS_SHOWN_MAX + 1
    assert str(shown[-1]) == "further on: 5 more problems"
