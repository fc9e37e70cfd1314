"""Slow, many, malformed: what strangers may do at the door, and what it costs the others."""

import asyncio
import random
import resource
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.store.engine import Store
from portal.notice.head import Malformed, body_length, parse_head
from tests.portal.subscribers import ANNA, BORIS, Gateway, add_subscriber, gateway, parse_reply

QUICK = "headers_timeout_seconds = 1\nconnections_per_address = 20\nrequests_per_minute = 1000000"


@pytest.fixture
async def strict(store: Store, tmp_path: Path):  # type: ignore[no-untyped-def]
    """A server with the default number of connections for each address, and little patience."""
    await add_subscriber(store, "1001", [ANNA])
    async with gateway(store, tmp_path, notice=QUICK) as running:
        yield running


# ── slow ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "half",
    [
        b"",
        b"GET",
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nHost: example.com\r\n",
        b"POST /acknowledge HTTP/1.1\r\nHost: {own}\r\nContent-Length: 100\r\n\r\ntoken=",
        b"POST /acknowledge HTTP/1.1\r\nHost: {own}\r\nContent-Length: 1\r\n\r\n",
    ],
    ids=["silent", "half a line", "a line", "half a head", "half a body", "no body"],
)
async def test_a_request_that_is_never_whole_is_closed(strict: Gateway, half: bytes) -> None:
    async with asyncio.timeout(30):  # far more than the server's patience of a second: only for ever is wrong
        answer = await strict.raw(half.replace(b"{own}", strict.host.encode()))

    assert answer == b""
    assert strict.serving.counters.connections_expired == 1


async def test_a_head_that_comes_in_drops_is_closed_all_the_same(strict: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", strict.port, local_addr=(ANNA, 0))

    async def drip() -> None:
        for byte in b"GET / HTTP/1.1\r\nX-Slow: " + b"a" * 1000:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.1)

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        dripping = group.create_task(drip())
        with suppress(ConnectionError):
            assert await reader.read() == b""
        dripping.cancel()
    writer.close()

    assert strict.serving.counters.connections_expired == 1


