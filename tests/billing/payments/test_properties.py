"""Whatever happens with money, in whatever order, and wherever it is cut off: the books are right.

Each example plays on a database of its own. `Cut` ends a transaction in the middle, as a kill does: what was done
in it is gone, and the same thing is done again.
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoicing.tables import Invoice
from billing.money import Money
from billing.payments.banks.statement import Statement, StatementLine
from billing.payments.importing import import_statements
from billing.payments.operations import assign, ignore, record, take_back, unassign, use_credit
from billing.payments.tables import Payment, Posting
from billing.store.engine import Store
from config.errors import NotAllowed, NotFound
from tests.billing.payments.test_returns import storno
from tests.billing.payments.world import NOW, TODAY, add_debtor, add_invoice, counts, line, problems, statement

CONTRACTS = ("1001", "1002")
EVA = "admin:eva"
amounts = st.sampled_from(["1", "49.90", "100", "250", "599"])
symbols = st.sampled_from([*CONTRACTS, "0001001", "4711", "26000", "26001", ""])
specifics = st.sampled_from(["", "26000", "26001", "27000", "1001"])
steps = st.one_of(
    st.tuples(st.just("pay"), st.lists(st.tuples(amounts, symbols, specifics), min_size=1, max_size=4)),
    st.tuples(st.just("back"), st.tuples(amounts, symbols)),
    st.tuples(st.sampled_from(["assign", "unassign", "ignore", "take back"]), st.integers(1, 8)),
    st.tuples(st.just("cash"), amounts),
    st.tuples(st.just("bill"), st.tuples(st.integers(0, 1), amounts)),
    st.tuples(st.just("again"), st.integers(0, 7)),
)


Step = Callable[[AsyncSession, object], Awaitable[Statement | None]]


class Cut(Exception):
    """The process dies here."""


@dataclass
class Town:
    """Two contracts, and the statements that the bank sent so far."""

    store: Store
    ids: list[int] = field(default_factory=list)
    sent: list[Statement] = field(default_factory=list)
    bills: int = 0

    async def play(self, kind: str, what: object, *, is_cut: bool) -> None:
        """One step in a transaction of its own; cut off in the first try, and done again, if it is to be."""
        step = getattr(self, kind.replace(" ", "_"))
        if is_cut:
            with pytest.raises(Cut):
                await self._try(step, what, ends=True)
        sent = await self._try(step, what)
        if sent is not None:
            self.sent.append(sent)

    async def _try(self, step: Step, what: object, *, ends: bool = False) -> Statement | None:
        async with self.store.transaction() as session:
            sent = None
            with contextlib.suppress(NotAllowed, NotFound):  # a rule says no, before anything was written
                sent = await step(session, what)
            if ends:
                raise Cut
            return sent

    def _next(self, *lines: StatementLine) -> Statement:
        number = len(self.sent) + 1
        named = [replace(each, bank_ref=f"fio-{number}-{n}") for n, each in enumerate(lines)]
        return statement(*named, number=str(number))

    async def pay(self, session: AsyncSession, what: list[tuple[str, str, str]]) -> Statement:
        return await _take(session, self._next(*(line("x", *each) for each in what)))

    async def back(self, session: AsyncSession, what: tuple[str, str]) -> Statement:
        return await _take(session, self._next(storno("x", *what)))

    async def again(self, session: AsyncSession, which: int) -> None:
        if which < len(self.sent):
            before = await _rows(session)
            await import_statements(session, [self.sent[which]], "test", NOW)
            assert await _rows(session) == before

    async def assign(self, session: AsyncSession, payment_id: int) -> None:
        await assign(session, payment_id, contract_number=CONTRACTS[payment_id % 2], actor=EVA, now=NOW)

    async def unassign(self, session: AsyncSession, payment_id: int) -> None:
        await unassign(session, payment_id, why="", actor=EVA, today=TODAY, now=NOW)

    async def ignore(self, session: AsyncSession, payment_id: int) -> None:
        await ignore(session, payment_id, why="", actor=EVA, now=NOW)

    async def take_back(self, session: AsyncSession, payment_id: int) -> None:
        await take_back(session, payment_id, on=TODAY, actor=EVA, now=NOW)

    async def cash(self, session: AsyncSession, amount: str) -> None:
        await record(session, "1002", Money.parse(amount), on=TODAY, why="", actor=EVA, now=NOW)

    async def bill(self, session: AsyncSession, what: tuple[int, str]) -> None:
        number = await session.scalar(select(func.count()).select_from(Invoice)) or 0
        await add_invoice(session, self.ids[what[0]], str(27000 + number), what[1], date(2026, 12, 1))
        await use_credit(session, self.ids, TODAY, NOW)


async def _take(session: AsyncSession, sent: Statement) -> Statement:
    await import_statements(session, [sent], "test", NOW)
    return sent


async def _rows(session: AsyncSession) -> list[int | None]:
    return [await session.scalar(select(func.count()).select_from(table)) for table in (Payment, Posting)]


async def _story(url: str, story: list[tuple[tuple[str, object], bool]]) -> None:
    store = Store.open(url)
    try:
        town = Town(store)
        town.ids = [await add_debtor(store, number, **{f"i2600{n}": "599"}) for n, number in enumerate(CONTRACTS)]
        for (kind, what), is_cut in story:
            await town.play(kind, what, is_cut=is_cut)
            assert await problems(store) == []
        before = await counts(store)
        async with store.transaction() as session:
            await import_statements(session, town.sent, "all again", NOW)
            await use_credit(session, town.ids, TODAY, NOW)
        assert await counts(store) == before
        async with store.reading() as session:
            credit = select(Payment.contract_id).where(Payment.state == "matched", Payment.unallocated > Money())
            owing = select(Invoice.contract_id).where(Invoice.open > Money())
            assert not set(await session.scalars(credit)) & set(await session.scalars(owing))
    finally:
        await store.close()


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=40
)
@given(story=st.lists(st.tuples(steps, st.booleans()), max_size=12))
def test_whatever_happens_the_books_are_right_and_doing_it_again_adds_nothing(
    migrated_database: Path, story: list[tuple[tuple[str, object], bool]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(migrated_database, Path(folder) / "hradlo.db")
        asyncio.run(_story(f"sqlite:///{copy}", story))
