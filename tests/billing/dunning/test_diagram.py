"""The manual's diagram is drawn from the table that the program walks."""

from pathlib import Path

from billing.dunning.diagram import section
from billing.dunning.rules import EVENTS, TABLE

MANUAL = Path(__file__).parents[3] / "docs" / "dunning.md"
BEGIN, END = "<!-- drawn by `python -m billing.dunning.diagram` -->\n", "<!-- end of the drawing -->\n"


def test_the_manual_shows_the_table_as_it_is() -> None:
    text = MANUAL.read_text(encoding="utf-8")

    assert text.count(BEGIN) == text.count(END) == 1
    assert text.partition(BEGIN)[2].partition(END)[0] == section()


def test_every_row_is_an_arrow_and_every_event_is_explained() -> None:
    drawn = section()

    for before, rows in TABLE.items():
        for event, after in rows:
            assert f"    {before.name} --> {after.name}: {event}\n" in drawn
    for event in EVENTS:
        assert f"| `{event}` | " in drawn
