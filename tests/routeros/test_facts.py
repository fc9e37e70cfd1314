"""What Hradlo's driver relies on, asked of the simulator in every version, and of a real router if there is one.

    ROUTEROS_HOST=192.0.2.1 ROUTEROS_PASSWORD=… make test-routeros

`ROUTEROS_USER` (hradlo), `ROUTEROS_PORT` (8728; with `ROUTEROS_CA`, a PEM file, 8729). The user needs read, write and
api. Nothing is touched but lists and chains of the tests' own names, and they are taken away at the end. Where a real
router answers otherwise, the simulator is wrong: please tell us.
"""

import os
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.routeros.profiles import PROFILES
from tests.routeros.simulator import Simulator, running
from tests.routeros.talker import Talker, Words, dialled

LIST, FILTER, NAT = "/ip/firewall/address-list", "/ip/firewall/filter", "/ip/firewall/nat"
MARK = "hradlo-tests"
"""Begins every list, chain and comment of these tests."""
REAL = "a real router"
TARGETS = [*PROFILES, *([REAL] if os.environ.get("ROUTEROS_HOST") else [])]


@dataclass
class Asked:
    """A router, and what these tests put there."""

    talker: Talker
    list_name: str = f"{MARK}-a"
    other_list: str = f"{MARK}-b"

    async def added(self, address: str, *more: str, list_name: str = "") -> str:
        """Adds an entry and returns its `.id`."""
        return returned(await self.add(address, *more, list_name=list_name))

    async def add(self, address: str, *more: str, list_name: str = "") -> list[Words]:
        return await self.talker.ask(
            f"{LIST}/add", f"=list={list_name or self.list_name}", f"=address={address}", *more
        )

    async def entries(self, *proplist: str, list_name: str = "") -> list[dict[str, str]]:
        """What stands in a list."""
        return await self.rows(LIST, *proplist, query=f"?list={list_name or self.list_name}")

    async def rows(self, menu: str, *proplist: str, query: str) -> list[dict[str, str]]:
        answer = await self.talker.ask(f"{menu}/print", f"=.proplist={','.join(proplist)}", query)
        return [
            dict(word[1:].split("=", 1) for word in words if word.startswith("="))
            for words in answer
            if words[0] == "!re"
        ]

    async def rule(self, comment: str, *more: str) -> str:
        words = [f"=chain={MARK}", f"=comment={MARK} {comment}", *(more or ["=action=passthrough"])]
        return returned(await self.talker.ask(f"{FILTER}/add", *words))

    async def order(self) -> list[str]:
        """The last words of the comments of our rules, as they stand."""
        rows = await self.rows(FILTER, "comment", query=f"?chain={MARK}")
        return [row["comment"].removeprefix(f"{MARK} ") for row in rows]

    async def clean(self) -> None:
        for menu, name in ((LIST, "list"), (FILTER, "chain"), (NAT, "chain")):
            answer = await self.talker.ask(f"{menu}/print", f"=.proplist=.id,{name},dynamic")
            for words in answer:
                if any(word.startswith(f"={name}={MARK}") for word in words):
                    await self.talker.ask(f"{menu}/remove", next(word for word in words if word.startswith("=.id=")))


def returned(answer: list[Words]) -> str:
    """The `=ret=` of an answer that must be a success."""
    [words] = answer
    return next(word for word in words if word.startswith("=ret=")).removeprefix("=ret=")


def message(answer: list[Words]) -> str:
    """The words of the first trap."""
    assert answer[0][0] == "!trap", answer
    return next(word for word in answer[0] if word.startswith("=message=")).removeprefix("=message=")


@pytest.fixture(params=TARGETS)
async def router(request: pytest.FixtureRequest) -> AsyncIterator[Asked]:
    if request.param != REAL:
        async with (
            running(Simulator(profile=request.param)) as simulated,
            dialled("127.0.0.1", simulated.port) as talker,
        ):
            await talker.log_in()
            yield Asked(talker)
        return
    authority = os.environ.get("ROUTEROS_CA", "")
    context = ssl.create_default_context(cafile=Path(authority)) if authority else None
    port = int(os.environ.get("ROUTEROS_PORT", "8729" if authority else "8728"))
    async with dialled(os.environ["ROUTEROS_HOST"], port, context) as talker:
        answer = await talker.log_in(os.environ.get("ROUTEROS_USER", "hradlo"), os.environ.get("ROUTEROS_PASSWORD", ""))
        assert answer == [["!done"]], "the router does not let us in: ROUTEROS_USER, ROUTEROS_PASSWORD"
        asked = Asked(talker)
        await asked.clean()
        yield asked
        await asked.clean()


@pytest.mark.parametrize(
    ("given", "stored"),
    [("198.18.0.7/24", "198.18.0.0/24"), ("198.18.0.7/32", "198.18.0.7"), ("198.18.1.0-198.18.1.255", "198.18.1.0/24")],
)
async def test_an_address_is_stored_in_one_form(router: Asked, given: str, stored: str) -> None:
    await router.added(given)

    assert await router.entries("address") == [{"address": stored}]


