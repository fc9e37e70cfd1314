"""A clock far behind the journal is noticed, one that is a little behind is not, and a person can say it is right."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.store import clock_guard, journal
from billing.store.engine import Store
from config.errors import ClockBehind

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)


async def note(store: Store, at: datetime, times: int = 1) -> None:
    async with store.transaction() as session:
        await journal.append_many(session, [journal.Entry(at, "test", "customer.imported")] * times)


async def check(store: Store, now: datetime) -> None:
    async with store.reading() as session:
        await clock_guard.require_plausible(session, now)


async def accept(store: Store, now: datetime) -> None:
    async with store.transaction() as session:
        await clock_guard.accept(session, actor="admin:jana", why="the clock was ahead", now=now)


async def test_an_empty_journal_knows_of_no_time(each_store: Store) -> None:
    await check(each_store, datetime(1970, 1, 1, tzinfo=UTC))


async def test_a_clock_more_than_an_hour_behind_the_journal_is_refused_with_both_times_and_the_remedy(
    each_store: Store,
) -> None:
    await note(each_store, NOW)
    await check(each_store, NOW - timedelta(hours=1))

    with pytest.raises(ClockBehind, match=r"says 2026-03-02 08:59 UTC, .* entry of 2026-03-02 10:00 .*timedatectl"):
        await check(each_store, NOW - timedelta(hours=1, seconds=1))


async def test_what_is_written_with_a_wrong_clock_does_not_make_it_right(each_store: Store) -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    await note(each_store, NOW)
    await note(each_store, past, times=clock_guard.ENTRIES_LOOKED_AT - 1)

    with pytest.raises(ClockBehind):
        await check(each_store, past)


async def test_after_a_clock_that_was_ahead_a_person_accepts_the_one_that_is_right(each_store: Store) -> None:
    await note(each_store, NOW + timedelta(days=365))
    await accept(each_store, NOW)

    await check(each_store, NOW + timedelta(minutes=1))


async def test_an_accepted_clock_is_watched_again(each_store: Store) -> None:
    await note(each_store, NOW + timedelta(days=365))
    await accept(each_store, NOW)

    with pytest.raises(ClockBehind):
        await check(each_store, NOW - timedelta(days=1))
