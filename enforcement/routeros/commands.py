"""What is said to a router and what it answers, as values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Row = dict[str, str]
"""One row of a `print`; ``.id`` is its name on the router until that reboots."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command: ``/ip/firewall/address-list``, ``add``, and its arguments."""

    path: str
    verb: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    """What it is about, for a reader; the router does not see it."""

    def __str__(self) -> str:
        """As somebody would type it at the router's terminal."""
        words = [f"/{self.path.strip('/').replace('/', ' ')} {self.verb}"]
        for name, value in self.arguments.items():
            words.append(value if name in (".id", "numbers") else f"{name}={_quoted(value)}")
        return " ".join([*words, f"# {self.note}"] if self.note else words)


@dataclass(frozen=True, slots=True)
class Trap:
    """The router refused a command; `category` as the manual counts them (0 = no such item), or empty."""

    message: str
    category: str = ""

    @property
    def is_duplicate(self) -> bool:
        return "already have" in self.message

    @property
    def is_missing(self) -> bool:
        return "no such item" in self.message

    @property
    def is_no_such_command(self) -> bool:
        """A menu that this version or this machine does not have."""
        return "no such command" in self.message

    @property
    def is_unauthorized(self) -> bool:
        return "not enough permissions" in self.message


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to one command."""

    rows: tuple[Row, ...] = ()
    ret: str = ""
    """What `add` returns: the new row's ``.id``."""
    traps: tuple[Trap, ...] = ()
    """In the router's order; it may send more than one for a command."""

    @property
    def trap(self) -> Trap | None:
        """The one that says most: the last that is no mere interruption."""
        telling = [trap for trap in self.traps if "interrupted" not in trap.message] or self.traps
        return telling[-1] if telling else None


def _quoted(value: str) -> str:
    return f'"{value}"' if not value or any(letter in value for letter in ' ;:"[]()$') else value