async def test_a_request_in_pieces_is_whole_in_the_end(web: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", web.port, local_addr=(ANNA, 0))
    for byte in f"GET / HTTP/1.1\r\nHost: {web.host}\r\n\r\n".encode():
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    reply = parse_reply(await reader.read())
    writer.close()

    assert reply.status == 200
    assert "20261001" in reply.body


# ── many ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _connect(port: int, source: str) -> socket.socket:
    opened = socket.socket()
    opened.setblocking(False)
    opened.bind((source, 0))
    await asyncio.get_running_loop().sock_connect(opened, ("127.0.0.1", port))
    return opened


async def test_the_twenty_first_connection_of_an_address_is_refused_and_others_are_not(strict: Gateway) -> None:
    loop = asyncio.get_running_loop()
    with ExitStack() as open_ones:
        for _ in range(20):
            open_ones.enter_context(await _connect(strict.port, ANNA))
        extra = open_ones.enter_context(await _connect(strict.port, ANNA))
        with suppress(ConnectionError):
            assert await loop.sock_recv(extra, 1) == b""
        honest = await strict.ask(source=BORIS, host="example.com")

    assert strict.serving.counters.connections_refused == 1
    assert honest.status == 302


async def test_a_connection_that_ended_makes_room_for_the_next(strict: Gateway) -> None:
    replies = [await strict.ask(host="example.com") for _ in range(60)]

    assert {reply.status for reply in replies} == {302}


async def test_too_many_requests_of_one_address_are_told_when_to_come_again(store: Store, tmp_path: Path) -> None:
    async with gateway(store, tmp_path, notice="requests_per_minute = 40") as web:
        replies = [await web.ask(host="example.com") for _ in range(11)]
        other = await web.ask(source=BORIS, host="example.com")

    assert [reply.status for reply in replies] == [302] * 10 + [429]
    assert int(replies[-1].headers["retry-after"]) >= 1
    assert other.status == 302


async def test_ten_thousand_half_open_connections_do_not_keep_an_honest_subscriber_out(
    store: Store, tmp_path: Path
) -> None:
    await add_subscriber(store, "1001", [ANNA])
    async with gateway(store, tmp_path, notice="connections_per_address = 20\nheaders_timeout_seconds = 10") as web:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        # Both ends are in this process; where fewer descriptors are allowed, the server's own limit is tried instead.
        wanted = min(10_000, hard // 2 - 200)
        with ExitStack() as half_open:
            for number in range(wanted):
                source = f"127.{1 + number // 20 // 250}.{number // 20 % 250}.7"
                opened = half_open.enter_context(await _connect(web.port, source))
                opened.send(b"GET / HTTP/1.1\r\nHost: ex")
            pages = [await web.ask() for _ in range(10)]
            redirects = [await web.ask(host="example.com") for _ in range(10)]
            answer = await web.acknowledge(pages[-1].token)

    assert {page.status for page in pages} == {200}
    assert {redirect.status for redirect in redirects} == {302}
    assert answer.status == 303


# ── malformed ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"\x00" * 100, 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n\r\n\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 101 + b"\r\n", 431),
        (b"POST /acknowledge HTTP/1.1\r\nHost: {own}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST /acknowledge HTTP/1.1\r\nHost: {own}\r\nContent-Length: 1\r\nTransfer-Encoding: x\r\n\r\n", 411),
        (b"POST /acknowledge HTTP/1.1\r\nHost: {own}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST /acknowledge HTTP/1.1\r\nHost: {own}\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /acknowledge HTTP/1.1\r\nHost: {own}\r\nContent-Length: 4097\r\n\r\n", 413),
        (b"POST /acknowledge HTTP/1.1\r\nHost: {own}\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n", 400),
        (b"POST /acknowledge HTTP/1.1\r\nHost: {own}\r\nContent-Length: 1\r\nContent-Encoding: br\r\n\r\na", 415),
        (b"GET / HTTP/1.1\r\nHost: {own}\r\nSec-WebSocket-Key1: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: {own}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 400),
        (b"BREW / HTTP/1.1\r\nHost: {own}\r\n\r\n", 405),
        (b"GET http://{own}/ HTTP/1.1\r\nHost: {own}\r\n\r\n", 400),
    ],
)
async def test_what_is_odd_is_refused_and_never_guessed_at(web: Gateway, data: bytes, status: int) -> None:
    answer = await web.raw(data.replace(b"{own}", web.host.encode()), ends=True)

    assert parse_reply(answer).status == status


async def test_a_head_that_the_door_lets_in_is_short_enough_for_the_page(web: Gateway) -> None:
    assert (await web.ask(headers={"X-Long": "a" * 12_000})).status == 200


async def test_what_follows_a_request_on_its_connection_is_nobodys(web: Gateway) -> None:
    smuggled = f"GET /smuggled HTTP/1.1\r\nHost: {web.host}\r\n\r\n"
    answer = await web.raw(f"GET / HTTP/1.1\r\nHost: {web.host}\r\n\r\n{smuggled}".encode())

    assert answer.count(b"HTTP/1.1 ") == 1
    assert parse_reply(answer).status == 200


async def test_a_large_upload_of_a_program_gets_its_answer_before_it_ends(web: Gateway) -> None:
    head = b"POST /upload HTTP/1.1\r\nHost: example.com\r\nContent-Length: 200000\r\n\r\n"

    assert parse_reply(await web.raw(head + b"x" * 200_000, ends=True)).status == 503


@given(st.binary(max_size=400))
def test_any_bytes_are_a_request_or_malformed_and_nothing_else(data: bytes) -> None:
    try:
        request = parse_head(data)
        assert 0 <= body_length(request) <= 4096
        status = 400
    except Malformed as malformed:
        status = malformed.status

    assert 400 <= status < 500


async def test_whatever_is_asked_no_answer_is_an_error_of_ours_and_no_location_is_a_strangers(web: Gateway) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    for _ in range(1500):
        data = _odd_request(chance, web.host)
        answer = await web.raw(data, ends=True)
        if not answer:
            continue
        reply = parse_reply(answer)
        assert reply.status < 500 or reply.status == 503, (seed, data, reply)
        assert reply.status not in (204, 511), (seed, data, reply)
        assert reply.headers["cache-control"] == "no-store", (seed, data, reply)
        if reply.location:
            assert reply.location.startswith(f"{web.url}/"), (seed, data, reply)
            assert all(char.isalnum() or char in "/?=-_:." for char in reply.location), (seed, data, reply)
    assert web.serving.counters.acknowledgements == 0


_PARTS = (
    b"/", b"//", b"\\", b"?", b"#", b"%00", b"%2e%2e", b"..", b"@", b":", b"[", b"]", b"\xff", b"\xc4\x8d", b"\x7f",
    b"\t", b"evil.example", b"127.0.0.1", b"http://", b"https://", b"javascript:", b"acknowledge", b"a" * 300, b"=",
    b"&", b"w=", b"lang=cs", b"token=", b"'", b'"', b"<script>", b"{{7*7}}", b"\r\nLocation: http://evil.example/",
    b" ", b"*",
)  # fmt: skip
_METHODS = (b"GET", b"GET", b"GET", b"HEAD", b"POST", b"POST", b"PUT", b"OPTIONS", b"CONNECT", b"X", b"")
_NAMES = (
    b"Accept", b"Accept-Language", b"Cookie", b"Content-Length", b"Content-Type", b"Origin", b"Range", b"Referer",
    b"Transfer-Encoding", b"Upgrade", b"User-Agent", b"X-Forwarded-For", b"X-Requested-With", b"Sec-Purpose", b"Expect",
)  # fmt: skip


def _odd_request(chance: random.Random, own: str) -> bytes:
    def text(longest: int) -> bytes:
        return b"".join(chance.choice(_PARTS) for _ in range(chance.randint(0, longest)))

    host = chance.choice((own.encode(), own.encode(), b"example.com", text(4)))
    target = chance.choice((b"/", b"/acknowledge", b"/" + text(5), text(5)))
    lines = [b"%s %s HTTP/1.%d" % (chance.choice(_METHODS), target, chance.choice((0, 1, 1, 1, 2)))]
    lines += [b"Host: " + host] * chance.choice((0, 1, 1, 1, 1, 2))
    lines += [b"%s: %s" % (chance.choice(_NAMES), text(3)) for _ in range(chance.randint(0, 4))]
    return b"\r\n".join(lines) + b"\r\n\r\n" + text(3)
