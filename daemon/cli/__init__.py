"""The command line: thin commands over the same functions that the daemon runs.

A command imports what it needs and no more: each stands in a module that is loaded when somebody asks for it, so
`hradlo status` does not wait for the PDF, the bank's formats and the firewall (`program.py`).
"""

import contextlib
import io
import os
import sys
from typing import NoReturn

import typer

from config.errors import HradloError
from daemon.cli.program import app
from daemon.garbage import collect_rarely

INTERRUPTED_EXIT_CODE = 130


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
    except OSError as error:
        _drop_output()
        _end(f"{f'{error.filename}: ' if error.filename else ''}{error.strerror or error}.")
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED_EXIT_CODE) from None
    except Exception as error:
        _end_if_the_database_failed(error)
        raise


def _end_if_the_database_failed(error: Exception) -> None:
    from sqlalchemy.exc import DBAPIError  # here: not every command has a database

    if isinstance(error, DBAPIError):
        _end(f"The database failed: {error.orig}. What was not finished was not stored.")


def _end(message: str) -> NoReturn:
    typer.secho(f"hradlo: {message}", err=True, fg="red" if sys.stderr.isatty() else None)
    raise SystemExit(1) from None


def _drop_output() -> None:
    """What can't be written (a full disk) must not be tried again when Python ends."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
