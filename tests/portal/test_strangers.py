"""What strangers send to the zones' sockets besides what browsers send: never a failure, never a way around."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from billing.store.engine import Store
from config.clock import TestClock
from portal.gate import Gate
from portal.limits import ConnectionLimit
from portal.server import serve
from tests.portal.customer import house
from tests.portal.subscribers import ANNA, Reply, add_subscriber, free_port, gateway, parse_reply, settings_in

PORTAL, VOIP = "portal.podhorska.example", "volani.podhorska.example"
FORM = "application/x-www-form-urlencoded"
JANA = f"number={house.JANA}&password={house.PASSWORD}".encode()


@dataclass(frozen=True)
class Zones:
    """The zones' socket, and whoever can write bytes."""

    port: int

    async def raw(self, data: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        try:
            return await reader.read()
        finally:
            writer.close()

    async def ask(self, first: str = "GET /login HTTP/1.1", *lines: bytes, host: bytes | None = None) -> Reply:
        head = [first.encode(), b"Connection: close", *([] if host is None else [b"Host: " + host]), *lines]
        return parse_reply(await self.raw(b"\r\n".join(head) + b"\r\n\r\n"))

    async def log_in(self, *lines: bytes, content_type: str = FORM, body: bytes = JANA) -> Reply:
        head = (
            f"POST /login HTTP/1.1\r\nHost: {PORTAL}\r\nOrigin: https://{PORTAL}\r\nConnection: close\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        )
        return parse_reply(await self.raw(head.encode() + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body))


@pytest.fixture
async def zones(store: Store, tmp_path: Path) -> AsyncIterator[Zones]:
    await house.add_customer(store, house.JANA, "1001", "Jana Nováková", "100.64.0.10", owes=True)
    port = free_port()
    extra = f'[portal]\nlisten = ["127.0.0.1:{port}"]\n[voip]\nurl = "https://{VOIP}"'
    async with serve(settings_in(tmp_path, free_port(), extra), store, TestClock(house.NOW), lambda: None):
        yield Zones(port)


@pytest.mark.parametrize(
    ("first", "host"),
    [
        ("GET /login HTTP/1.1", b"elsewhere.example"),
        ("GET /login HTTP/1.1", b""),
        ("GET /login HTTP/1.1", b"[::1"),
        ("GET /login HTTP/1.0", None),
    ],
)
async def test_who_names_a_wrong_host_or_none_gets_the_portal(zones: Zones, first: str, host: bytes | None) -> None:
    answer = await zones.ask(first, host=host)

    assert answer.status == 200
    assert "Zákaznické číslo" in answer.body
    assert answer.headers["server"] == "Hradlo"
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize("method", ["TRACE", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_what_no_page_asks_is_no_method(zones: Zones, method: str) -> None:
    answer = await zones.ask(f"{method} /login HTTP/1.1", host=PORTAL.encode())

    assert answer.status == 405
    assert "content-security-policy" in answer.headers


async def test_a_head_is_answered_like_a_get_without_its_page(zones: Zones) -> None:
    page, head = [await zones.ask(f"{how} /login HTTP/1.1", host=PORTAL.encode()) for how in ("GET", "HEAD")]

    assert (head.status, head.body) == (200, "")
    assert head.headers["content-length"] == page.headers["content-length"]


@pytest.mark.parametrize(
    ("content_type", "body", "line"),
    [
        (f"{FORM}; charset=rot13", JANA, b"X: y"),
        (f"{FORM}; charset=nonsense", JANA, b"X: y"),
        (f"{FORM}; charset=unicode_escape", b"number=\\ud800", b"X: y"),
        (f"{FORM}; charset=utf-16", JANA, b"X: y"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--',
            b"X: y",
        ),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Transfer-Encoding: wrong\r\n\r\n1\r\n--x--", b"X: y"),
        ("text/plain", JANA, b"X: y"),
        (FORM, b"\x1f\x8b\x08rubbish", b"Content-Encoding: gzip"),
        (FORM, b"rubbish", b"Content-Encoding: br"),
    ],
)
async def test_a_form_as_no_browser_sends_ours_is_refused_with_a_page(
    zones: Zones, caplog: pytest.LogCaptureFixture, content_type: str, body: bytes, line: bytes
) -> None:
    answer = await zones.log_in(line, content_type=content_type, body=body)

    assert answer.status == 400
    assert "content-security-policy" in answer.headers
    assert caplog.records == []


async def test_bytes_that_are_no_text_spoil_no_page_and_no_log_in(zones: Zones) -> None:
    odd = [b"Cookie: __Host-hradlo=\xff\xfe; __Host-language=\xff", b"Referer: \xff", b"Accept-Language: \xff"]

    assert (await zones.ask("GET /login HTTP/1.1", *odd, host=PORTAL.encode())).status == 200
    assert (await zones.log_in(*odd, b"User-Agent: \xff\xfephone")).status == 303


async def test_bytes_that_are_no_text_spoil_no_acknowledgement(store: Store, tmp_path: Path) -> None:
    await add_subscriber(store, "1001", [ANNA])
    async with gateway(store, tmp_path) as web:
        page = await web.ask(headers={"User-Agent": "\udcffphone"})
        answer = await web.acknowledge(page.token, headers={"User-Agent": "\udcffphone"})

        assert answer.status == 303
    async with store.reading() as session:
        from billing.dunning.tables import Acknowledgement, Showing

        kept = [(await session.get_one(table, 1)).user_agent for table in (Acknowledgement, Showing)]
    assert kept == ["phone", "phone"]


async def test_a_form_that_is_never_whole_is_answered_and_closed(zones: Zones, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.forms.FORM_SECONDS_MAX", 0.2)
    head = f"POST /login HTTP/1.1\r\nHost: {PORTAL}\r\nOrigin: https://{PORTAL}\r\nContent-Type: {FORM}\r\n"

    answer = await zones.raw(head.encode() + b"Content-Length: 500\r\n\r\nnumber=5")

    assert parse_reply(answer).status == 400


async def test_what_is_no_http_is_refused_without_a_traceback_in_the_log(
    zones: Zones, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "aiohttp.server"):
        for rubbish in (b"\xff\xfe\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nX\x00: y\r\n\r\n"):
            assert parse_reply(await zones.raw(rubbish)).status == 400

    assert [record for record in caplog.records if record.exc_info] == []


# ── the gate ────────────────────────────────────────────────────────────────────────────────────────────────────


class Greeter(asyncio.Protocol):
    """A server behind the gate; says who has left."""

    def __init__(self, left: "asyncio.Queue[Greeter]") -> None:
        self._left = left

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(b"in")  # type: ignore[attr-defined]

    def connection_lost(self, exc: Exception | None) -> None:
        self._left.put_nowait(self)


async def entered(port: int, source: str) -> tuple[bool, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    try:
        return await reader.read(2) == b"in", writer
    except ConnectionError:
        return False, writer


async def test_an_address_has_so_many_connections_all_together_have_so_many_and_a_proxy_counts_in_the_whole() -> None:
    left = asyncio.Queue[Greeter]()
    gate = Gate(lambda: Greeter(left), frozenset({"127.0.0.9"}), total_max=6, connections=ConnectionLimit(2))
    server = await asyncio.get_running_loop().create_server(gate, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sources = ["127.0.0.2"] * 3 + ["127.0.0.9"] * 3 + ["127.0.0.3"] * 2
    came = [await entered(port, source) for source in sources]

    assert [is_in for is_in, _ in came] == [True, True, False, True, True, True, True, False]

    for _, writer in came:
        writer.close()
    for _ in range(6):
        await left.get()
    is_in, writer = await entered(port, "127.0.0.2")
    assert is_in
    writer.close()
    server.close()
