"""Who is on duty, and who hears of what: a real PostgreSQL, which is stopped and started meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import structlog
from sqlalchemy import text

from billing.store import journal, presence
from billing.store.engine import Store
from billing.store.presence import Presence
from billing.store.schema_version import upgrade
from config.errors import StoreAway, StoreError
from tests.postgres import PostgresServer

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "BEAT_SECONDS", 0.05)


class Listener:
    """An engine, as far as it is present."""

    def __init__(self, url: str) -> None:
        self.rings = 0
        self.presence = Presence(url, self._ring)

    def _ring(self) -> None:
        self.rings += 1

    @property
    def is_on_duty(self) -> bool:
        return self.presence.is_on_duty


@asynccontextmanager
async def present(url: str, count: int = 1) -> AsyncIterator[list[Listener]]:
    listeners = [Listener(url) for _ in range(count)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.presence.run()) for one in listeners]
        yield listeners
        for task in tasks:
            task.cancel()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(0.01)


async def write(url: str, actor: str) -> None:
    store = Store.open(url)
    async with store.transaction() as session:
        await journal.append(session, at=NOW, actor=actor, action="test")
    await store.close()


async def test_every_engine_hears_of_a_commit_wherever_it_was_made(postgres_url: str) -> None:
    async with present(postgres_url, 3) as engines:
        await until(lambda: all(engine.rings for engine in engines))  # each rings by itself once it listens
        await write(postgres_url, "bank")

        await until(lambda: all(engine.rings == 2 for engine in engines))


async def test_what_was_rolled_back_is_heard_by_nobody(postgres_url: str) -> None:
    store = Store.open(postgres_url)
    async with present(postgres_url) as [engine]:
        await until(lambda: engine.rings == 1)
        with suppress(ZeroDivisionError):
            async with store.transaction() as session:
                await journal.append(session, at=NOW, actor="bank", action="test")
                raise ZeroDivisionError
        await write(postgres_url, "bank")

        await until(lambda: engine.rings == 2)
    await store.close()
    assert engine.rings == 2


async def test_what_engines_write_themselves_wakes_none(postgres_url: str) -> None:
    async with present(postgres_url) as [engine]:
        await until(lambda: engine.rings == 1)
        await write(postgres_url, journal.ENGINE)
        await write(postgres_url, "admin:test")

        await until(lambda: engine.rings == 2)


async def test_one_of_several_is_on_duty_and_another_takes_over_when_it_goes(postgres_url: str) -> None:
    async with present(postgres_url) as [first]:
        await until(lambda: first.is_on_duty)
        async with present(postgres_url, 2) as others:
            await until(lambda: all(engine.rings for engine in others))
            assert not any(engine.is_on_duty for engine in others)

            await cut_off_whoever_is_on_duty(postgres_url)
            await until(lambda: sum(engine.is_on_duty for engine in (first, *others)) == 1)


async def cut_off_whoever_is_on_duty(url: str) -> None:
    store = Store.open(url)
    async with store.transaction() as session:
        await session.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
        )
    await store.close()


async def test_nobody_waits_for_a_duty_that_was_lost_as_if_it_were_held(postgres_url: str) -> None:
    async with present(postgres_url) as [engine]:
        await asyncio.wait_for(engine.presence.duty(), 10)

    assert not engine.is_on_duty
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(engine.presence.duty(), 0.1)


async def test_with_sqlite_the_one_engine_is_always_on_duty(tmp_path: Path) -> None:
    alone = Presence(f"sqlite:///{tmp_path}/hradlo.db", lambda: None)
    await alone.run()  # returns: there is nothing to stay connected to

    await asyncio.wait_for(alone.duty(), 1)
    assert alone.is_on_duty


async def test_a_server_that_was_away_is_heard_again_and_may_have_something_new(
    mortal_postgres_server: PostgresServer,
) -> None:
    url = mortal_postgres_server.create_database()
    await upgrade(url)
    store = Store.open(url)
    async with present(url) as [engine]:
        await until(lambda: engine.is_on_duty)
        before = engine.rings
        with structlog.testing.capture_logs() as logs:
            await asyncio.to_thread(mortal_postgres_server.stop)
            await until(lambda: not engine.is_on_duty)
            with pytest.raises(StoreAway, match="does not answer"):
                await store.check()
            await until(lambda: any(line["event"] == "the database's bell is not heard" for line in logs))
            await asyncio.to_thread(mortal_postgres_server.start)

        await until(lambda: engine.is_on_duty and engine.rings > before)
        await store.check()
    await store.close()


@asynccontextmanager
async def cut_at(word: bytes, url: str, folder: Path) -> AsyncIterator[str]:
    """The URL of a way to the server that breaks, the first time only, when somebody says that word."""
    server, was_cut = url.partition("host=")[2], False

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal was_cut
        while data := await reader.read(65536):
            if word in data and not was_cut:
                was_cut = True
                break
            writer.write(data)
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, away = await asyncio.open_unix_connection(f"{server}/.s.PGSQL.5432")
        await asyncio.gather(forward(reader, away), forward(there, writer))

    async with await asyncio.start_unix_server(connected, folder / ".s.PGSQL.5432"):
        yield url.replace(server, str(folder))
    assert was_cut


async def test_a_server_that_goes_just_when_the_bell_is_hung_up_is_asked_again(postgres_url: str) -> None:
    with TemporaryDirectory(prefix="hradlo-cut-") as folder:
        async with cut_at(b"LISTEN", postgres_url, Path(folder)) as url, present(url) as [engine]:
            await until(lambda: engine.rings == 1 and engine.is_on_duty)


async def test_a_name_that_the_server_does_not_know_is_not_taken_for_a_server_that_is_away(postgres_url: str) -> None:
    store = Store.open(postgres_url.replace("hradlo@", "nobody-such@"))

    with pytest.raises(StoreError, match="does not exist") as caught:
        await store.check()
    await store.close()
    assert not isinstance(caught.value, StoreAway)
