"""What is sent to is one plain address; what stands in a header is one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.customers.mail_address import one_line, sendable


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        ("bozena@example.cz", "bozena@example.cz"),
        ("  Bozena.Nemcova+net@mail.Example.CZ ", "Bozena.Nemcova+net@mail.Example.CZ"),
        ("info@háčky.example", "info@xn--hky-ela4t.example"),
    ],
)
def test_a_plain_address_is_sendable(address: str, wire: str) -> None:
    assert sendable(address) == wire


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nikdo",
        "@example.cz",
        "bozena@",
        "bozena@localhost",
        "bozena@example..cz",
        ".bozena@example.cz",
        "bozena@-example.cz",
        "božena@example.cz",
        "a@b@example.cz",
        "a@example.cz,b@example.cz",
        "a@example.cz b@example.cz",
        "a@example.cz\r\nBcc: b@example.cz",
        "a@example.cz\n",
        "<a@example.cz>",
        '"a b"@example.cz',
        "a(comment)@example.cz",
        "a@[192.0.2.1]",
        "a@192.0.2.1",
        "a\x00@example.cz",
        "a@exa\u2028mple.cz",
        "a" * 65 + "@example.cz",
        "a@" + "b" * 60 + ("." + "c" * 60) * 4 + ".cz",
    ],
)
def test_anything_else_is_not(address: str) -> None:
    assert sendable(address) is None


@given(st.text())
def test_whatever_is_sendable_is_one_printable_ascii_word_with_one_at_sign(text: str) -> None:
    for address in (text, f"{text}@example.cz", f"a@{text}.cz"):
        wire = sendable(address)
        assert wire is None or (wire.isascii() and wire.isprintable() and " " not in wire and wire.count("@") == 1)
        assert wire is None or not set(wire) & set('<>,;:"()[]\\')


@given(st.text())
def test_one_line_is_one_line_and_stays_as_it_is(text: str) -> None:
    line = one_line(text)

    assert len(line.splitlines()) <= 1
    assert one_line(line) == line


def test_direction_marks_do_not_survive_and_no_break_spaces_do() -> None:
    assert one_line("1\N{NO-BREAK SPACE}605,00 \N{RIGHT-TO-LEFT OVERRIDE}Kč\r\n") == "1\N{NO-BREAK SPACE}605,00 Kč"
