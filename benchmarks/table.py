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

    def __str__(self) -> str:
        goal = f"goal {self.goal}: {self.verdict}" if self.goal else ""
        return "; ".join(filter(None, (f"{self.name}: {self.measured}", self.beside, self.ratio_text, goal)))

    @property
    def measured(self) -> str:
        return f"{_figure(self.value)} {self.unit}"

    @property
    def ratio_text(self) -> str:
        return "" if self.ratio is None else f"{self.ratio:.2f}"

    @property
    def verdict(self) -> str:
        return "" if not self.goal else "met" if self.is_met else "missed"


def print_table(rows: Iterable[Row]) -> None:
    """The rows as a table; on no terminal it is wide and plain."""
    table = Table(title="Hradlo: speed", title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading in ("measured", "ratio") else "left", overflow="fold")
    for row in rows:
        colour = "red" if row.verdict == "missed" else "green"
        verdict = f"[{colour}]{row.verdict}[/]" if row.verdict else ""
        table.add_row(row.name, row.measured, row.beside, row.ratio_text, row.goal, verdict)
    console = Console()
    (console if console.is_terminal else Console(width=PLAIN_WIDTH)).print(table)


def _figure(value: float) -> str:
    """Three digits, or all of a large number."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
