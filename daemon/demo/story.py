"""Tells the story of the demo on a terminal, and checks every step of it: `hradlo demo --headless`."""

import traceback
from collections.abc import Awaitable, Callable
from typing import Self

from rich.console import Console
from rich.markup import escape

from daemon.demo.world import World


class Story:
    """What was expected and what was seen, printed as it goes."""

    def __init__(self, world: World, console: Console) -> None:
        self.world = world
        self.steps = 0
        self.failures = 0
        self._console = console
        self._title = ""
        self._told_at = world.now

    async def scene(self, play: "Callable[[Self], Awaitable[None]]") -> None:
        """Plays a scene, named by its docstring; an exception in it is a step that did not happen."""
        self._title = (play.__doc__ or play.__name__).strip()
        try:
            await play(self)
        except Exception as error:
            self._failed(f"the scene breaks off: {error}", traceback.format_exc(limit=-3))

    def happens(self, what: str) -> None:
        """A step that is there to be told."""
        self._head()
        self.steps += 1
        self._console.print(f"   [green]✓[/green] {escape(what)}")

    def expect(self, what: str, expected: object, seen: object) -> None:
        """A step that happened only if what is seen is what is expected."""
        if seen == expected:
            self.happens(what)
        else:
            self._failed(what, f"expected: {expected}\nseen:     {seen}")

    def _failed(self, what: str, why: str) -> None:
        self._head()
        self.steps += 1
        self.failures += 1
        self._console.print(f"   [bold red]✗ {escape(what)}[/bold red]")
        for line in why.strip().splitlines():
            self._console.print(f"       [red]{escape(line)}[/red]")

    def _head(self) -> None:
        """The date and the scene's title, and the date again when the clock has moved within a scene."""
        now = self.world.now
        if self._title:
            self._console.print(
                f"\n[bold cyan]{now:%a %-d %b %Y, %H:%M}[/bold cyan]  [bold]{escape(self._title)}[/bold]"
            )
        elif now != self._told_at:
            self._console.print(f"[cyan]{now:%a %-d %b %Y, %H:%M}[/cyan]")
        self._title, self._told_at = "", now
