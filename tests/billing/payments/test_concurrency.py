"""Eight who write money at once, on SQLite and PostgreSQL: nothing lost, nothing twice, nobody stuck."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select

from billing.money import Money
from billing.payments.importing import import_statements
from billing.payments.operations import apply_credit_note, assign, record, take_back, unassign, use_credit
from billing.payments.tables import Payment
from billing.store.engine import Store
from config.errors import NotAllowed
from tests.billing.payments.test_returns import storno
from tests.billing.payments.world import (
    NOW,
    TODAY,
    add_credit_note,
    add_debtor,
    add_invoice,
    counts,
    line,
    open_of,
    problems,
    statement,
)

WRITERS = 8
EVA = "admin:eva"

Work = Callable[[], Awaitable[None]]


async def at_once(*works: Work) -> int:
    """Runs all together and says how many were refused by a rule; any other error fails the test."""
    results = await asyncio.gather(*(work() for work in works), return_exceptions=True)
    errors = [each for each in results if isinstance(each, BaseException)]
    for error in errors:
        if not isinstance(error, NotAllowed):
            raise error
    return len(errors)


async def test_eight_persons_assign_one_payment_and_one_succeeds(each_store: Store) -> None:
    for n in range(WRITERS):
        await add_debtor(each_store, str(1001 + n), **{f"i2600{n}": "100"})
    async with each_store.transaction() as session:
        await import_statements(session, [statement(line("1", "100", "4711"))], "test", NOW)

    async def work(n: int) -> None:
        async with each_store.transaction() as session:
            await assign(session, 1, contract_number=str(1001 + n), actor=EVA, now=NOW)

    refused = await at_once(*(lambda n=n: work(n) for n in range(WRITERS)))

    assert refused == WRITERS - 1
    assert sorted((await open_of(each_store)).values()) == ["0.00", *["100.00"] * (WRITERS - 1)]
    assert await problems(each_store) == []


async def test_eight_who_use_one_credit_use_it_once(each_store: Store) -> None:
    contract_id = await add_debtor(each_store)
    async with each_store.transaction() as session:
        await import_statements(session, [statement(line("1", "350", "1001"))], "test", NOW)
        for n in range(5):
            await add_invoice(session, contract_id, f"2600{n}", "100", date(2026, 12, 1 + n))

    async def work() -> None:
        async with each_store.transaction() as session:
            await use_credit(session, [contract_id], TODAY, NOW)

    assert await at_once(*[work] * WRITERS) == 0

    assert list((await open_of(each_store)).values()) == ["0.00", "0.00", "0.00", "50.00", "100.00"]
    assert await problems(each_store) == []


async def test_eight_who_take_one_payment_back_do_it_once(each_store: Store) -> None:
    await add_debtor(each_store, i26001="100")
    async with each_store.transaction() as session:
        await import_statements(session, [statement(line("1", "100", "1001"))], "test", NOW)

    async def work() -> None:
        async with each_store.transaction() as session:
            await take_back(session, 1, on=TODAY, actor=EVA, now=NOW)

    assert await at_once(*[work] * WRITERS) == WRITERS - 1
    assert await open_of(each_store) == {"26001": "100.00"}
    assert await problems(each_store) == []


@dataclass
class Crowd:
    """Writers on the same four contracts, each with work of its own."""

    store: Store
    ids: list[int]
    waiting: list[int]
    note: int

    async def take(self, first: int, *backs: int) -> None:
        lines = [line(str(n), "70", str(1001 + n % 4)) for n in range(first, first + 12)]
        stornos = [storno(f"s{n}", "50", str(1001 + n)) for n in backs]
        async with self.store.transaction() as session:
            await import_statements(session, [statement(*lines, *stornos, number=str(first))], "test", NOW)

    async def assign(self) -> None:
        for n, payment_id in enumerate(self.waiting):
            async with self.store.transaction() as session:
                await assign(session, payment_id, contract_number=str(1001 + n), actor=EVA, now=NOW)

    async def assign_anew(self) -> None:
        for payment_id in await payments_in(self.store, "matched"):
            with contextlib.suppress(NotAllowed):  # the bank took it back meanwhile
                async with self.store.transaction() as session:
                    await unassign(session, payment_id, why="", actor=EVA, today=TODAY, now=NOW)
                    await assign(session, payment_id, contract_number="1004", actor=EVA, now=NOW)

    async def take_cash(self) -> None:
        for n in range(4):
            async with self.store.transaction() as session:
                await record(session, str(1001 + n), Money.parse("11"), on=TODAY, why="", actor=EVA, now=NOW)

    async def bill(self) -> None:
        for n, contract_id in enumerate(self.ids):
            async with self.store.transaction() as session:
                await add_invoice(session, contract_id, f"2700{n}", "60", date(2026, 12, 24))
                await use_credit(session, self.ids, TODAY, NOW)

    async def give_back(self) -> None:
        async with self.store.transaction() as session:
            await apply_credit_note(session, self.note, NOW)


async def test_everything_at_once_keeps_the_books_right(each_store: Store) -> None:
    ids = [await add_debtor(each_store, str(1001 + n), **{f"i2600{n}": "500"}) for n in range(4)]
    async with each_store.transaction() as session:
        early = [line(f"e{n}", "50", str(1001 + n)) for n in range(4)] + [line(f"w{n}", "30", "4711") for n in range(4)]
        await import_statements(session, [statement(*early)], "test", NOW)
    waiting = await payments_in(each_store, "waiting")
    crowd = Crowd(each_store, ids, waiting, await add_credit_note(each_store, ids[0], "26000", "120"))
    imports = [lambda: crowd.take(0), lambda: crowd.take(0), lambda: crowd.take(6, 0, 1), lambda: crowd.take(100, 1, 2)]

    await at_once(
        *imports, crowd.assign, crowd.assign_anew, crowd.take_cash, crowd.bill, crowd.give_back, crowd.give_back
    )

    assert (await counts(each_store))["payment"] == len(early) + 18 + 12 + 4
    assert await problems(each_store) == []


async def payments_in(store: Store, state: str) -> list[int]:
    async with store.reading() as session:
        return list(await session.scalars(select(Payment.id).filter_by(state=state).order_by(Payment.id)))
