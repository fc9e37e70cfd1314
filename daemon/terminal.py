"""How we print for a person: on a terminal in colour, elsewhere wide and plain."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

PLAIN_WIDTH = 200


def console() -> Console:
    """Without emoji: `2001:db8:0:100::` is no hundred points."""
    made = Console(emoji=False)
    return made if made.is_terminal else Console(emoji=False, width=PLAIN_WIDTH)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    made = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")  # nothing is cut off, however narrow the terminal
    for row in rows:
        made.add_row(*(escape(str(cell)) for cell in row))  # [mail] is a table of the settings, not a colour
    console().print(made)
