"""Whatever exchanges, customers and the clock do, in whatever order and however much at once: the credit is right.

Beside the real thing runs a model of it in a few lines that anybody can check by reading.
"""

import asyncio
import random
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from billing.store.engine import Store
from billing.voip.holds import Reason, expire_holds
from config.errors import NotAllowed
from tests.billing.voip.world import NOW, add_number, ask, buy, call, credit_of, problems, settle

CALLS = [f"call-{n}" for n in range(6)]
PRICE_E4 = 24_000
"""Of a minute to the one number that is called; the first minute is paid whole, then each second."""
HOUR_WITH_TICK = 3602

steps = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(CALLS)),
    st.tuples(st.just("end"), st.tuples(st.sampled_from(CALLS), st.integers(0, 4000))),
    st.tuples(st.just("buy"), st.sampled_from(["100", "300"])),
    st.tuples(st.just("wait"), st.integers(1, 3 * 3600)),
)


@dataclass
class Model:
    """What should be: credit in ten-thousandths, holds with their end, calls that have ended."""

    credit: int = 0
    bought: int = 0
    holds: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)
    ended: dict[str, int] = field(default_factory=dict)
    now: datetime = NOW

    @property
    def reserved(self) -> int:
        return sum(amount for amount, _ in self.holds.values())

    def ask(self, call_id: str) -> bool:
        if call_id in self.holds:
            return True
        if call_id in self.over:
            return False
        free = self.credit - self.reserved
        seconds = max((s for s in range(60, HOUR_WITH_TICK + 1) if cost(s) <= free), default=0)
        if not seconds:
            return False
        self.holds[call_id] = (cost(seconds), self.now + timedelta(seconds=180 + seconds, minutes=30))
        return True

    def end(self, call_id: str, seconds: int) -> None:
        if call_id in self.ended:
            return
        self.ended[call_id] = seconds
        if call_id in self.holds:
            del self.holds[call_id]
            self.over.add(call_id)
        self.credit -= min(cost(seconds), self.credit - self.reserved)

    def buy(self, amount: str) -> bool:
        if self.bought + int(amount) > 1000:
            return False
        self.bought += int(amount)
        self.credit += int(amount) * 10_000
        return True

    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        gone = [call_id for call_id, (_, ends_at) in self.holds.items() if ends_at <= self.now]
        self.over |= set(gone)
        for call_id in gone:
            del self.holds[call_id]


def cost(seconds: int) -> int:
    return 0 if not seconds else PRICE_E4 * max(seconds, 60) // 60


@settings(max_examples=25)
@given(plot=st.lists(steps, min_size=3, max_size=25))
def test_the_credit_is_what_a_few_lines_say(migrated_database: Path, plot: list[tuple[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = shutil.copy(migrated_database, Path(folder, "hradlo.db"))
        asyncio.run(_play(f"sqlite:///{path}", plot))


async def _play(url: str, plot: list[tuple[str, object]]) -> None:
    store, model = Store.open(url), Model()
    try:
        await add_number(store)
        for n, (kind, what) in enumerate(plot):
            await _step(store, model, kind, what, n)
            credit, reserved = await credit_of(store)
            assert (e4(credit), e4(reserved)) == (model.credit, model.reserved), (kind, what)
        assert await problems(store) == []
    finally:
        await store.close()


async def _step(store: Store, model: Model, kind: str, what: object, n: int) -> None:
    if kind == "ask":
        assert (await ask(store, str(what), now=model.now)).allowed == model.ask(str(what))
    elif kind == "end" and isinstance(what, tuple):
        call_id, seconds = what
        # a record that comes again says what it said the first time
        seconds = model.ended.get(call_id, seconds)
        await settle(store, call(call_id, billed_seconds=seconds, answered_at=NOW if seconds else None))
        model.end(call_id, seconds)
    elif kind == "buy":
        assert await _bought(store, str(what), n) == model.buy(str(what))
    elif kind == "wait" and isinstance(what, int):
        model.wait(what)
        async with store.transaction() as session:
            await expire_holds(session, model.now)


async def _bought(store: Store, amount: str, n: int) -> bool:
    try:
        await buy(store, 1, amount, key=f"confirmation-{n:08d}")
    except NotAllowed:
        return False
    return True


def e4(text: str) -> int:
    units, _, places = text.partition(".")
    return int(units) * 10_000 + int(places.ljust(4, "0"))


async def test_everything_at_once_spends_no_credit_twice(each_store: Store) -> None:
    """Two hundred starts, ends, top-ups and expiries of three numbers, all at the same moment."""
    chance = random.Random(23)
    numbers = [f"+4209101234{n:02d}" for n in range(3)]
    for number in numbers:
        await add_number(each_store, number, credit="40")
    allowed: list[str] = []

    async def start(n: int) -> None:
        verdict = await ask(each_store, f"c{n}", caller=numbers[n % 3])
        assert verdict.reason in (Reason.CREDIT, Reason.NO_CREDIT, Reason.CALL_ENDED)
        if verdict.allowed:
            allowed.append(f"c{n}")

    async def end(n: int) -> None:
        await settle(each_store, *(call(f"c{m}", billed_seconds=10 * m, caller=numbers[m % 3]) for m in (n, n + 1)))

    async def top_up(n: int) -> None:
        await buy(each_store, n % 3 + 1, "100", key=f"confirmation-{n % 9:08d}")

    async def expire(n: int) -> None:
        async with each_store.transaction() as session:
            await expire_holds(session, NOW + timedelta(hours=n % 3))

    works: list[Callable[[int], Awaitable[None]]] = [start, start, start, end, end, top_up, expire]
    plot = [(chance.choice(works), n) for n in range(200)]

    results = await asyncio.gather(*(work(n) for work, n in plot), return_exceptions=True)

    assert [repr(each) for each in results if isinstance(each, BaseException)] == []
    assert allowed
    assert await problems(each_store) == []
