"""What the engine does for telephone numbers: holds that nobody settled are freed, statements are written, once."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from billing.store.engine import Store
from billing.store.tables import Mail
from billing.voip.tables import VoipHold
from config.clock import TestClock
from daemon.voip import look
from tests.billing.voip.world import NOW, SETTINGS, add_number, ask, call, credit_of, problems, settle


async def test_a_look_frees_old_holds_and_leaves_young_ones(store: Store) -> None:
    await add_number(store, credit="400")
    await ask(store, "lost")
    clock = TestClock(NOW + timedelta(hours=2))
    await ask(store, "young", now=clock.now())

    await look(SETTINGS, store, clock)

    assert await credit_of(store) == ("400.00", "144.08")
    assert await problems(store) == []


async def test_holds_that_ended_long_ago_are_forgotten(store: Store) -> None:
    await add_number(store, credit="400")
    await ask(store, "old")
    await settle(store, call("old"))

    await look(SETTINGS, store, TestClock(NOW + timedelta(days=91)))

    async with store.reading() as session:
        assert await session.scalar(select(func.count()).select_from(VoipHold)) == 0
    assert await credit_of(store) == ("397.60", "0.00")


async def test_statements_of_all_numbers_are_written_in_one_look_and_not_again_in_the_next(store: Store) -> None:
    numbers = [f"+4209101234{n:02d}" for n in range(5)]
    for number in numbers:
        await add_number(store, number, credit="50")
    await settle(store, *(call(f"c{n}", caller=number) for n, number in enumerate(numbers)))
    clock = TestClock(datetime(2026, 4, 2, 8, tzinfo=UTC))

    for _ in range(2):
        await look(SETTINGS, store, clock)

    async with store.reading() as session:
        assert await session.scalar(select(func.count()).where(Mail.kind == "voip_statement")) == 5
