"""What a benchmark reports: one row for each measurement, beside what it is compared to in the same run."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. Absolute figures belong to one machine; the ratio travels."""

    name: str
    value: float
    unit: str
    beside: str = ""
    """What it is compared to, with its own figure; empty when the goal is an absolute one."""
    ratio: float | None = None
    goal: str = ""
    """Empty when the figure is told for comparison only."""
    is_met: bool = True


def print_table(rows: Iterable[Row]) -> None:
    """The rows as a table on the terminal."""
    table = Table(title="Hradlo: speed")
    for heading in ("measured", "value", "beside", "ratio", "goal", ""):
        table.add_column(heading, justify="right" if heading in ("value", "ratio") else "left")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        verdict = "" if not row.goal else "[green]met[/]" if row.is_met else "[red]missed[/]"
        table.add_row(row.name, f"{row.value:.4g} {row.unit}", row.beside, ratio, row.goal, verdict)
    Console().print(table)
