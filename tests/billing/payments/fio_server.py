"""Fio's API on loopback, as strict as the bank: a token every 30 seconds, a bookmark, 90 days, 500 for a stranger.

Its seconds are a number that the test moves, by way of the client's own waiting.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

TOKEN = "aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789aBcDeFgHiJkLmNoPqRsTuVwXyZ01"
TODAY = date(2026, 11, 20)


@dataclass
class Seconds:
    """A clock for intervals that stands still until somebody waits."""

    now: float = 1000.0
    waited: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds


@dataclass
class FioServer:
    """One account with its movements: (id, day, amount in CZK, variable symbol)."""

    seconds: Seconds
    movements: list[tuple[int, date, str, str]] = field(default_factory=list)
    bookmark: int = 0
    asked: list[str] = field(default_factory=list)
    """Paths with the token cut out."""
    last_use_seconds: float = float("-inf")
    answer: web.Response | None = None
    """Instead of its own, once."""

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/rest/periods/{token}/{first}/{last}/transactions.json", self._period)
        app.router.add_get("/rest/last/{token}/transactions.json", self._last)
        app.router.add_get("/rest/by-id/{token}/{year}/{number}/transactions.json", self._by_id)
        app.router.add_get("/rest/set-last-id/{token}/{id}/", self._set_last_id)
        return app

    def _refusal(self, request: web.Request) -> web.Response | None:
        if request.match_info["token"] != TOKEN:
            return web.Response(status=500, text="<response><errorCode>12</errorCode></response>")
        self.asked.append(request.path.removeprefix("/rest/").replace(f"{TOKEN}/", ""))
        is_early = self.seconds.now - self.last_use_seconds < 30
        self.last_use_seconds = self.seconds.now
        if is_early:
            return web.Response(status=409)
        answer, self.answer = self.answer, None
        return answer

    async def _period(self, request: web.Request) -> web.Response:
        first, last = (date.fromisoformat(request.match_info[name]) for name in ("first", "last"))
        if refusal := self._refusal(request):
            return refusal
        if first < TODAY - timedelta(days=90):
            return web.Response(status=422)
        return self._statement(first, last, [each for each in self.movements if first <= each[1] <= last])

    async def _last(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        new = [each for each in self.movements if each[0] > self.bookmark]
        self.bookmark = max((each[0] for each in self.movements), default=0)
        return self._statement(TODAY, TODAY, new)

    async def _by_id(self, request: web.Request) -> web.Response:
        return self._refusal(request) or self._statement(TODAY, TODAY, [])

    async def _set_last_id(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        self.bookmark = int(request.match_info["id"])
        return web.Response()

    def _statement(self, first: date, last: date, shown: list[tuple[int, date, str, str]]) -> web.Response:
        old = sum(float(each[2]) for each in self.movements if each[1] < first)
        info = {
            "accountId": "2000123456", "bankId": "2010", "currency": "CZK", "iban": "", "bic": "FIOBCZPPXXX",
            "openingBalance": round(old, 2), "closingBalance": round(old + sum(float(each[2]) for each in shown), 2),
            "dateStart": f"{first}+0100", "dateEnd": f"{last}+0100",
            "yearList": None, "idList": None, "idFrom": None, "idTo": None, "idLastDownload": None,
        }  # fmt: skip
        rows = [_row(*each) for each in shown]
        document = {"accountStatement": {"info": info, "transactionList": {"transaction": rows}}}
        return web.Response(text=json.dumps(document), content_type="application/json")


def _row(number: int, on: date, amount: str, variable_symbol: str) -> dict[str, Any]:
    values = {22: number, 0: f"{on}+0100", 1: float(amount), 14: "CZK", 5: variable_symbol, 9: "Tajná, Osoba"}
    return {f"column{column}": {"name": "?", "value": value, "id": column} for column, value in values.items()}


@asynccontextmanager
async def fio_server(server: FioServer) -> AsyncIterator[str]:
    """Runs it; gives its address."""
    async with TestServer(server.app(), host="127.0.0.1") as running:
        yield str(running.make_url("/rest"))
