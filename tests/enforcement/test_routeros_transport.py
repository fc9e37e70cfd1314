"""Talking to a router through everything that routeros-api does wrong, and everything that goes wrong on the way."""

import asyncio
import logging
import random
import socket
import ssl
import traceback
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from enforcement.routeros import transport
from enforcement.routeros.breaker import LONGEST_PAUSE_SECONDS, Breaker
from enforcement.routeros.commands import Command, Trap
from enforcement.routeros.connection import WINDOW
from enforcement.routeros.transport import Reconnected, Refused, RouterTransport, RouterUnreachable
from enforcement.routeros.wire import Farewell, Wire
from tests.enforcement.routeros import Eager, access_to
from tests.routeros import faults
from tests.routeros.certificates import Authority
from tests.routeros.simulator import PASSWORD, Simulator, running
from tests.routeros.wire import encode

LISTS = "/ip/firewall/address-list"


def adding(address: str, **values: str) -> Command:
    return Command(LISTS, "add", {"list": "hradlo-notice", "address": address, **values})


def many(count: int) -> list[Command]:
    return [adding(f"10.0.{n // 250}.{n % 250}") for n in range(count)]


@asynccontextmanager
async def talking(simulated: Simulator, **access: object) -> AsyncIterator[RouterTransport]:
    made = RouterTransport("north", replace(access_to(simulated), **access), Eager())  # type: ignore[arg-type]
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def simulated() -> AsyncIterator[Simulator]:
    async with running(Simulator()) as router:
        yield router


@pytest.fixture
async def router(simulated: Simulator) -> AsyncIterator[RouterTransport]:
    async with talking(simulated) as made:
        yield made


@pytest.mark.parametrize("version", ["6.42", "6.49", "7.12", "7.18", "7.22"])
async def test_every_version_is_understood(version: str) -> None:
    """The oldest by an md5 challenge, the newest with `!empty`."""
    async with running(Simulator(profile=version)) as simulated, talking(simulated) as router:
        await router.run(many(40))

        assert len(await router.stream_print(LISTS, ["address"], ("list", "hradlo-notice"))) == 40
        assert await router.stream_print(LISTS, ["address"], ("list", "nothing")) == []


async def test_results_come_in_the_order_of_their_commands_whatever_the_router_does(
    simulated: Simulator, router: RouterTransport
) -> None:
    simulated.faults.shuffles_answers = True
    commands = many(50)
    results = await router.run(commands)
    by_id = {row[".id"]: row["address"] for row in await router.stream_print(LISTS, [".id", "address"])}

    assert [by_id[result.ret] for result in results] == [command.arguments["address"] for command in commands]


async def test_never_are_more_commands_under_way_than_the_window(simulated: Simulator, router: RouterTransport) -> None:
    simulated.faults.latency_seconds = 0.02
    under_way = most = 0
    arrive = simulated.arrivals.arrive

    def counting(command: object, work: Callable[[], object], owner: object) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)

        def done() -> None:
            nonlocal under_way
            under_way -= 1
            work()

        arrive(command, done, owner)  # type: ignore[arg-type]

    simulated.arrivals.arrive = counting  # type: ignore[method-assign, assignment]
    await router.run(many(200))

    assert most == WINDOW


async def test_an_empty_value_arrives_as_one(simulated: Simulator, router: RouterTransport) -> None:
    (added,) = await router.run([adding("10.0.0.1", comment="hradlo:x")])
    await router.run([Command(LISTS, "set", {".id": added.ret, "comment": ""})])

    assert simulated.commands[-1].bare == frozenset()
    assert [row.get("comment", "") for row in await router.stream_print(LISTS, [])] == [""]


async def test_long_words_and_foreign_letters_come_back(simulated: Simulator, router: RouterTransport) -> None:
    simulated.add(LISTS, list="other", address="10.9.9.9", comment="M\udcfcller")  # as WinBox writes it
    await router.run([adding("10.0.0.1", comment="x" * 70_000)])
    comments = [row["comment"] for row in await router.stream_print(LISTS, ["comment"])]

    assert comments == ["M\ufffdller", "x" * 70_000]


