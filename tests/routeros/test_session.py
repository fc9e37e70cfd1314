"""One connection: login, rights, tags, `/cancel`, `listen`, `/quit`, and what is refused in which words."""

import asyncio
import hashlib
import socket

import pytest

from tests.routeros import faults
from tests.routeros.simulator import PASSWORD, USER, Simulator, running
from tests.routeros.subscribers import flow
from tests.routeros.talker import talking
from tests.routeros.wire import encode

LIST, FILTER = "/ip/firewall/address-list", "/ip/firewall/filter"


async def test_a_wrong_password_is_refused_and_may_be_tried_again() -> None:
    async with running(Simulator()) as router, talking(router, is_logged_in=False) as talker:
        refused = await talker.log_in(password="wrong")
        let_in = await talker.log_in()

    assert refused == [["!trap", "=message=invalid user name or password (6)"], ["!done"]]
    assert let_in == [["!done"]]


async def test_a_command_before_login_is_fatal() -> None:
    async with running(Simulator()) as router, talking(router, is_logged_in=False) as talker:
        assert await talker.ask(f"{LIST}/print") == [["!fatal", "not logged in"], []]


async def test_before_login_a_sentence_may_not_be_long() -> None:
    async with running(Simulator()) as router, talking(router, is_logged_in=False) as talker:
        assert await talker.ask("/login", f"=name={'x' * 20_000}") == [["!fatal", "sentence too long"], []]


async def test_before_login_there_may_not_be_many_sentences() -> None:
    async with running(Simulator()) as router, talking(router, is_logged_in=False) as talker:
        answers = [await talker.log_in(password="wrong") for _ in range(32)]
        last = await talker.log_in(password="wrong")

    assert answers[-1][-1] == ["!done"]
    assert last == [["!fatal", "too many commands before login"], []]


async def test_an_old_version_asks_for_a_hash_of_its_challenge() -> None:
    async with running(Simulator(profile="6.42")) as router, talking(router, is_logged_in=False) as talker:
        [[_, challenge]] = await talker.ask("/login")
        token = bytes.fromhex(challenge.removeprefix("=ret="))
        response = hashlib.md5(b"\0" + PASSWORD.encode() + token).hexdigest()
        answer = await talker.ask("/login", f"=name={USER}", f"=response=00{response}")
        replayed = await talker.ask("/login", f"=name={USER}", f"=response=00{response}")

    assert answer == [["!done"]]
    assert replayed[0][0] == "!trap"


@pytest.mark.parametrize("profile", ["6.49", "7.18"])
async def test_a_newer_version_has_no_challenge(profile: str) -> None:
    async with running(Simulator(profile=profile)) as router, talking(router, is_logged_in=False) as talker:
        assert (await talker.ask("/login"))[0] == ["!trap", "=message=invalid user name or password (6)"]


async def test_who_may_only_read_does_not_write() -> None:
    async with running(Simulator()) as router, talking(router, is_logged_in=False) as talker:
        router.add("/user", name="poller", group="read", password="x")
        await talker.log_in("poller", "x")
        answer = await talker.ask(f"{LIST}/add", "=list=a", "=address=192.0.2.1")
        read = await talker.ask("/system/identity/print")

    assert answer == [["!trap", "=message=not enough permissions (9)"], ["!done"]]
    assert read[0] == ["!re", "=name=gateway"]


async def test_passwords_are_not_shown_to_who_has_no_right_to_them() -> None:
    async with running(Simulator()) as router, talking(router) as talker:
        router.add("/ppp/secret", name="jana", password="hidden", remote_address="100.64.0.7")
        [row, _] = await talker.ask("/ppp/secret/print")

    assert "=remote-address=100.64.0.7" in row
    assert not any("hidden" in word for word in row)


async def test_no_more_sessions_than_the_service_allows() -> None:
    async with running(Simulator()) as router:
        router.tables["/ip/service"].find(name="api")[0].values["max-sessions"] = "1"
        async with talking(router), talking(router, is_logged_in=False) as second:
            assert await second.hear() == []


@pytest.mark.parametrize(
    ("profile", "answer"),
    [("6.49", ["!re", "=name=gateway", ".tag=7"]), ("7.18", ["!re", ".tag=7", "=name=gateway"])],
)
async def test_the_tag_stands_where_the_version_puts_it(profile: str, answer: list[str]) -> None:
    async with running(Simulator(profile=profile)) as router, talking(router) as talker:
        assert (await talker.ask("/system/identity/print", ".tag=7"))[0] == answer


