"""The door in front of the notice server: one connection, one whole request, at most so many and so fast.

A `Door` is the asyncio protocol of a connection. It counts the connection, collects the request, and answers by
itself what needs no page: redirects, probes, short refusals. Only a request for a page of our own, complete with
its body, is handed to aiohttp, as bytes. So:

* half-open connections cost a small object each, are counted per source from their first packet, and end after
  `headers_timeout_seconds`, whether they send nothing, half a head or half a body;
* aiohttp never waits for a stranger, so no timeout of its own matters;
* the redirect, which is nearly all traffic, is a few string operations: see benchmarks/notice_server.py.

Every answer ends its connection: nothing stays open without a request.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

from portal.client_address import limit_key, source_address
from portal.limits import ConnectionLimit, RequestLimit
from portal.notice.counters import Counters
from portal.notice.head import HEAD_BYTES_MAX, Malformed, body_length, parse_head
from portal.notice.requests import Answer, Kind, Request, answer, classify
from portal.relay import Relay

ANSWER_SECONDS_MAX = 30
"""A handed-over request and the reading of its answer: afterwards the connection is cut."""
_SWEEP_SECONDS = 0.5
_HEAD_END = b"\r\n\r\n"
_OWN_METHODS = ("GET", "HEAD", "POST")
_MORE_THAN_A_PAGE = ("expect", "upgrade", "sec-websocket-key1")

SignWanted = Callable[[str, str], str]
"""(url, source address) -> a token for the page that was wanted, or nothing."""


@dataclass(frozen=True, slots=True)
class DoorRules:
    """What all doors of a server share."""

    notice_url: str
    own_hosts: frozenset[str]
    sign_wanted: SignWanted
    requests: RequestLimit
    connections: ConnectionLimit
    timeout_seconds: float
    total_max: int
    """Open connections of all sources; above it, those that wait longest give way."""
    is_captive_api: bool = False
    """Behind TLS: nobody is intercepted there, so every request is for our own pages."""

    def for_captive_api(self) -> "DoorRules":
        """The same limits, counted together."""
        return replace(self, is_captive_api=True)


class Doorkeeper:
    """Makes the doors of one server, and ends those that wait too long."""

    def __init__(self, rules: DoorRules, inner: Callable[[], asyncio.Protocol], counters: Counters) -> None:
        self.rules = rules
        self.counters = counters
        self._inner = inner
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Door, float] = {}
        self._handed: dict[Door, float] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._sweep()

    def __call__(self) -> "Door":
        return Door(self)

    def __len__(self) -> int:
        """Open connections."""
        return len(self._waiting) + len(self._handed)

    def now(self) -> float:
        return self._loop.time()

    def admit(self, door: "Door") -> None:
        if len(self) >= self.rules.total_max and self._waiting:
            self.expire(next(iter(self._waiting)))
        self._waiting[door] = self.now() + self.rules.timeout_seconds

    def hand_over(self, door: "Door") -> asyncio.Protocol:
        """A protocol of the server behind, for a request that is whole."""
        del self._waiting[door]
        self._handed[door] = self.now() + ANSWER_SECONDS_MAX
        return self._inner()

    def forget(self, door: "Door") -> None:
        self._waiting.pop(door, None)
        self._handed.pop(door, None)

    def expire(self, door: "Door") -> None:
        self.counters.connections_expired += 1
        door.abort()

    def close(self) -> None:
        """Ends the connections that still wait for their request."""
        if self._sweeper:
            self._sweeper.cancel()
        for door in list(self._waiting):
            door.abort()

    def _sweep(self) -> None:
        """All deadlines of a queue are equally long, so the oldest stand first and nothing else is looked at."""
        now = self.now()
        for queue in (self._waiting, self._handed):
            late = []
            for door, deadline in queue.items():
                if deadline > now:
                    break
                late.append(door)
            for door in late:
                self.expire(door)
        self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep)


class Door(Relay):
    """One connection, until its request is whole."""

    __slots__ = ("_address", "_buffer", "_is_draining", "_keeper", "_source", "_transport", "_wanted_bytes")

    def __init__(self, keeper: Doorkeeper) -> None:
        super().__init__()
        self._keeper = keeper
        self._transport: asyncio.Transport | None = None
        self._address = ""
        self._source: str | bytes | None = None
        self._buffer = b""
        self._wanted_bytes = 0
        self._is_draining = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        address = source_address(transport.get_extra_info("peername"))
        source = limit_key(address) if address else None
        if address is None or source is None or not self._keeper.rules.connections.enter(source):
            self._keeper.counters.connections_refused += 1
            self._transport.abort()
            return
        self._address, self._source = address, source
        self._keeper.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._source is not None:
            self._keeper.rules.connections.leave(self._source)
            self._keeper.forget(self)
        if self._inner is not None:
            self._inner.connection_lost(exc)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        if self._inner is not None or self._is_draining or self._source is None:
            return  # one request a connection: what follows it is nobody's
        self._buffer += data
        try:
            self._take()
        except Malformed as malformed:
            self._keeper.counters.malformed += 1
            self._finish(Answer(malformed.status, malformed.reason), drains=True)

    def eof_received(self) -> bool:
        """A peer that has sent its request may close its side; one that has not will not complete it."""
        return self._inner is not None and self._transport is not None and self._transport.can_write_eof()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _take(self) -> None:
        if self._wanted_bytes:
            self._hand_over_when_whole()
            return
        head_end = self._buffer.find(_HEAD_END)
        if head_end < 0 or head_end > HEAD_BYTES_MAX:
            self._require_plausible(head_end)
            return
        request = parse_head(self._buffer[:head_end])
        verdict = self._keeper.rules.requests.ask(self._source, self._keeper.now())
        if not verdict.is_allowed:
            self._keeper.counters.limited += 1
            seconds = int(verdict.retry_after_seconds) + 1
            self._finish(Answer(429, "Too Many Requests", retry_after_seconds=seconds), drains=True)
            return
        self._serve(request, head_end + len(_HEAD_END))

    def _require_plausible(self, head_end: int) -> None:
        """Half a head may be waited for, unless it is none (a TLS greeting), or too long."""
        if not 0x41 <= self._buffer[0] <= 0x5A:
            raise Malformed(400, "Bad Request")
        if head_end > HEAD_BYTES_MAX or len(self._buffer) > HEAD_BYTES_MAX:
            raise Malformed(431, "Request Header Fields Too Large")

    def _serve(self, request: Request, head_bytes: int) -> None:
        rules = self._keeper.rules
        kind = classify(request, rules.own_hosts)
        if kind is not Kind.OWN and not rules.is_captive_api:
            self._answer(kind, request)
            return
        if request.method not in _OWN_METHODS:
            raise Malformed(405, "Method Not Allowed")
        if not request.target.startswith("/") or not request.headers.keys().isdisjoint(_MORE_THAN_A_PAGE):
            raise Malformed(400, "Bad Request")
        self._wanted_bytes = head_bytes + body_length(request)
        self._hand_over_when_whole()

    def _answer(self, kind: Kind, request: Request) -> None:
        rules = self._keeper.rules
        given = answer(kind, request, rules.notice_url, lambda url: rules.sign_wanted(url, self._address))
        if given.location:
            self._keeper.counters.redirects += 1
        else:
            self._keeper.counters.refusals += 1
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        self._finish(given, drains=has_body)

    def _finish(self, given: Answer, *, drains: bool) -> None:
        """Writes the last answer. With a body still on its way, closing would reset the answer, too: let it pass."""
        if self._transport is None:
            return
        self._buffer = b""
        self._transport.write(given.encode())
        if drains and self._transport.can_write_eof():
            self._is_draining = True
            self._transport.write_eof()
        else:
            self._transport.close()

    def _hand_over_when_whole(self) -> None:
        if len(self._buffer) < self._wanted_bytes or self._transport is None:
            return
        whole, self._buffer = self._buffer[: self._wanted_bytes], b""
        self._inner = self._keeper.hand_over(self)
        self._inner.connection_made(self._transport)
        self._inner.data_received(whole)
