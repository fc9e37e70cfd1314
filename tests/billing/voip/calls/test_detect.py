"""`read` returns records or raises `CallsRejected`, nothing else, ever."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.voip.calls import detect
from billing.voip.calls.detect import FORMATS, Format, read
from billing.voip.calls.record import LINE_CHARACTERS_MAX, CallRecord, disagreements
from config.errors import CallsRejected
from tests.billing.voip.calls.exchanges import (
    ANSWERED,
    PRAGUE,
    UNANSWERED,
    WRITERS,
    Writer,
    calls,
    freeswitch_json,
    kamailio,
    leg,
)

by_writer = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
by_line = pytest.mark.parametrize("write", [w for name, w in WRITERS.items() if "json" not in name])


def told(call: CallRecord) -> CallRecord:
    """What every format tells alike."""
    return replace(call, source="asterisk", uid="")


@by_writer
def test_every_exchange_is_told_by_its_content(write: Writer) -> None:
    data = write([ANSWERED, UNANSWERED])

    assert [told(call) for call in read(data, PRAGUE)] == [ANSWERED, UNANSWERED]
    assert read(b"\xef\xbb\xbf" + data, PRAGUE) == read(data, PRAGUE)
    assert read(data.replace(b"\n", b"\r\n"), PRAGUE) == read(data, PRAGUE)


@by_writer
def test_a_call_is_the_same_whenever_its_record_is_read(write: Writer) -> None:
    first, second = read(write([ANSWERED]) + b"\n" + write([ANSWERED]), PRAGUE)

    assert first == second
    assert first.uid


@by_writer
@given(call=calls())
def test_what_the_exchange_wrote_is_what_is_read(write: Writer, call: CallRecord) -> None:
    (found,) = read(write([call]), PRAGUE)

    seen = told(found)
    if write is kamailio and call.answered_at is None:
        seen = replace(seen, disposition=call.disposition)  # it does not say why nobody answered
    if write is WRITERS["freeswitch csv"]:  # in the hour that is shown twice it can't know which: see test_local_time
        seen = replace(
            seen, started_at=call.started_at, answered_at=call.answered_at, ended_at=call.ended_at
        )  # the seconds are compared
    assert seen == call


@by_line
def test_every_bad_line_is_named_and_the_good_ones_beside_it_are_not(write: Writer) -> None:
    good = write([ANSWERED])

    with pytest.raises(CallsRejected) as refusal:
        read(good + b'"torn","line\n' + good + good[:40] + b"\n" + good, PRAGUE)

    assert [problem.place for problem in refusal.value.problems] == ["line 2", "line 4"]
    assert "docs/voip.md" in str(refusal.value)


@by_line
def test_a_line_whose_columns_are_shifted_is_refused(write: Writer) -> None:
    separator = b"|" if write is kamailio else b","
    data = write([ANSWERED])
    cut = data.partition(separator)[2]

    with pytest.raises(CallsRejected):
        read(data + cut, PRAGUE)
    with pytest.raises(CallsRejected):
        read(data + separator + data, PRAGUE)


def test_what_is_in_no_format_is_refused_with_all_that_were_tried() -> None:
    for data in (b"", b"%PDF-1.7", "a,b\n".encode("utf-16"), b"\x00" * 100):
        with pytest.raises(CallsRejected) as refusal:
            read(data, PRAGUE)
        assert [problem.place for problem in refusal.value.problems] == ["file", "asterisk", "freeswitch", "kamailio"]


def test_a_format_that_was_asked_for_is_not_guessed() -> None:
    with pytest.raises(CallsRejected, match="instead of 8"):
        read(WRITERS["asterisk"]([ANSWERED]), PRAGUE, "kamailio")


def test_a_file_above_the_size_limit_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    data = kamailio([ANSWERED])
    monkeypatch.setattr(detect, "SIZE_BYTES_MAX", len(data))
    read(data, PRAGUE)

    with pytest.raises(CallsRejected, match="calls_files"):
        read(data + b"\n", PRAGUE)


def test_the_second_leg_of_a_call_is_no_call() -> None:
    second: Any = leg(ANSWERED)
    second["callflow"][0]["caller_profile"]["originator"] = {"originator_caller_profiles": []}

    assert len(read(json.dumps([second, leg(UNANSWERED)]).encode(), PRAGUE)) == 1


def test_a_bad_object_is_named_by_its_place() -> None:
    with pytest.raises(CallsRejected, match="record 2, line 2: has no object 'variables'"):
        read(freeswitch_json([ANSWERED]) + b"\n{}\n" + freeswitch_json([ANSWERED]), PRAGUE)


junk = st.one_of(
    st.binary(min_size=1, max_size=8),
    st.sampled_from(
        [
            *(b"\n", b'"', b'""', b",", b"|", b"\x00", b"[" * 3000, b"{" * 3000, b"1e999999999", b"9" * 5000, b"-1"),
            *(b'{"variables":', b'"\\ud800"', b"2026-10-25 02:30:00", b"2026-03-29 02:30:00", b"0000-00-00 00:00:00"),
            *(b"9999-12-31 23:59:59", b"0001-01-01 00:00:00", b"ANSWERED", b"\xff\xfe", b"a" * (LINE_CHARACTERS_MAX)),
        ]
    ),
)
places = st.integers(0, 2**20)


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    """A good file that was cut, doubled, mixed, bitten into or re-encoded, up to four times."""
    data = draw(st.sampled_from(list(WRITERS.values())))(draw(st.lists(calls(), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 4))):
        at, until = sorted(draw(st.tuples(places, places)))
        at, until = at % (len(data) + 1), until % (len(data) + 1)
        match draw(st.sampled_from(["cut", "double", "put", "bite", "encode", "flip", "columns"])):
            case "cut":
                data = data[at:] if draw(st.booleans()) else data[:at]
            case "double":
                data += data
            case "put":
                data = data[:at] + draw(junk) + data[at:]
            case "bite":
                data = data[:at] + data[min(at + 9, len(data)) :]
            case "encode":
                data = data.decode("utf-8", "replace").encode(draw(st.sampled_from(["utf-16", "cp1250"])), "replace")
            case "flip" if data:
                at %= len(data)
                data = data[:at] + bytes([data[at] ^ draw(st.integers(1, 255))]) + data[at + 1 :]
            case "columns":
                data = data.replace(b",", b"|") if draw(st.booleans()) else data.replace(b"0", b"9")
    return data


def _read_or_refuse(data: bytes, name: Format) -> None:
    """The invariant. Any other exception fails the test by itself."""
    try:
        found = read(data, PRAGUE, name)
    except CallsRejected as error:
        refusal: CallsRejected | None = error
        found = []
    else:
        refusal = None

    assert refusal is None or refusal.problems
    assert len(str(refusal).encode()) < 100_000
    for call in found:
        assert list(disagreements(call)) == []
        assert len(call.uid) <= 128
        assert (call.caller + call.called).isprintable()
        repr(call).encode()


@given(damaged_files(), st.sampled_from(["auto", *FORMATS]))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(data: bytes, name: Format) -> None:
    _read_or_refuse(data, name)


@given(st.binary(max_size=400), st.sampled_from(FORMATS))
def test_any_bytes_are_read_or_refused_and_nothing_else(data: bytes, name: Format) -> None:
    _read_or_refuse(data, name)


@pytest.mark.parametrize("piece", [b"\x00", b"\xff", b"{", b"[", b'{"a":', b"\n", b",", b"|", b'"', b"9", b"{}"])
def test_megabytes_of_rubbish_are_refused_with_one_error(piece: bytes) -> None:
    for start in (b"", kamailio([ANSWERED]), WRITERS["asterisk"]([ANSWERED]), b"{"):
        for name in FORMATS:
            _read_or_refuse(start + piece * (200_000 // len(piece)), name)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.data(), json_values, calls())
def test_json_with_a_strange_value_anywhere_is_read_or_refused_and_nothing_else(
    data: st.DataObject, strange: Any, call: CallRecord
) -> None:
    document: Any = leg(call)
    inner: Any = document
    while True:
        key = data.draw(st.sampled_from(list(inner) if isinstance(inner, dict) else range(len(inner))))
        if not isinstance(inner[key], dict | list) or not inner[key] or data.draw(st.booleans()):
            inner[key] = strange
            break
        inner = inner[key]

    _read_or_refuse(json.dumps(document).encode(), "freeswitch")
