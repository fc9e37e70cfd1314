"""What every command shares: which settings, which clock, who acts, and how it prints."""

import asyncio
import getpass
import json
import logging
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import typer

from billing.store.engine import Store
from config.clock import Clock, OffsetClock, SystemClock
from config.days import day_of
from config.logging import configure
from config.settings import Settings, load
from daemon import doorbell
from daemon.cli.program import DEFAULT_PATH

T = TypeVar("T")


@dataclass
class Context:
    """One call of the program."""

    config: Path = DEFAULT_PATH
    clock: Clock = SystemClock()  # noqa: RUF009 - it has no state

    @cached_property
    def settings(self) -> Settings:
        return load(self.config)

    def read_again(self) -> Settings:
        """The settings as they are in the file now."""
        return load(self.config)

    @property
    def today(self) -> date:
        """The ISP's day."""
        return day_of(self.clock.now(), self.settings.zone)

    @property
    def actor(self) -> str:
        """Who the journal says it was."""
        return f"admin:{os.environ.get('SUDO_USER') or getpass.getuser()}"

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        """The database, checked; raises `StoreError` when it can't be used."""
        store = Store.open(self.settings.database_url)
        try:
            await store.check()
            yield store
        finally:
            await store.close()

    def ring(self) -> None:
        """Tells a running engine that facts changed."""
        doorbell.ring(self.settings.daemon.runtime_directory)


current = Context()
"""Set once by the program's own options, before the command runs."""


def begin(config: Path, clock_offset_file: Path | None) -> None:
    """What stands before every command is known: its settings, its clock, its log."""
    configure(level=logging.WARNING)  # to stderr, so that --json is one document; `run` says more
    current.__dict__.pop("settings", None)  # read for another call in this process
    current.config = config
    current.clock = OffsetClock(clock_offset_file) if clock_offset_file else SystemClock()


def run(work: Callable[[Context, Store], Coroutine[Any, Any, T]]) -> T:
    """Runs a command's work on the opened store."""

    async def opened() -> T:
        async with current.store() as store:
            return await work(current, store)

    return asyncio.run(opened())


JsonOption = typer.Option(False, "--json", help="Print JSON instead of a table.")
WhyOption = typer.Option("", "--why", help="The reason; it stands in the journal.")


def out(value: Any) -> None:
    """Prints a value as JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))
