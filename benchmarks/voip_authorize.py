"""May this call begin? 200 questions a second over HTTP, as an exchange asks them, on SQLite.

Beside it stands, in the same run, a bare aiohttp application that only gives the JSON back: what HTTP itself costs
here. Questions come at their times, whether the one before is answered or not, and a late answer counts from when it
was due: nothing waits politely for a slow server. Both servers are processes of their own.

Each answer of ours is a transaction that is on the disk: credit is found, taken and held.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import aiohttp
import uvloop
from aiohttp import web
from sqlalchemy import insert

from benchmarks.measuring import percentile, until
from benchmarks.table import Row
from billing.customers.tables import Contract, Customer
from billing.store.engine import Store
from billing.store.schema_version import upgrade
from billing.voip import decks
from billing.voip.credit import Credit
from billing.voip.tables import VoipNumber
from config.clock import TestClock, monotonic_seconds
from config.settings import Settings, parse
from portal.exchange.app import AUTHORIZE_PATH, make_exchange_app

QUESTIONS = 3_000
QUESTIONS_PER_SECOND = 200
WARMING_UP = 50
NUMBERS = 1_000
CONNECTIONS = 16
"""As many workers as our configuration of Kamailio has."""
GOAL_MS = 20
TOKEN = "token-of-this-benchmark-and-of-nobody-else"

_NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
_DECK = "prefix,destination,price_per_minute,connect,first_seconds,step_seconds\n420,Home,1.21,0,60,1\n"


def run(scale: float = 1.0) -> list[Row]:
    questions = max(40, int(QUESTIONS * scale))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asyncio.run(_fill(folder))
        with _serving("echo", folder) as port:
            echo_ms = asyncio.run(_asked(port, questions))
        with _serving("authorize", folder) as port:
            ours_ms = asyncio.run(_asked(port, questions))
    p99 = percentile(ours_ms, 99)
    beside = percentile(echo_ms, 99)
    return [
        Row(
            name=f"authorise {questions:,} calls over HTTP, {QUESTIONS_PER_SECOND} a second, p99",
            value=p99,
            unit="ms",
            beside=f"bare aiohttp JSON echo: {beside:.1f} ms; our median {percentile(ours_ms, 50):.1f} ms",
            ratio=p99 / beside,
            goal=f"≤ {GOAL_MS} ms",
            is_met=p99 <= GOAL_MS,
        )
    ]


async def _asked(port: int, questions: int) -> list[float]:
    """Milliseconds from when each question was due to its answer."""
    took_ms: list[float] = []
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    url = f"http://127.0.0.1:{port}{AUTHORIZE_PATH}"
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def ask(n: int, due_at: float) -> None:
            await asyncio.sleep(max(0.0, due_at - monotonic_seconds()))
            question = {"caller": _number(n % NUMBERS), "called": "602123456", "call_id": f"{port}-{n}"}
            async with session.post(url, json=question) as response:
                answer = await response.json()
            if response.status != 200 or answer.get("allowed", True) is not True:
                raise RuntimeError(f"question {n} was answered {response.status} {answer}")
            if n >= WARMING_UP or questions <= WARMING_UP:
                took_ms.append((monotonic_seconds() - due_at) * 1000)

        begin = monotonic_seconds() + 0.1
        await asyncio.gather(*(ask(n, begin + n / QUESTIONS_PER_SECOND) for n in range(questions)))
    return took_ms


def _number(n: int) -> str:
    return f"+42091{n:07d}"


def _settings(folder: Path) -> Settings:
    return parse(f'[secrets]\ndirectory = "{folder}"\n[database]\nurl = "sqlite:///{folder / "hradlo.db"}"')


async def _fill(folder: Path) -> None:
    """A database of numbers with credit, and a deck."""
    settings = _settings(folder)
    (folder / "voip_token").write_text(TOKEN)
    await upgrade(settings.database.url)
    store = Store.open(settings.database.url)
    rows = {"contract_id": 1, "deck": decks.STANDARD, "balance": Credit(10**9), "created_at": _NOW}
    async with store.transaction() as session:
        await session.execute(insert(Customer), [{"id": 1, "number": "1", "name": "Customer"}])
        await session.execute(insert(Contract), [{"id": 1, "number": "1001", "customer_id": 1}])
        numbers = [{"number": _number(n), "ending": _number(n)[-3:], **rows} for n in range(NUMBERS)]
        await session.execute(insert(VoipNumber), numbers)
        await decks.import_deck(
            session, _DECK.encode(), "deck.csv", settings, valid_from_on=date(2026, 1, 1), actor="bench", now=_NOW
        )
    await store.close()


@contextmanager
def _serving(what: str, folder: Path) -> Iterator[int]:
    """A server in a process of its own; gives its port."""
    told = folder / f"{what}.port"
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.voip_authorize", what, str(folder)])
    try:
        until(f"{what} listens", told.exists)
        yield int(told.read_text())
    finally:
        process.terminate()
        process.wait()


async def _serve(what: str, folder: Path) -> None:
    if what == "echo":
        app = web.Application()
        app.router.add_post(AUTHORIZE_PATH, _echo)
    else:
        settings = _settings(folder)
        app = make_exchange_app(settings, Store.open(settings.database.url), TestClock(_NOW), lambda: None)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    (folder / "port").write_text(str(runner.addresses[0][1]))
    os.rename(folder / "port", folder / f"{what}.port")  # noqa: PTH104
    await asyncio.Event().wait()


async def _echo(request: web.Request) -> web.Response:
    return web.json_response(await request.json())


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], Path(sys.argv[2])))
