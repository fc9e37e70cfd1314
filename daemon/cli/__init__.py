"""The command line: thin commands over the same functions that the daemon runs."""

import sys
from pathlib import Path

import typer

from config.errors import HradloError
from config.settings import DEFAULT_PATH
from daemon.cli import audit, context, contracts, files, network, running, setup

app = typer.Typer(
    name="hradlo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Tells subscribers about overdue invoices in the browser, and keeps lines as they deserve.",
)


@app.callback()
def options(
    config: Path = typer.Option(DEFAULT_PATH, envvar="HRADLO_CONFIG", help="The settings file."),
    clock_offset_file: Path | None = typer.Option(None, hidden=True, help="Tests only: seconds added to the clock."),
) -> None:
    """Options that stand before every command."""
    context.choose(config, clock_offset_file)


for module in (running, setup, files, network, contracts, audit):
    module.register(app)


def main() -> None:
    """The entry point: an error that we raise on purpose is a message, not a traceback."""
    try:
        app()
    except HradloError as error:
        typer.secho(f"hradlo: {error}", err=True, fg="red" if sys.stderr.isatty() else None)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
