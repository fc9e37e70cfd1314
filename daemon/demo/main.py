"""`hradlo demo`: the whole story on this machine, in the browser, or on the terminal with `--headless`."""

import asyncio
import logging
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web
from rich.console import Console

from config.clock import monotonic_seconds
from config.errors import HradloError
from config.logging import configure
from daemon.demo import scenes
from daemon.demo.control import make_control_app
from daemon.demo.people import OPENS_AT
from daemon.demo.portal import HOST, PASSWORD, portal_of
from daemon.demo.story import Story
from daemon.demo.telephones import ENDING
from daemon.demo.world import World, open_world


async def run(*, headless: bool, port: int, folder: Path | None) -> int:
    """Runs the demo to its end and returns the exit code; raises `HradloError` when it can't start."""
    configure("text", level=logging.WARNING)  # the story is told by the demo, not by log lines
    console = Console(highlight=False)
    with _place(folder) as place:
        async with open_world(place) as world:
            with console.status("Eight weeks of history: invoices, payments, notices …"):
                await world.move_to(OPENS_AT)
            if headless:
                return await tell(world, console)
            await _serve(world, port, console, is_kept=folder is not None)
    return 0


async def tell(world: World, console: Console) -> int:
    """Plays the story through; 0 only if every step happened."""
    began_seconds = monotonic_seconds()
    story = Story(world, console)
    await scenes.play(story)
    took = f"{monotonic_seconds() - began_seconds:.1f} s for {(world.now - OPENS_AT).days} days"
    if story.failures:
        console.print(f"\n[bold red]{story.failures} of {story.steps} steps did not happen[/bold red] ({took}).")
        return 1
    console.print(f"\n[bold green]All {story.steps} steps happened[/bold green] ({took}).")
    return 0


async def _serve(world: World, port: int, console: Console, *, is_kept: bool) -> None:
    """Serves the control page until Ctrl-C."""
    runner = web.AppRunner(make_control_app(world), access_log=None)
    await runner.setup()
    async with portal_of(world, port + 1, port + 2) as portal_url:
        await _serve_control(world, runner, port, console, portal_url, is_kept=is_kept)


async def _serve_control(
    world: World, runner: web.AppRunner, port: int, console: Console, portal_url: str, *, is_kept: bool
) -> None:
    try:
        site = web.TCPSite(runner, HOST, port)
        try:
            await site.start()
        except OSError as error:
            remedy = "Choose another port: hradlo demo --port 8471"
            raise HradloError(f"Can't listen on {HOST}:{port}: {error.strerror}.", remedy) from error
        console.print(f"\n[bold]The demo runs at http://{HOST}:{port}/[/bold]")
        console.print("Move the clock, be any subscriber, let payments arrive, read the mails.")
        console.print(f"[bold]The customer portal runs at {portal_url}/[/bold]")
        console.print(f"Customer number {world.people[0].number} (or any other), password {PASSWORD}.")
        console.print(f"[bold]The telephone zone runs at {world.voip_url}/[/bold]")
        console.print(f"Its first number ends in {ENDING}, with the same password.")
        console.print(f"Its files are in {world.folder}{'' if is_kept else ' until you stop it'}.")
        console.print("Ctrl-C stops it.")
        await _stopped()
    finally:
        await runner.cleanup()


async def _stopped() -> None:
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    await asked.wait()


@contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    """The given folder, or a temporary one that is removed afterwards."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.resolve()
        return
    made = Path(tempfile.mkdtemp(prefix="hradlo-demo-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