async def test_a_refused_command_stops_no_other(simulated: Simulator, router: RouterTransport) -> None:
    results = await router.run([adding("10.0.0.1"), adding("10.0.0.1"), adding("10.0.0.2")])

    assert [result.trap is None for result in results] == [True, False, True]
    assert results[1].trap is not None
    assert results[1].trap.is_duplicate


async def test_all_traps_of_a_command_are_kept_and_the_telling_one_is_named(
    simulated: Simulator, router: RouterTransport
) -> None:
    simulated.faults.inject(faults.TwoTraps("failure: no such item"), on="add")
    (result,) = await router.run([adding("10.0.0.1")])

    assert [trap.message for trap in result.traps] == ["interrupted", "failure: no such item"]
    assert result.trap == Trap("failure: no such item", result.traps[1].category)


async def test_a_trap_without_a_message_is_a_trap(simulated: Simulator, router: RouterTransport) -> None:
    simulated.faults.inject(faults.Trap("", 4), on="add")
    results = await router.run([adding("10.0.0.1"), adding("10.0.0.2")])

    assert results[0].trap == Trap("no reason given", "4")
    assert results[1].trap is None


async def test_what_may_not_be_read_is_an_error_with_its_remedy(simulated: Simulator, router: RouterTransport) -> None:
    simulated.faults.inject(faults.Trap("not enough permissions (9)"), on="print")

    with pytest.raises(Refused, match="policies read, write and api"):
        await router.stream_print(LISTS, [])


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (faults.Reset(), "reset|closed|Broken pipe"),
        (faults.Reset(sent_bytes=0), "reset|closed|Broken pipe"),
        (faults.Fatal("session terminated on request"), "ended the conversation: session terminated on request"),
        (faults.Reboot(), "reset|closed|Broken pipe"),
    ],
)
async def test_a_lost_connection_is_an_error_in_words_and_the_next_call_has_a_new_one(
    simulated: Simulator, router: RouterTransport, fault: faults.Fault, reason: str
) -> None:
    simulated.faults.inject(fault, on="add", skip=20)

    with pytest.raises(RouterUnreachable, match=f"Router north is not reached: .*({reason})"):
        await router.run(many(40))
    assert (await router.run([adding("10.1.1.1")]))[0].trap is None
    assert router.session == 2


def test_what_a_router_said_before_it_left_is_heard_even_when_sending_fails() -> None:
    """It left without reading all, so its system answers with a reset: sending fails before its last word is read."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()) as ours:
        theirs, _ = listening.accept()
        wire = Wire(ours)
        with theirs:
            ours.sendall(b"unread")
            theirs.recv(1, socket.MSG_PEEK)
            theirs.sendall(encode([b"!fatal", b"session terminated on request"]))

        for _ in range(2):
            wire.send_sentence([b"/quit"])
            wire.flush()
        with pytest.raises(Farewell, match="session terminated on request"):
            wire.receive_sentence()
        with pytest.raises(ConnectionError):
            wire.receive_sentence()


async def test_a_stalled_router_is_left_at_the_deadline(
    simulated: Simulator, router: RouterTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "RUN_SECONDS", 0.2)
    await router.run(many(1))
    simulated.faults.inject(faults.Stall(), on="add")

    with pytest.raises(RouterUnreachable, match="did not finish"):
        await router.run([adding("10.1.1.1")])
    assert (await router.run([adding("10.1.1.2")]))[0].trap is None


async def test_a_router_that_accepts_and_says_nothing_is_left_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in the middle of TLS."""
    monkeypatch.setattr(transport, "OPEN_SECONDS", 0.2)
    heard = asyncio.Event()
    server = await asyncio.start_server(lambda reader, writer: heard.set(), "127.0.0.1", 0)
    simulated = Simulator()
    simulated.port = server.sockets[0].getsockname()[1]
    async with server:
        for is_encrypted in (False, True):
            async with talking(simulated, is_encrypted=is_encrypted) as router:
                with pytest.raises(RouterUnreachable, match="did not finish"):
                    await router.run(many(1))
    assert heard.is_set()


