"""Printing for a person what strangers wrote."""

import pytest

from daemon.terminal import harmless, table


def test_what_a_stranger_wrote_moves_no_cursor_and_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    table("Requests", ("note",), [["\x1b[2Jgone \x9b31m [red]x[/red] \u202eback\r"]])

    printed = capsys.readouterr().out
    assert not {"\x1b", "\x9b", "\u202e", "\r"} & set(printed)
    assert "[red]x[/red]" in printed


@pytest.mark.parametrize("text", ["Žluťoučký kůň", "1\N{NO-BREAK SPACE}599,00 Kč", "one\ntwo", "  aligned", "👪"])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text
