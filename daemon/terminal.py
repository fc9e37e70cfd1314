"""How we print for a person: on a terminal in colour, elsewhere wide and plain."""

import unicodedata
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

PLAIN_WIDTH = 200
_MOVING = ("Cc", "Cf", "Cs", "Zl", "Zp")


def console() -> Console:
    """Without emoji: `2001:db8:0:100::` is no hundred points."""
    made = Console(emoji=False)
    return made if made.is_terminal else Console(emoji=False, width=PLAIN_WIDTH)


def harmless(text: str) -> str:
    """The text without what moves a cursor or turns the direction of writing: much of it was written by strangers."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _moves(each) else each for each in text)


def _moves(character: str) -> bool:
    return unicodedata.category(character) in _MOVING and character != "\n"


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    made = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")  # nothing is cut off, however narrow the terminal
    for row in rows:
        made.add_row(*(escape(harmless(str(cell))) for cell in row))  # [mail] is a table of the settings, not a colour
    console().print(made)
