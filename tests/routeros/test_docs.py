"""The commands that docs/mikrotik.md tells an admin to type are taken by the simulated router."""

import re
import shlex
from pathlib import Path

import pytest

from tests.routeros.simulator import POLICY, Simulator, running
from tests.routeros.talker import Talker, dialled

DOCS = Path(__file__).parents[2] / "docs" / "mikrotik.md"
BLOCKS = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
NOT_SIMULATED = ("/certificate", "/file")
TYPED = [
    line
    for block in BLOCKS.findall(DOCS.read_text(encoding="utf-8"))
    for line in block.splitlines()
    if line.startswith("/") and not line.startswith(NOT_SIMULATED)
]


async def type_in(talker: Talker, line: str) -> list[list[str]]:
    """As the console would: words up to the command are its path, what is no ``name=value`` is an item."""
    words = shlex.split(line)
    names = [word for word in words if "=" not in word]
    command = next(place for place, word in enumerate(names) if word in ("add", "set", "remove"))
    path, items = "/".join(names[: command + 1]), names[command + 1 :]
    if items == ["[find]"]:
        answer = await talker.ask(f"{path.rpartition('/')[0]}/print", "=.proplist=.id")
        items = [word.removeprefix("=.id=") for sentence in answer for word in sentence if word.startswith("=.id=")]
    numbers = [f"=numbers={','.join(items)}"] if items else []
    return await talker.ask(path, *numbers, *(f"={word}" for word in words if "=" in word))


@pytest.mark.parametrize("profile", ["6.49", "7.18"])
async def test_every_command_of_the_guide_is_taken_in_its_order(profile: str) -> None:
    router = Simulator(profile=profile)
    router.tables["/user/group"].delete(router.tables["/user/group"].find(name="hradlo")[0])
    router.tables["/user"].delete(router.tables["/user"].find(name="hradlo")[0])
    router.add("/ip/dhcp-server/network", address="100.64.0.0/10")
    async with running(router), dialled("127.0.0.1", router.port) as talker:
        await talker.log_in("admin", "")
        for line in TYPED:
            answer = await type_in(talker, line)
            assert answer[-1][0] == "!done", line
            assert answer[0][0] != "!trap", f"{line}: {answer[0]}"

    assert len(TYPED) >= 5
    assert router.tables["/user/group"].find(name="hradlo")[0].values["policy"] == POLICY
    assert router.tables["/ip/service"].find(name="api")[0].values["disabled"] == "true"


async def test_a_command_with_a_mistake_would_be_found() -> None:
    async with running(Simulator()) as router, dialled("127.0.0.1", router.port) as talker:
        await talker.log_in("admin", "")
        answer = await type_in(talker, "/ip service set api-ssl adress=10.0.0.80/32")

    assert answer[0][-1] == "=message=unknown parameter adress"
