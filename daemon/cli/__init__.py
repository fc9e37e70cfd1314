"""The command line: thin commands over the same functions that the daemon runs."""

import contextlib
import io
import logging
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import typer
from sqlalchemy.exc import DBAPIError

from config.errors import HradloError
from config.logging import configure
from config.settings import DEFAULT_PATH
from daemon.cli import (
    audit,
    billing,
    brake,
    context,
    contracts,
    customers,
    documents,
    files,
    mikrotik,
    network,
    payments,
    running,
    setup,
    voip,
)
from daemon.lifecycle import collect_rarely

INTERRUPTED_EXIT_CODE = 130

app = typer.Typer(
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
    configure(level=logging.WARNING)  # to stderr, so that --json is one document; `run` says more
    context.choose(config, clock_offset_file)


MODULES = (
    running,
    setup,
    files,
    billing,
    payments,
    network,
    brake,
    mikrotik,
    contracts,
    customers,
    documents,
    voip,
    audit,
)
for module in MODULES:
    module.register(app)


def main() -> None:
    """The entry point: what can go wrong on a good day is a message, not a traceback."""
    collect_rarely()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no ř
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except HradloError as error:
        _end(str(error))
    except DBAPIError as error:
        _end(f"The database failed: {error.orig}. What was not finished was not stored.")
    except OSError as error:
        _drop_output()
        _end(f"{f'{error.filename}: ' if error.filename else ''}{error.strerror or error}.")
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED_EXIT_CODE) from None


def _end(message: str) -> NoReturn:
    typer.secho(f"hradlo: {message}", err=True, fg="red" if sys.stderr.isatty() else None)
    raise SystemExit(1) from None


def _drop_output() -> None:
    """What can't be written (a full disk) must not be tried again when Python ends."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
