"""Commands that keep running: run, demo, lab."""

import asyncio
from pathlib import Path

import typer

from daemon import lifecycle
from daemon.cli.context import current
from daemon.lifecycle import Role


def run(
    role: Role = typer.Option("all", help="engine: the network; web: pages; all: both in one process."),
) -> None:
    """Runs Hradlo until it is told to stop. Stopping changes nothing on the network."""
    lifecycle.start(current.settings, current.clock, role, current.read_again)


def demo(
    headless: bool = typer.Option(False, "--headless", help="Play the story through, print it, check every step."),
    port: int = typer.Option(8470, help="Of the control page, on 127.0.0.1."),
    folder: Path | None = typer.Option(None, help="Keep the demo's database here; else a temporary one."),
) -> None:
    """The whole story on this machine, no root, as a time-lapse."""
    from daemon.demo import main as demo_main

    raise typer.Exit(asyncio.run(demo_main.run(headless=headless, port=port, folder=folder)))


def lab(
    keep: bool = typer.Option(False, "--keep", help="Keep it open, with commands to try by hand."),
) -> None:
    """The story on real packets, in network namespaces of its own (root)."""
    from daemon.lab import main as lab_main

    raise typer.Exit(lab_main.run(keep=keep))
