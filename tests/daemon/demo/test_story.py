"""`hradlo demo`: the story happens, and the control page shows it."""

from pathlib import Path

from aiohttp.test_utils import TestClient, TestServer
from rich.console import Console

from daemon.demo.control import make_control_app
from daemon.demo.main import tell
from daemon.demo.people import OPENS_AT
from daemon.demo.world import open_world


async def test_every_step_of_the_story_happens(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.move_to(OPENS_AT)

        assert await tell(world, Console(quiet=True)) == 0


async def test_every_page_and_button_of_the_control_page_answers(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world, TestClient(TestServer(make_control_app(world))) as client:
        await world.move_to(OPENS_AT)
        pages = ("/", "/?stage=notice", "/subscriber/1001", "/subscriber/1001/screen", "/mail/1")
        before = world.now

        assert [(await client.get(page)).status for page in pages] == [200] * len(pages)
        assert (await client.post("/clock", data={"by": "day"})).status == 200
        assert (world.now - before).days == 1
        assert (await client.post("/subscriber/1001/pay", data={"amount": "nothing"})).status == 400
        assert (await client.get("/subscriber/9999")).status == 404
