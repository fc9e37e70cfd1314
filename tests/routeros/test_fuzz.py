"""Whatever is sent, the router goes on: it answers, refuses or hangs up, and the next client is served."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.routeros.furniture import furnish
from tests.routeros.simulator import PASSWORD, USER, Simulator, running
from tests.routeros.talker import talking
from tests.routeros.wire import encode

PATIENCE_SECONDS = 20
LOGIN = encode([b"/login", f"=name={USER}".encode(), f"=password={PASSWORD}".encode()])

MENUS = "ip/firewall/address-list ip/firewall/filter ip/firewall/nat queue/simple system/identity user x"
NAMES = "print add set remove move find get listen unset enable comment edit make-static reset-counters cancel quit x"
WORDS = """=.id=*1 =.id=*1,*2 =.id= =list=a =list= =address=192.0.2.1 =address= =address=x =timeout=1h =timeout=1x
    =chain=forward =action=jump =place-before=*1 =copy-from=*1 =destination=*1 =numbers=*1 =comment =value-name=comment
    =disabled=yes =dynamic=yes =target=x =name=x =count-only= =.proplist=.id,x ?list=a ?# ?#! ?#9 ?>address=1 ? =
    .tag=1 .tag= =tag=1"""
known = st.sampled_from(WORDS.encode().split())
words = st.one_of(known, known, known, st.binary(max_size=20))
items = st.sampled_from([[], [b"=.id=*1"], [b"=.id=*1", b"=value-name=comment"]])
of_menus = st.builds("/{}/{}".format, st.sampled_from(MENUS.split()), st.sampled_from(NAMES.split()))
commands = st.one_of(
    of_menus, of_menus, of_menus, st.sampled_from(["/login", "/cancel", "/quit", "/", "/system/reboot"])
)
sentences = st.builds(lambda path, of, more: [path.encode(), *of, *more], commands, items, st.lists(words, max_size=6))


def furnished() -> Simulator:
    """A router that has something to ask for."""
    router = Simulator()
    furnish(router)
    return router


async def survives(stream: bytes) -> None:
    """Sends it, and asks as another client whether the router still answers."""
    problems: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, problem: problems.append(problem))
    async with asyncio.timeout(PATIENCE_SECONDS), running(furnished()) as router:
        async with talking(router, is_logged_in=False) as talker:
            talker.writer.write(stream)
            talker.writer.write_eof()
            try:
                while await talker.hear():
                    pass
            except ConnectionResetError:
                pass
        async with talking(router) as other:
            assert (await other.ask("/system/identity/print"))[-1] == ["!done"]
    assert problems == []


@given(st.binary(max_size=300))
def test_rubbish_before_login_breaks_nothing(rubbish: bytes) -> None:
    asyncio.run(survives(rubbish))


@given(st.binary(max_size=300))
def test_rubbish_after_login_breaks_nothing(rubbish: bytes) -> None:
    asyncio.run(survives(LOGIN + rubbish))


@given(st.lists(sentences, max_size=12))
def test_commands_that_make_no_sense_break_nothing(several: list[list[bytes]]) -> None:
    stream = b"".join(encode([word for word in words if word]) for words in several)
    asyncio.run(survives(LOGIN + stream))


@pytest.mark.parametrize("size", [1, 3, 5, 100])
async def test_a_stream_that_ends_anywhere_breaks_nothing(size: int) -> None:
    await survives((LOGIN + encode([b"/ip/firewall/filter/print"]))[:size])