async def test_a_cancelled_call_takes_its_connection_with_it(simulated: Simulator, router: RouterTransport) -> None:
    """Its answers would be taken for those to the next question."""
    await router.run(many(1))
    simulated.faults.inject(faults.Stall(), on="add")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await router.run([adding("10.1.1.1")])

    assert await router.stream_print(LISTS, ["address"], ("address", "10.1.1.2")) == []
    assert router.session == 2


async def test_reading_gets_over_a_connection_that_broke_while_nobody_used_it(
    simulated: Simulator, router: RouterTransport
) -> None:
    await router.run(many(1))
    simulated.drop_connections()

    assert len(await router.stream_print(LISTS, [])) == 1


async def test_names_learned_on_one_connection_are_not_used_on_another(
    simulated: Simulator, router: RouterTransport
) -> None:
    """After a reboot the same name may be another row."""
    await router.run(many(1))
    session = router.session
    simulated.drop_connections()
    await router.stream_print(LISTS, [])
    written = len(simulated.writes)

    with pytest.raises(Reconnected):
        await router.run([Command(LISTS, "remove", {".id": "*1"})], on=session)
    assert len(simulated.writes) == written


async def test_many_callers_at_once_take_turns(router: RouterTransport) -> None:
    """The library falls over when threads share a connection."""
    calls = [router.run([adding(f"10.0.0.{n}")]) for n in range(100)]
    results = await asyncio.gather(*calls, *(router.stream_print(LISTS, ["address"]) for _ in range(5)))

    assert len(await router.stream_print(LISTS, [])) == 100
    assert len(results) == 105


async def test_nobody_there_is_an_error_in_words_and_is_not_tried_again_at_once() -> None:
    simulated = Simulator()
    simulated.port = 1
    router = RouterTransport("north", access_to(simulated))

    with pytest.raises(RouterUnreachable, match="Connection refused"):
        await router.run(many(1))
    with pytest.raises(RouterUnreachable, match="Connection refused; tried again in 1 s"):
        await router.run(many(1))
    await router.close()


