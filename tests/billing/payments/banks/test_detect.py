"""`read` returns checked statements or raises `StatementRejected`, nothing else, ever."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.money import Money
from billing.payments.banks import detect
from billing.payments.banks.detect import read
from billing.payments.banks.statement import Statement, StatementLine, check
from config.errors import StatementRejected
from tests.billing.payments.banks import formats
from tests.billing.payments.banks.bank_files import (
    bank_days,
    fio_document,
    fio_json,
    fio_statements,
    one_day,
    payment,
)

STATEMENT = Statement(
    account="1000000005/2010",
    number="2026/9",
    opened_on=date(2026, 11, 1),
    closed_on=date(2026, 11, 3),
    old_balance=Money(-100),
    new_balance=Money(59700),
    lines=(
        StatementLine(
            "fio-27000000001", date(2026, 11, 2), Money(59900), "1001", "26000001", "308", "123/0800", "rijen"
        ),
        StatementLine("fio-27000000002", date(2026, 11, 3), Money(-100)),
    ),
    currency="CZK",
)
GPC = one_day(payment("599.00", "1001"))
FIO = b'{"accountStatement": null}'


def test_the_format_is_known_by_the_content() -> None:
    assert read(GPC) == read(GPC, "gpc")
    assert read(b"\xef\xbb\xbf\r\n" + GPC) == read(GPC)
    with pytest.raises(StatementRejected, match="has no object 'accountStatement'"):
        read(b"\n " + FIO)


@pytest.mark.parametrize("write", formats.WRITERS.values(), ids=formats.WRITERS)
def test_every_format_is_told_by_its_content(write: Callable[[Statement], bytes]) -> None:
    data = write(STATEMENT)

    [found] = read(data)

    assert [(str(line.amount), line.variable_symbol) for line in found.lines] == [("599.00", "1001"), ("-1.00", "")]
    assert read(b"\xef\xbb\xbf" + data.removeprefix(b"\xef\xbb\xbf")) == [found]


def test_xml_may_be_in_the_wide_encoding_that_it_names() -> None:
    data = formats.camt053(STATEMENT)

    assert read(data.decode().replace("UTF-8", "UTF-16").encode("utf-16")) == read(data)


def test_what_is_in_no_format_is_refused_with_all_that_were_tried() -> None:
    with pytest.raises(StatementRejected) as refusal:
        read(b"%PDF-1.7")

    assert [problem.place for problem in refusal.value.problems] == ["file", "gpc", "camt053", "mt940", "fio"]
    assert "begins with b'%PDF-1.7'" in str(refusal.value)


@pytest.mark.parametrize("write", [lambda statement: GPC, *formats.WRITERS.values()], ids=["gpc", *formats.WRITERS])
def test_a_file_that_was_doubled_is_refused(write: Callable[[Statement], bytes]) -> None:
    data = write(STATEMENT)

    with pytest.raises(StatementRejected, match=r"twice|not JSON|not XML|columns instead of"):
        read(data + data)


def test_a_movement_in_two_statements_of_one_file_is_refused() -> None:
    with pytest.raises(StatementRejected, match=r"the movement 'gpc-[^']*' is also in statement 1 of account"):
        read(GPC + one_day(payment("599.00", "1001", document="2611030010001"), payment("1.00"), number=2))


@pytest.mark.parametrize(
    "piece",
    [
        b"\x00",
        b"\xff",
        b"074",
        b"<",
        b"<a>",
        b"{",
        b"[",
        b'{"a":',
        b":20:\r\n",
        b"ID operace;\r\n",
        b"\r\n",
        b"9",
        b'"',
    ],
)
def test_megabytes_of_rubbish_are_refused_with_one_error(piece: bytes) -> None:
    for start in (b"", b"074", b":20:1\r\n", b"<", b"{", b"ID operace;"):
        _read_or_refuse(start + piece * (2_000_000 // len(piece)), "auto")


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

    with pytest.raises(StatementRejected, match="Export shorter periods"):
        read(GPC + b"\n")


places = st.integers(0, 2**20)
junk = st.one_of(
    st.binary(min_size=1, max_size=8),
    st.sampled_from(
        [
            *(b"\r\n", b"\n074", b"\n075", b"999999999999999999", b"-", b"\x00", b'"', b"[" * 2000, b"1e999999999"),
            *(b"<a>" * 50, b"</Ntry>", b"<Ntry>", b"&x;", b"<!DOCTYPE a>", b"]]>", b"\n:20:", b"\n:61:", b"\n:86:"),
            *(b"?20", b";", b",", b"\xff\xfe", b"-}", b"{4:", b"\xc2\xa0"),
        ]
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


def _fields(statement: Statement) -> list[tuple[object, ...]]:
    names = ("booked_on", "amount", "variable_symbol", "specific_symbol", "constant_symbol", "counter_account")
    return [tuple(getattr(line, name) for name in names) for line in statement.lines]


@pytest.mark.parametrize("write", formats.WRITERS.values(), ids=formats.WRITERS)
@given(statement=fio_statements())
def test_what_the_bank_wrote_is_what_is_read(write: Callable[[Statement], bytes], statement: Statement) -> None:
    [found] = read(write(statement))

    assert _fields(found) == _fields(statement)
    assert (found.account, found.currency) == (statement.account, "CZK")
    assert (found.old_balance, found.new_balance) == (statement.old_balance, statement.new_balance)
    assert (found.opened_on, found.closed_on) == (statement.opened_on, statement.closed_on)


@pytest.mark.parametrize("write", formats.WRITERS.values(), ids=formats.WRITERS)
@given(statement=fio_statements(), minor=st.integers(-1000, 1000).filter(bool))
def test_a_balance_that_is_wrong_is_always_noticed(
    write: Callable[[Statement], bytes], statement: Statement, minor: int
) -> None:
    wrong = replace(statement, new_balance=statement.new_balance + Money(minor))

    with pytest.raises(StatementRejected, match="new balance"):
        read(write(wrong))


files = st.one_of(
    bank_days().map(lambda day: day.gpc()),
    st.builds(
        lambda write, statement: write(statement), st.sampled_from([*formats.WRITERS.values()]), fio_statements()
    ),
    st.lists(bank_days(), min_size=1, max_size=3).map(lambda some: b"".join(day.gpc() for day in some)),
)


@given(files, st.lists(mutations, max_size=4), st.sampled_from(["auto", "auto", "gpc", "camt053", "mt940", "fio"]))
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


@given(damaged_documents())
def test_json_with_a_strange_value_anywhere_is_read_or_refused_and_nothing_else(document: Any) -> None:
    _read_or_refuse(json.dumps(document).encode(), "fio")


@given(st.binary(max_size=400), st.sampled_from(["auto", "gpc", "camt053", "mt940", "fio"]))
def test_any_bytes_are_read_or_refused_and_nothing_else(data: bytes, name: str) -> None:
    _read_or_refuse(data, name)
