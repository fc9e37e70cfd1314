"""Every command of the program by its name, and where it stands; it is loaded when it is asked for."""

from collections import UserDict
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

DEFAULT_PATH = Path("/etc/hradlo/hradlo.toml")

# In the order of `hradlo --help`: commands, then groups of them. A group is a `typer.Typer` of its own.
PLACES = {
    "run": "running:run",
    "demo": "running:demo",
    "lab": "running:lab",
    "init": "setup:init",
    "backup": "setup:backup",
    "upgrade": "setup:upgrade",
    "check-config": "setup:check_config",
    "doctor": "setup:doctor",
    "bill": "billing:bill",
    "credit": "billing:credit",
    "sell": "goods:sell",
    "unsell": "goods:unsell",
    "plan": "network:plan",
    "apply": "network:apply",
    "status": "status:status",
    "undo": "brake:undo",
    "show": "contracts:show",
    "forecast": "contracts:forecast",
    "promise": "contracts:promise",
    "hold": "contracts:hold",
    "exempt": "contracts:exempt",
    "release": "contracts:release",
    "invoice": "documents:invoice",
    "import": "files:app",
    "product": "services:products_app",
    "service": "services:services_app",
    "payments": "payments:app",
    "mails": "mails:app",
    "brake": "brake:app",
    "mikrotik": "mikrotik:app",
    "customer": "customers:app",
    "voip": "voip:app",
    "audit": "audit:app",
}


class _Commands(UserDict[str, Any]):
    """Name -> command. Names are there at once; a command's module is imported when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if isinstance(found, str):
            found = self[name] = _loaded(name, found)
        return found


def _loaded(name: str, place: str) -> Any:
    module, _, attribute = place.partition(":")
    found = getattr(import_module(f"daemon.cli.{module}"), attribute)
    holder = typer.Typer()
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=name)
    else:
        holder.command(name)(found)
    return get_group(holder).commands[name]


class _Program(TyperGroup):
    """The program itself: knows its commands by name, before any is loaded."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands(PLACES)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)


app = typer.Typer(
    cls=_Program,
    name="hradlo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Tells subscribers about overdue invoices in the browser, and keeps lines as they deserve.",
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"hradlo {version('hradlo')}")
        raise typer.Exit


@app.callback()
def options(
    config: Path = typer.Option(DEFAULT_PATH, envvar="HRADLO_CONFIG", help="The settings file."),
    show_version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print it and end."
    ),
    clock_offset_file: Path | None = typer.Option(None, hidden=True, help="Tests only: seconds added to the clock."),
) -> None:
    """Options that stand before every command."""
    # Here, because these are the database and the settings: --help and a mistyped command need neither.
    from daemon.cli import context

    context.begin(config, clock_offset_file)
