"""Waiting for open lines: told when they are, not told when they are not, and cheap for a crowd."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning.tables import Line
from billing.store.engine import Store
from portal.notice.openings import Openings
from tests.portal.subscribers import add_subscriber

PATIENCE_SECONDS = 20.0


class CountedStore(Store):
    """A store that counts how often it is read."""

    readings = 0

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        self.readings += 1
        async with super().reading() as session:
            yield session


async def open_lines(store: Store, *contract_ids: int) -> None:
    async with store.transaction() as session:
        await session.execute(delete(Line).where(Line.contract_id.in_(contract_ids)))


async def test_who_waits_is_told_when_the_line_is_open(store: Store) -> None:
    anna, openings = await add_subscriber(store, "1001", ["10.0.0.1"]), Openings(store, "main")

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(openings.wait(anna, PATIENCE_SECONDS))
        await asyncio.sleep(0)
        tasks.create_task(open_lines(store, anna))

    assert waiting.result()


async def test_a_line_that_stays_restricted_is_not_called_open_and_nobody_waits_forever(store: Store) -> None:
    anna, openings = await add_subscriber(store, "1001", ["10.0.0.1"]), Openings(store, "main")

    assert not await openings.wait(anna, 0.05)


async def test_one_open_line_says_nothing_about_another_one(store: Store) -> None:
    anna = await add_subscriber(store, "1001", ["10.0.0.1"])
    boris = await add_subscriber(store, "2002", ["10.0.0.2"])
    openings = Openings(store, "main")
    await open_lines(store, anna)

    assert await asyncio.gather(openings.wait(anna, 0.05), openings.wait(boris, 0.05)) == [True, False]


async def test_a_crowd_that_waits_is_one_look_at_a_time(database_url: str) -> None:
    store = CountedStore.open(database_url)
    anna, openings = await add_subscriber(store, "1001", ["10.0.0.1"]), Openings(store, "main")

    answers = await asyncio.gather(*(openings.wait(anna, 0.0) for _ in range(100)))
    await store.close()

    assert not any(answers)
    assert store.readings < 50  # each for itself, it would be one hundred
