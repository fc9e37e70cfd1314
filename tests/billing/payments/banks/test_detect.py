"""`read` returns checked statements or raises `StatementRejected`, nothing else, ever."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.payments.banks import detect
from billing.payments.banks.detect import read
from billing.payments.banks.statement import check
from config.errors import StatementRejected
from tests.billing.payments.banks.bank_files import (
    EXAMPLES,
    bank_days,
    fio_document,
    fio_json,
    fio_statements,
    one_day,
    payment,
)

GPC = one_day(payment("599.00", "1001"))
FIO = b'{"accountStatement": null}'


def test_the_format_is_known_by_the_content() -> None:
    assert read(GPC) == read(GPC, "gpc")
    assert read(b"\xef\xbb\xbf\r\n" + GPC) == read(GPC)
    with pytest.raises(StatementRejected, match="has no object 'accountStatement'"):
        read(b"\n " + FIO)


def test_a_format_that_was_asked_for_is_not_guessed() -> None:
    with pytest.raises(StatementRejected, match="not JSON"):
        read(GPC, "fio")
    with pytest.raises(StatementRejected, match="a header 074 must come first"):
        read(FIO, "gpc")


@pytest.mark.parametrize("data", [b"", b"\x00\x01", "074".encode("utf-16"), b"PK\x03\x04"])
def test_what_is_no_bank_statement_is_refused_with_the_remedy(data: bytes) -> None:
    with pytest.raises(StatementRejected, match="Export the statement from the bank as GPC"):
        read(data)


def test_a_file_above_the_size_limit_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect, "SIZE_BYTES_MAX", len(GPC))
    read(GPC)

    with pytest.raises(StatementRejected, match="Export a shorter period"):
        read(GPC + b"\n")


places = st.integers(0, 2**20)
junk = st.one_of(
    st.binary(min_size=1, max_size=8),
    st.sampled_from(
        [b"\r\n", b"\n074", b"\n075", b"999999999999999999", b"-", b"\x00", b'"', b"[" * 2000, b"1e999999999"]
    ),
)
Mutation = Callable[[bytes], bytes]


def _flip(data: bytes, place: int, bits: int) -> bytes:
    where = place % len(data)
    return data[:where] + bytes([data[where] ^ bits]) + data[where + 1 :]


mutations: st.SearchStrategy[Mutation] = st.one_of(
    places.map(lambda place: lambda data: data[: place % (len(data) + 1)]),
    places.map(lambda place: lambda data: data[place % (len(data) + 1) :]),
    st.just(lambda data: data + data),
    st.tuples(places, st.integers(1, 20)).map(
        lambda cut: lambda data: data[: cut[0] % (len(data) + 1)] + data[cut[0] % (len(data) + 1) + cut[1] :]
    ),
    st.tuples(places, junk).map(
        lambda put: lambda data: data[: put[0] % (len(data) + 1)] + put[1] + data[put[0] % (len(data) + 1) :]
    ),
    st.tuples(places, st.integers(1, 255)).map(lambda flip: lambda data: _flip(data, *flip) if data else data),
    st.tuples(places, st.sampled_from(b"0123456789 -+xZ")).map(
        lambda put: (
            lambda data: data[: put[0] % (len(data) + 1)] + bytes([put[1]]) + data[put[0] % (len(data) + 1) + 1 :]
        )
    ),
    st.sampled_from(["utf-8", "utf-16", "cp852", "cp1250"]).map(
        lambda encoding: lambda data: data.decode("cp1250", "replace").encode(encoding, "replace")
    ),
    st.just(lambda data: data.replace(b"\r\n", b"\n\n")),
    st.just(lambda data: data.replace(b"0", b"9")),
)


def _read_or_refuse(data: bytes, name: Any) -> None:
    """The invariant. Any other exception fails the test by itself."""
    try:
        statements = read(data, name)
    except StatementRejected as error:
        refusal: StatementRejected | None = error
        statements = []
    else:
        refusal = None

    assert bool(statements) != bool(refusal and refusal.problems)
    assert len(str(refusal)) < 100_000
    for statement in statements:
        check(statement)
        repr(statement).encode()
        assert all(len(line.bank_ref) <= 120 and len(line.counter_account) <= 60 for line in statement.lines)
        assert len(statement.account) <= 40
        assert len(statement.number) <= 40


files = st.one_of(
    bank_days().map(lambda day: day.gpc()),
    fio_statements().map(lambda statement: fio_json(fio_document(statement))),
    st.lists(bank_days(), min_size=1, max_size=3).map(lambda some: b"".join(day.gpc() for day in some)),
)
fuzzing = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@fuzzing
@given(files, st.lists(mutations, max_size=4), st.sampled_from(["auto", "auto", "gpc", "fio"]))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(data: bytes, damage: list[Mutation], name: str) -> None:
    for mutate in damage:
        data = mutate(data)

    _read_or_refuse(data, name)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def damaged_documents(draw: st.DrawFn) -> Any:
    """A good document in which one value, at any depth, became something else."""
    document = json.loads(fio_json(fio_document(draw(fio_statements()))))
    inner: Any = document
    while True:
        keys = list(inner) if isinstance(inner, dict) else range(len(inner))
        key = draw(st.sampled_from(keys))
        if not isinstance(inner[key], dict | list) or not inner[key] or draw(st.booleans()):
            inner[key] = draw(json_values)
            return document
        inner = inner[key]


@fuzzing
@given(damaged_documents())
def test_json_with_a_strange_value_anywhere_is_read_or_refused_and_nothing_else(document: Any) -> None:
    _read_or_refuse(json.dumps(document).encode(), "fio")


@fuzzing
@given(st.binary(max_size=400), st.sampled_from(["auto", "gpc", "fio"]))
def test_any_bytes_are_read_or_refused_and_nothing_else(data: bytes, name: str) -> None:
    _read_or_refuse(data, name)
