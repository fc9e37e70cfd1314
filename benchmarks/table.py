"""What a benchmark reports: one row for each measurement, beside what it is compared to in the same run."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

PLAIN_WIDTH = 200
HEADINGS = ("name", "measured", "beside", "ratio", "goal", "met?")


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. Absolute figures belong to one machine; the ratio travels."""

    name: str
    value: float
    unit: str
    beside: str = ""
    """What it is compared to, with its own figure, or what else was seen."""
    ratio: float | None = None
    goal: str = ""
    """Empty when the figure is told for comparison only."""
    is_met: bool = True

    @property
    def verdict(self) -> str:
        return "" if not self.goal else "met" if self.is_met else "missed"


def print_table(rows: Iterable[Row]) -> None:
    """The rows as a table; on no terminal it is wide and plain."""
    table = Table(title="Hradlo: speed", title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading in ("measured", "ratio") else "left", overflow="fold")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        colour = "red" if row.verdict == "missed" else "green"
        verdict = f"[{colour}]{row.verdict}[/]" if row.verdict else ""
        table.add_row(row.name, f"{_figure(row.value)} {row.unit}", row.beside, ratio, row.goal, verdict)
    console = Console()
    (console if console.is_terminal else Console(width=PLAIN_WIDTH)).print(table)


def _figure(value: float) -> str:
    """Three digits, or all of a large number."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
