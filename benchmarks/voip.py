"""Telephone calls on a deck of 50,000 prefixes: rated in memory, recorded in SQLite, authorised at 200 a second.

Beside rating stands the same work without the longest-prefix search (every number at one price). Questions come at
their times, whether those before are answered or not, so a slow answer delays those after it, as in an exchange.
"""

import asyncio
import random
import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from phonenumbers.carrierdata import CARRIER_DATA
from phonenumbers.geodata import GEOCODE_DATA
from sqlalchemy import insert

from benchmarks.measuring import percentile
from benchmarks.table import Row
from billing.customers.tables import Contract, Customer
from billing.store.engine import Store
from billing.store.schema_version import upgrade
from billing.voip import decks
from billing.voip.calls.record import CallRecord
from billing.voip.credit import Credit
from billing.voip.deck_file import COLUMNS
from billing.voip.numbers import called
from billing.voip.questions import Questions
from billing.voip.rating import Deck
from billing.voip.settling import record_calls
from billing.voip.tables import VoipNumber
from config.clock import TestClock, monotonic_seconds
from config.settings import parse

PREFIXES = 50_000
CALLS_IN_MEMORY = 200_000
CALLS_STORED = 20_000
CALLS_IN_A_FILE = 2_000
NUMBERS = 2_000
QUESTIONS = 4_000
QUESTIONS_PER_SECOND = 200

RATED_GOAL, STORED_GOAL, AUTHORIZED_GOAL_MS = 100_000, 5_000, 20

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SETTINGS = parse("[voip]\nlow_credit = 0")


def run(scale: float = 1.0) -> list[Row]:
    chance = random.Random(5)
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measured(Path(folder), chance, scale))


async def _measured(folder: Path, chance: random.Random, scale: float) -> list[Row]:
    url = f"sqlite:///{folder / 'hradlo.db'}"
    await upgrade(url)
    store = Store.open(url)
    try:
        prefixes = _prefixes(max(300, int(PREFIXES * scale)))
        deck = await _import(store, prefixes)
        numbers = await _numbers(store, max(10, int(NUMBERS * scale)))
        targets = [_target(chance, prefixes) for _ in range(max(1000, int(CALLS_IN_MEMORY * scale)))]
        rows = _rated(deck, targets, chance)
        rows.append(await _recorded(store, numbers, targets, chance, max(200, int(CALLS_STORED * scale))))
        rows.append(await _authorized(store, numbers, targets, chance, max(40, int(QUESTIONS * scale))))
    finally:
        await store.close()
    return rows


def _prefixes(count: int) -> list[str]:
    """As many as that of the world's prefixes, with each country's first and 420 among them."""
    known = sorted({str(prefix) for prefix in (*CARRIER_DATA, *GEOCODE_DATA)})
    step = len(known) / count
    chosen = {known[int(n * step)] for n in range(count)}
    return sorted(chosen | {"420"})


async def _import(store: Store, prefixes: Sequence[str]) -> Deck:
    lines = [
        ",".join(COLUMNS),
        *(f"{prefix},Place {prefix},{n % 9000 / 1000:.3f},0,60,1" for n, prefix in enumerate(prefixes)),
    ]
    async with store.transaction() as session:
        await decks.import_deck(
            session,
            "\n".join(lines).encode(),
            "deck.csv",
            SETTINGS,
            valid_from_on=date(2026, 1, 1),
            actor="bench",
            now=NOW,
        )
    async with store.reading() as session:
        deck = await decks.deck_at(session, decks.STANDARD, NOW)
    assert deck is not None
    return deck


async def _numbers(store: Store, count: int) -> list[str]:
    numbers = [f"+42091{n:07d}" for n in range(count)]
    async with store.transaction() as session:
        session.add(Customer(number="1", name="Customer"))
        await session.flush()
        session.add(Contract(number="1001", customer_id=1))
        await session.flush()
        rows = [
            {
                "number": n,
                "ending": n[-3:],
                "contract_id": 1,
                "deck": decks.STANDARD,
                "balance": Credit(10**9),
                "created_at": NOW,
            }
            for n in numbers
        ]
        await session.execute(insert(VoipNumber), rows)
    return numbers