async def test_the_password_is_in_no_error_no_traceback_and_no_log(
    simulated: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """routeros-api puts it into the text of its exception."""
    caplog.set_level(logging.DEBUG)
    password = "open sesame 4711"
    told = [repr(access_to(simulated))]
    trials: list[Callable[[], Awaitable[object]]] = [
        lambda: asyncio.sleep(0),
        lambda: asyncio.sleep(0, simulated.faults.inject(faults.Fatal("bye"), on="login")),
        lambda: asyncio.sleep(0, simulated.faults.inject(faults.Trap("", None), on="login")),
        lambda: asyncio.sleep(0, simulated.faults.inject(faults.Reset(), on="login")),
    ]
    for trial in trials:
        await trial()
        async with talking(simulated, password=password) as router:
            with pytest.raises(RouterUnreachable) as caught:
                await router.run(many(1))
        told += traceback.format_exception(caught.value)
        assert caught.value.__context__ is None
        assert caught.value.__cause__ is None

    everything = "\n".join([*told, caplog.text])
    assert password not in everything
    assert PASSWORD not in everything
    assert "refused the login: invalid user name or password (6)" in everything


async def test_a_failed_login_leaves_no_connection_behind(simulated: Simulator) -> None:
    async with talking(simulated, password="wrong") as router:
        with pytest.raises(RouterUnreachable):
            await router.run(many(1))
        async with asyncio.timeout(5):
            while simulated.sessions:  # noqa: ASYNC110 - the simulator tells nobody
                await asyncio.sleep(0.01)


# Who answers there


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def encrypted(context: ssl.SSLContext) -> AsyncIterator[Simulator]:
    async with running(Simulator(), tls=context) as simulated:
        simulated.port = simulated.tls_port
        yield simulated


def fingerprint(authority: Authority) -> str:
    """Of the good certificate."""
    pem = (authority.folder / "good.pem").read_text().partition("-----BEGIN PRIVATE")[0]
    return sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


async def test_an_authority_of_ones_own_vouches_for_the_router(authority: Authority) -> None:
    async with (
        encrypted(authority.context()) as simulated,
        talking(simulated, is_encrypted=True, authority=authority.ca_file) as router,
    ):
        assert (await router.run(many(1)))[0].trap is None


@pytest.mark.parametrize("kind", ["expired", "wrong-name", "unknown-ca"])
async def test_a_wrong_certificate_is_refused_before_anything_is_said(authority: Authority, kind: str) -> None:
    async with encrypted(authority.context(kind)) as simulated:
        async with talking(simulated, is_encrypted=True, authority=authority.ca_file) as router:
            with pytest.raises(RouterUnreachable, match="its certificate is not accepted"):
                await router.run(many(1))
        assert simulated.commands == []


async def test_a_router_without_any_certificate_is_refused(authority: Authority) -> None:
    async with (
        encrypted(authority.context("none")) as simulated,
        talking(simulated, is_encrypted=True, authority=authority.ca_file) as router,
    ):
        with pytest.raises(RouterUnreachable, match="TLS failed"):
            await router.run(many(1))


async def test_a_pinned_certificate_needs_no_authority(authority: Authority) -> None:
    async with (
        encrypted(authority.context()) as simulated,
        talking(simulated, is_encrypted=True, fingerprint=fingerprint(authority)) as router,
    ):
        assert (await router.run(many(1)))[0].trap is None


async def test_another_certificate_than_the_pinned_hears_no_password(authority: Authority) -> None:
    async with encrypted(authority.context()) as simulated:
        async with talking(simulated, is_encrypted=True, fingerprint="0" * 64) as router:
            with pytest.raises(RouterUnreachable, match=f"it has the fingerprint {fingerprint(authority)}"):
                await router.run(many(1))
        assert simulated.commands == []


async def test_old_tls_is_not_spoken(authority: Authority) -> None:
    context = authority.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with (
        encrypted(context) as simulated,
        talking(simulated, is_encrypted=True, authority=authority.ca_file) as router,
    ):
        with pytest.raises(RouterUnreachable, match="TLS failed"):
            await router.run(many(1))


# How often it is tried


def test_an_unreachable_router_is_tried_later_and_later_but_at_least_every_minute() -> None:
    breaker = Breaker(random.Random(1))
    pauses = []
    for _ in range(12):
        breaker.failed("no answer", now=0.0)
        pauses.append(breaker.pause_seconds(0.0))

    assert all(0.5 * 2**n <= pause <= 2**n for n, pause in enumerate(pauses[:6]))
    assert all(LONGEST_PAUSE_SECONDS / 2 <= pause <= LONGEST_PAUSE_SECONDS for pause in pauses[6:])


def test_routers_that_failed_together_are_not_tried_together() -> None:
    breakers = [Breaker(random.Random(seed)) for seed in range(20)]
    for breaker in breakers:
        breaker.failed("no answer", now=0.0)

    assert len({breaker.pause_seconds(0.0) for breaker in breakers}) == 20


def test_a_refused_password_is_not_tried_for_a_while() -> None:
    breaker = Breaker()
    breaker.failed("it refused the login", now=0.0, is_login=True)

    assert breaker.pause_seconds(0.0) >= LONGEST_PAUSE_SECONDS / 2


def test_after_a_success_all_is_forgotten() -> None:
    breaker = Breaker()
    breaker.failed("no answer", now=0.0)
    assert breaker.pause_seconds(2.0) == 0.0

    breaker.succeeded()
    assert breaker.pause_seconds(0.0) == 0.0