async def test_the_same_address_is_in_a_list_only_once(router: Asked) -> None:
    await router.added("198.18.0.7")

    assert message(await router.add("198.18.0.7")) == "failure: already have such entry"


async def test_an_entry_changes_its_list_in_one_command_and_keeps_its_id(router: Asked) -> None:
    added = await router.added("198.18.0.7")

    assert await router.talker.ask(f"{LIST}/set", f"=.id={added}", f"=list={router.other_list}") == [["!done"]]

    assert await router.entries(".id", list_name=router.other_list) == [{".id": added}]
    assert await router.entries(".id") == []


async def test_an_entry_is_not_moved_onto_another_one(router: Asked) -> None:
    await router.added("198.18.0.7")
    other = await router.added("198.18.0.7", list_name=router.other_list)

    answer = await router.talker.ask(f"{LIST}/set", f"=.id={other}", f"=list={router.list_name}")

    assert message(answer) == "failure: already have such entry"


async def test_an_entry_with_a_timeout_is_dynamic_and_shows_what_is_left(router: Asked) -> None:
    await router.added("198.18.0.7", "=timeout=1d")

    [row] = await router.entries("dynamic", "timeout")
    assert row["dynamic"] == "true"
    assert row["timeout"].startswith(("23h59m", "1d"))


async def test_a_timeout_may_be_set_anew(router: Asked) -> None:
    added = await router.added("198.18.0.7", "=timeout=1h")

    await router.talker.ask(f"{LIST}/set", f"=.id={added}", "=timeout=2d")

    [row] = await router.entries("timeout")
    assert row["timeout"].startswith(("1d23h", "2d"))


async def test_remove_of_several_stops_at_the_first_missing_one(router: Asked) -> None:
    first, second = await router.added("198.18.0.1"), await router.added("198.18.0.2")

    answer = await router.talker.ask(f"{LIST}/remove", f"=.id={first},*FFFFFF0,{second}")

    assert message(answer).startswith("no such item")
    assert await router.entries("address") == [{"address": "198.18.0.2"}]


async def test_an_unknown_argument_is_named(router: Asked) -> None:
    assert message(await router.add("198.18.0.7", "=colour=red")).startswith("unknown parameter")
    assert await router.entries("address") == []


async def test_what_is_no_address_is_taken_for_a_name(router: Asked) -> None:
    await router.added("198.18.0.1-254")

    [row] = await router.entries("address", "dynamic")
    assert row == {"address": "198.18.0.1-254", "dynamic": "false"}


async def test_counting_answers_with_ret(router: Asked) -> None:
    await router.added("198.18.0.7")

    answer = await router.talker.ask(f"{LIST}/print", "=count-only=", f"?list={router.list_name}")

    assert returned(answer) == "1"


async def test_queries_combine_on_a_stack(router: Asked) -> None:
    for last in range(4):
        await router.added(f"198.18.0.{last}")

    either = ["?address=198.18.0.1", "?address=198.18.0.2", "?#|", f"?list={router.list_name}", "?#&"]
    answer = await router.talker.ask(f"{LIST}/print", "=.proplist=address", *either)

    assert [words[-1] for words in answer if words[0] == "!re"] == ["=address=198.18.0.1", "=address=198.18.0.2"]


async def test_rules_stand_where_they_are_put_and_move_where_they_are_told(router: Asked) -> None:
    first = await router.rule("first")
    await router.rule("second")
    between = await router.rule("between", "=action=passthrough", f"=place-before={first}")
    assert await router.order() == ["between", "first", "second"]

    await router.talker.ask(f"{FILTER}/move", f"=numbers={between}")

    assert await router.order() == ["first", "second", "between"]


async def test_a_jump_changes_its_target_in_one_command(router: Asked) -> None:
    jump = await router.rule("jump", "=action=jump", f"=jump-target={MARK}-x")

    await router.talker.ask(f"{FILTER}/set", f"=.id={jump}", f"=jump-target={MARK}-y")

    assert await router.rows(FILTER, "jump-target", query=f"?chain={MARK}") == [{"jump-target": f"{MARK}-y"}]


async def test_ports_need_a_protocol_that_has_them(router: Asked) -> None:
    answer = await router.talker.ask(f"{FILTER}/add", f"=chain={MARK}", "=action=drop", "=dst-port=53")

    assert message(answer).startswith("failure")


async def test_a_bare_command_that_is_not_there_is_refused(router: Asked) -> None:
    assert message(await router.talker.ask("/ip/firewall/no-such-menu/print")).startswith("no such command")


async def test_a_cancelled_listener_is_interrupted(router: Asked) -> None:
    await router.talker.say(f"{LIST}/listen", ".tag=l")
    await router.talker.say("/cancel", "=tag=l", ".tag=c")

    heard = [await router.talker.hear() for _ in range(3)]

    assert sorted(words[0] for words in heard) == ["!done", "!done", "!trap"]
    assert any("=message=interrupted" in words for words in heard)


async def test_the_uptime_and_the_version_are_printed(router: Asked) -> None:
    answer = await router.talker.ask("/system/resource/print", "=.proplist=uptime,version")

    assert {word.split("=")[1] for word in answer[0] if word.startswith("=")} == {"uptime", "version"}
