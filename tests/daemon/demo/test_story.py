"""`hradlo demo --headless`: the story happens."""

from pathlib import Path

from rich.console import Console

from daemon.demo.main import tell
from daemon.demo.people import OPENS_AT
from daemon.demo.world import open_world


async def test_every_step_of_the_story_happens(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.move_to(OPENS_AT)

        assert await tell(world, Console(quiet=True)) == 0
