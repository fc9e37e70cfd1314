"""The diagram of `docs/dunning.md`, drawn from the table: `python -m billing.dunning.diagram` prints it."""

from billing.dunning.facts import Stage
from billing.dunning.rules import TABLE, WORDS


def mermaid() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {Stage.CLEAR.name}"]
    for before, rows in TABLE.items():
        lines += [f"    {before.name} --> {stage.name}: {event}" for event, stage in rows]
    return "\n".join(lines)


def event_list() -> str:
    """The table's events in words, as Markdown."""
    events = dict.fromkeys(event for rows in TABLE.values() for event, _ in rows)
    return "\n".join(f"| `{event}` | {WORDS[event]} |" for event in events)


def section() -> str:
    """What stands between the two marks of `docs/dunning.md`."""
    return f"```mermaid\n{mermaid()}\n```\n\n| event | means |\n|---|---|\n{event_list()}\n"


if __name__ == "__main__":
    print(section())