def _target(chance: random.Random, prefixes: Sequence[str]) -> str:
    prefix = chance.choice(prefixes)
    return f"+{prefix}{chance.randrange(10**8):08d}"[:15]


def _rated(deck: Deck, targets: Sequence[str], chance: random.Random) -> list[Row]:
    calls = [(target, chance.randrange(1, 1200)) for target in targets]
    _seconds_of_rating(deck, calls[: len(calls) // 10])  # reads each country's numbering plan, once
    seconds = _seconds_of_rating(deck, calls)
    rate = deck.rates[0]
    started = monotonic_seconds()
    for target, duration in calls:
        called(target, "CZ")
        rate.cost_e4(duration)
    without_search_seconds = monotonic_seconds() - started
    per_second = len(calls) / seconds
    return [
        Row(
            name=f"rate {len(calls):,} calls in memory, {len(deck):,} prefixes",
            value=per_second,
            unit="/s",
            beside=f"at one price, without a search: {len(calls) / without_search_seconds:,.0f} /s",
            ratio=seconds / without_search_seconds,
            goal=f"≥ {RATED_GOAL:,} /s",
            is_met=per_second >= RATED_GOAL,
        )
    ]


def _seconds_of_rating(deck: Deck, calls: Sequence[tuple[str, int]]) -> float:
    started = monotonic_seconds()
    for target, duration in calls:
        rate = deck.rate_of(called(target, "CZ"))
        if rate is not None:
            rate.cost_e4(duration)
    return monotonic_seconds() - started


async def _recorded(
    store: Store, numbers: Sequence[str], targets: Sequence[str], chance: random.Random, count: int
) -> Row:
    records = [_record(f"uid-{n}", chance.choice(numbers), chance.choice(targets), chance) for n in range(count)]
    started = monotonic_seconds()
    for start in range(0, count, CALLS_IN_A_FILE):
        async with store.transaction() as session:
            await record_calls(session, records[start : start + CALLS_IN_A_FILE], SETTINGS, NOW)
    seconds = monotonic_seconds() - started
    per_second = count / seconds
    return Row(
        name=f"record {count:,} calls of {len(numbers):,} numbers",
        value=per_second,
        unit="/s",
        beside="",
        ratio=None,
        goal=f"≥ {STORED_GOAL:,} /s",
        is_met=per_second >= STORED_GOAL,
    )


def _record(uid: str, caller: str, target: str, chance: random.Random) -> CallRecord:
    duration = chance.randrange(1, 1200)
    return CallRecord(
        source="asterisk",
        uid=uid,
        call_id="",
        caller=caller,
        called=target,
        started_at=NOW,
        answered_at=NOW,
        ended_at=NOW + timedelta(seconds=duration),
        billed_seconds=duration,
        disposition="answered",
    )


async def _authorized(
    store: Store, numbers: Sequence[str], targets: Sequence[str], chance: random.Random, count: int
) -> Row:
    """Questions come at their times, whether the one before is answered or not."""
    took_ms: list[float] = []
    questions = Questions(store, SETTINGS, TestClock(NOW))

    async def ask(n: int, at: float) -> None:
        await asyncio.sleep(max(0.0, at - monotonic_seconds()))
        await questions.ask(caller=chance.choice(numbers), called=chance.choice(targets), call_id=f"call-{n}")
        took_ms.append((monotonic_seconds() - at) * 1000)

    begin = monotonic_seconds() + 0.1
    await asyncio.gather(*(ask(n, begin + n / QUESTIONS_PER_SECOND) for n in range(count)))
    p99 = percentile(took_ms, 99)
    return Row(
        name=f"authorise {count:,} calls at {QUESTIONS_PER_SECOND} a second, p99",
        value=p99,
        unit="ms",
        beside=f"median {percentile(took_ms, 50):.1f} ms",
        ratio=None,
        goal=f"≤ {AUTHORIZED_GOAL_MS} ms",
        is_met=p99 <= AUTHORIZED_GOAL_MS,
    )
