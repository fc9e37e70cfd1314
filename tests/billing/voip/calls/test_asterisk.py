"""What is peculiar to Master.csv: optional columns, and what makes two lines one call."""

from dataclasses import replace
from datetime import timedelta

import pytest

from billing.voip.calls.asterisk import parse
from tests.billing.voip.calls.exchanges import ANSWERED, PRAGUE, asterisk

LINE = asterisk([ANSWERED], with_ids=False).rstrip()
OTHER_LEG = asterisk([ANSWERED]).replace(b"PJSIP/trunk-00000002", b"PJSIP/trunk-00000003")


def ids(data: bytes) -> list[tuple[str, str]]:
    reading = parse(data, PRAGUE)
    assert not reading.problems
    return [(call.uid, call.call_id) for call in reading.records]


@pytest.mark.parametrize("more", ['"1795871721.42"', '"pbx-1795871721.42","note"', '"1795871721.42","","","1.1","7"'])
def test_the_unique_id_is_found_wherever_the_columns_of_cdr_conf_put_it(more: str) -> None:
    ((uid, call_id),) = ids(LINE + b"," + more.encode())

    assert call_id.endswith("1795871721.42")
    assert uid.startswith(f"{call_id}-")


@pytest.mark.parametrize("more", [b"", b',"a note"', b',"peer","1795871721.42","7"', b',"note","peer","1.1","7"'])
def test_without_a_unique_id_equal_lines_are_one_call_and_others_are_not(more: bytes) -> None:
    (first, _), (again, _), (other, call_id) = ids(
        b"\n".join([LINE + more, LINE + more, LINE.replace(b"PJSIP/1-00000001", b"PJSIP/1-00000002") + more])
    )

    assert first == again != other
    assert first.startswith("line-")
    assert call_id == ""


def test_two_legs_of_one_call_are_two_records_of_it() -> None:
    (first, call_id), (second, same_call) = ids(asterisk([ANSWERED]) + OTHER_LEG)

    assert first != second
    assert call_id == same_call


def test_times_in_another_zone_are_noticed_by_the_unique_id() -> None:
    """With usegmtime a call seems to begin an hour before its channel was made."""
    early = [getattr(ANSWERED, name) - timedelta(hours=1) for name in ("started_at", "answered_at", "ended_at")]
    shifted = replace(ANSWERED, started_at=early[0], answered_at=early[1], ended_at=early[2])

    (problem,) = parse(asterisk([shifted]), PRAGUE).problems

    assert "usegmtime" in problem.message


def test_an_unknown_disposition_is_named() -> None:
    (problem,) = parse(asterisk([ANSWERED]).replace(b"ANSWERED", b"ANSWERD"), PRAGUE, first_line=100).problems

    assert str(problem).startswith("line 100: its disposition 'ANSWERD' is none of ANSWERED, NO ANSWER")


def test_the_name_of_a_caller_may_be_in_any_encoding() -> None:
    assert ids(asterisk([ANSWERED]).decode().encode("cp1250")) == ids(asterisk([ANSWERED]))