@pytest.mark.parametrize(("profile", "answer"), [("7.12", [["!done"]]), ("7.18", [["!empty"], ["!done"]])])
async def test_a_print_without_rows_says_so_since_7_18(profile: str, answer: list[list[str]]) -> None:
    async with running(Simulator(profile=profile)) as router, talking(router) as talker:
        assert await talker.ask(f"{LIST}/print") == answer


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["/no/such/menu/print"], "no such command prefix"),
        (["/ip/firewall"], "no such command"),
        ([f"{LIST}/frobnicate"], "no such command"),
        ([f"{LIST}/add", "=list=a", "=address=192.0.2.1", "=colour=red"], "unknown parameter colour"),
        ([f"{LIST}/add", "=list=a"], "missing =address="),
        ([f"{LIST}/set", "=list=a"], "missing =.id="),
        ([f"{LIST}/set", "=.id=*1", "=comment"], "missing value(s) of argument(s) comment"),
        ([f"{LIST}/remove", "=.id=*1"], "no such item"),
        ([f"{LIST}/print", "?#5"], "query stack underflow"),
        ([f"{FILTER}/add", "=action=drop"], "missing =chain="),
        ([f"{FILTER}/add", "=chain=forward", "=action=swallow"], "input does not match any value of action"),
        ([f"{LIST}/add", "=list=a", "=address=192.0.2.1", "=dynamic=maybe"], "invalid value for argument dynamic"),
    ],
)
async def test_what_cannot_be_done_is_refused_in_the_routers_words(words: list[str], message: str) -> None:
    async with running(Simulator()) as router, talking(router) as talker:
        answer = await talker.ask(*words)

    assert f"=message={message}" in answer[0]
    assert answer[1] == ["!done"]


async def test_answers_of_several_tags_are_told_apart_by_them() -> None:
    async with running(Simulator()) as router, talking(router) as talker:
        router.faults.shuffles_answers = True
        for tag in range(20):
            talker.writer.write(encode([b"/ip/service/print", b".tag=%d" % tag]))
        heard = [await talker.hear() for _ in range(20 * 5)]

    tags = [sentence[1] for sentence in heard]
    assert tags != sorted(tags, key=lambda tag: int(tag.removeprefix(".tag=")))
    for tag in range(20):
        assert [sentence[0] for sentence in heard if sentence[1] == f".tag={tag}"] == ["!re"] * 4 + ["!done"]


async def test_listen_tells_of_changes_until_it_is_cancelled() -> None:
    async with running(Simulator()) as router, talking(router) as talker:
        await talker.say(f"{LIST}/listen", "=.proplist=.id,address", ".tag=l")
        added = await talker.ask(f"{LIST}/add", "=list=a", "=address=192.0.2.1", ".tag=a")
        removed = await talker.ask(f"{LIST}/remove", "=.id=*1", ".tag=r")
        await talker.say("/cancel", "=tag=l", ".tag=c")
        ended = [await talker.hear() for _ in range(3)]

    assert added[0] == ["!re", ".tag=l", "=.id=*1", "=address=192.0.2.1"]
    assert removed[0] == ["!re", ".tag=l", "=.id=*1", "=.dead=true"]
    assert ended == [
        ["!trap", ".tag=l", "=category=2", "=message=interrupted"],
        ["!done", ".tag=l"],
        ["!done", ".tag=c"],
    ]


async def test_listen_with_a_query_tells_of_no_deletion() -> None:
    async with running(Simulator()) as router, talking(router) as talker:
        await talker.say(f"{LIST}/listen", "?list=a", ".tag=l")
        await talker.ask(f"{LIST}/add", "=list=a", "=address=192.0.2.1")
        answer = await talker.ask(f"{LIST}/remove", "=.id=*1")

    assert answer == [["!done"]]


async def test_quit_ends_the_session_with_a_bare_reason() -> None:
    async with running(Simulator()) as router, talking(router) as talker:
        assert await talker.ask("/quit") == [["!fatal", "session terminated on request"], []]


async def test_count_only_and_find_answer_with_ret() -> None:
    async with running(Simulator()) as router, talking(router) as talker:
        await talker.ask(f"{LIST}/add", "=list=a", "=address=192.0.2.1")
        await talker.ask(f"{LIST}/add", "=list=b", "=address=192.0.2.1")

        assert await talker.ask(f"{LIST}/print", "=count-only=", "?list=a") == [["!done", "=ret=1"]]
        assert await talker.ask(f"{LIST}/find", "?list=a") == [["!done", "=ret=*1;*2"]]  # queries are for print


