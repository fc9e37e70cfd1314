"""The exchange's side of the web role over real HTTP, and an exchange that asks it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer

from billing.store.engine import Store
from config.clock import TestClock
from config.settings import Settings, parse
from portal.exchange.app import make_exchange_app
from portal.exchange.desk import DESK
from tests.billing.voip.world import MOBILE, NOW, NUMBER

TOKEN = "token-of-the-exchange-of-these-tests-only"


def settings_in(folder: Path) -> Settings:
    (folder / "voip_token").write_text(TOKEN)
    return parse(f'[secrets]\ndirectory = "{folder}"\n[voip]\nexchange_listen = ["127.0.0.1:0"]')


@dataclass
class Exchange:
    """An exchange with its token, on loopback."""

    server: TestServer
    rings: list[None]
    token: str = f"Bearer {TOKEN}"
    local_address: str = "127.0.0.1"

    async def post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        connector = aiohttp.TCPConnector(local_addr=(self.local_address, 0))
        told = {**({"Authorization": self.token} if self.token else {}), **(headers or {})}
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post(self.server.make_url(path), data=body, headers=told) as response,
        ):
            assert response.headers["Cache-Control"] == "no-store"
            return response.status, await response.json()

    async def ask(self, call_id: str = "call-1", called: str = MOBILE, caller: str = NUMBER) -> tuple[int, Any]:
        body = json.dumps({"caller": caller, "called": called, "call_id": call_id})
        return await self.post("/voip/authorize", body.encode())

    def be_patient(self, seconds: float) -> None:
        self.server.app[DESK].deadline_seconds = seconds


@asynccontextmanager
async def exchange(store: Store, folder: Path) -> AsyncIterator[Exchange]:
    rings: list[None] = []
    app = make_exchange_app(settings_in(folder), store, TestClock(NOW), lambda: rings.append(None))
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    try:
        yield Exchange(server, rings)
    finally:
        await server.close()