async def test_nothing_is_read_from_who_does_not_read() -> None:
    async with running(Simulator()) as router, talking(router) as talker:
        for number in range(100):
            router.add(LIST, list="a", address=f"10.0.0.{number}", comment="x" * 4000)
        # a fixed buffer: the kernel alone would hold all of it for a reader whom it takes for a quick one
        talker.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        talker.writer.write(encode([LIST.encode() + b"/print"]) * 60)
        while not any(session.is_paused for session in router.sessions):  # noqa: ASYNC110 (there is no event)
            await asyncio.sleep(0.01)
        done_by_then = len(router.commands)
        rows = [await talker.hear() for _ in range(60 * 101)]

    assert done_by_then < 60
    assert rows.count(["!done"]) == 60


async def test_a_stalled_command_is_never_answered_and_others_go_on() -> None:
    async with running(Simulator()) as router, talking(router) as talker, talking(router) as other:
        router.faults.inject(faults.Stall(), on="/print")
        await talker.say("/system/identity/print")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await talker.hear()

        assert await other.ask("/system/identity/print") == [["!re", "=name=gateway"], ["!done"]]


@pytest.mark.parametrize("is_applied", [True, False])
async def test_a_reset_leaves_it_open_whether_the_command_was_done(is_applied: bool) -> None:
    async with running(Simulator()) as router, talking(router) as talker:
        router.faults.inject(faults.Reset(is_applied), on="/add")
        with pytest.raises(ConnectionResetError):
            await talker.ask(f"{LIST}/add", "=list=a", "=address=192.0.2.1")

        assert (router.address_list.at("a", "192.0.2.1") is not None) is is_applied


async def test_a_remove_that_stops_halfway_has_removed_the_first_half() -> None:
    async with running(Simulator()) as router, talking(router) as talker:
        for last in range(1, 5):
            router.add(LIST, list="a", address=f"192.0.2.{last}")
        router.faults.inject(faults.Halfway(), on="/remove")
        answer = await talker.ask(f"{LIST}/remove", "=.id=*1,*2,*3,*4")

        assert answer[0][-1] == "=message=no such item"
        assert router.address_list.addresses("a") == ["192.0.2.3", "192.0.2.4"]


async def test_connections_that_end_while_they_are_printed_end_the_print() -> None:
    async with running(Simulator()) as router, talking(router) as talker:
        for port in range(4):
            flow(router, f"100.64.0.7:{port}", "203.0.113.80:443")
        router.faults.inject(faults.Halfway(), on="/print")
        answer = await talker.ask("/ip/firewall/connection/print")

    assert [words[0] for words in answer] == ["!re", "!re", "!trap", "!done"]
    assert answer[2] == ["!trap", "=category=0", "=message=no such item (4)"]


async def test_a_fault_meets_the_command_that_it_was_planned_for() -> None:
    async with running(Simulator()) as router, talking(router) as talker:
        router.faults.inject(faults.Trap("failure: out of memory"), on="/add", skip=1)
        answers = [await talker.ask(f"{LIST}/add", "=list=a", f"=address=192.0.2.{last}") for last in (1, 2, 3)]

    assert [answer[0][0] for answer in answers] == ["!done", "!trap", "!done"]


async def test_somebody_else_may_write_just_before() -> None:
    async with running(Simulator()) as router, talking(router) as talker:
        router.faults.inject(faults.Meanwhile(lambda it: it.add(LIST, list="a", address="192.0.2.1")), on="/add")

        answer = await talker.ask(f"{LIST}/add", "=list=a", "=address=192.0.2.1")

    assert answer[0][1] == "=message=failure: already have such entry"


async def test_a_reboot_ends_all_sessions_and_the_uptime_begins_anew() -> None:
    async with running(Simulator()) as router:
        async with talking(router) as talker, talking(router) as other:
            router.faults.inject(faults.Reboot(), on="/print")
            with pytest.raises(ConnectionResetError):
                await talker.ask("/system/identity/print")
            with pytest.raises(ConnectionResetError):
                await other.ask("/system/identity/print")
        async with talking(router) as talker:
            [row, _] = await talker.ask("/system/resource/print", "=.proplist=uptime,version")

    assert row == ["!re", "=uptime=1s", "=version=7.18.2 (stable)"] or row[1] == "=uptime=0s"


async def test_a_router_that_is_off_takes_no_connection() -> None:
    async with running(Simulator()) as router:
        router.is_up = False
        async with talking(router, is_logged_in=False) as talker:
            assert await talker.hear() == []


async def test_commands_take_the_time_they_are_told_to_take() -> None:
    async with running(Simulator()) as router, talking(router) as talker:
        router.faults.write_seconds = 0.05
        begun_at = asyncio.get_running_loop().time()
        for last in range(4):
            await talker.say(f"{LIST}/add", "=list=a", f"=address=192.0.2.{last}")
        for _ in range(4):
            await talker.hear()

        assert asyncio.get_running_loop().time() - begun_at >= 0.2
