"""kill -9 in the middle of an import: started again, everything is there exactly once. `make crash`: 10,000 times.

The processes that die are forked from one that has imported a statement before: to start Python anew for each of them
would take ten times as long as what is tried here.
"""

import asyncio
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import pytest
from sqlalchemy import insert

from billing.customers.tables import Contract, Customer
from billing.invoicing.tables import Invoice
from billing.money import Money
from billing.payments import ledger
from billing.payments.banks.statement import Statement
from billing.payments.importing import import_statements
from billing.store.engine import Store
from config.clock import monotonic_seconds
from tests.billing.payments.world import NOW, TODAY, counts, line, open_of, problems, statement

KILLS = 50
TIMES = int(os.environ.get("HRADLO_CRASH_TIMES", "4"))
"""So many databases, each with its own kills."""
STATEMENTS = 4
PAYMENTS = 10
"""In each statement: one of a contract each."""


def statements(kill: int) -> list[Statement]:
    """What the bank sends in one round: every contract pays 1.00 by each; the last one of a file is unknown."""
    return [
        statement(
            *(line(f"{kill}-{number}-{n}", "1", str(1000 + n)) for n in range(PAYMENTS)),
            line(f"{kill}-{number}-unknown", "1", "4711"),
            number=f"{kill}-{number}",
        )
        for number in range(STATEMENTS)
    ]


async def pay(url: str, kill: int) -> None:
    """What the killed process does: statement by statement, each in its transaction."""
    store = Store.open(url)
    for each in statements(kill):
        async with store.transaction() as session:
            await import_statements(session, [each], "kill", NOW)
    await store.close()


async def add_contracts(store: Store) -> None:
    numbers = range(PAYMENTS)
    owed = Money((KILLS + 1) * STATEMENTS * 100)
    async with store.transaction() as session:
        await session.execute(insert(Customer), [{"id": n + 1, "number": str(n), "name": "Jana"} for n in numbers])
        await session.execute(
            insert(Contract), [{"id": n + 1, "number": str(1000 + n), "customer_id": n + 1} for n in numbers]
        )
        days = {"issued_on": TODAY, "due_on": TODAY, "created_at": NOW}
        await session.execute(
            insert(Invoice),
            [{"number": str(26000 + n), "contract_id": n + 1, "total": owed, "open": owed, **days} for n in numbers],
        )
        facts = [
            ledger.invoice_opened(number=str(26000 + n), contract_id=n + 1, issued_on=TODAY, total=owed, open=owed)
            for n in numbers
        ]
        await ledger.post_many(session, facts, NOW)


def bear(asked: Connection, url: str) -> None:
    """A process that pays the first round, tells how many seconds that took, and forks one that pays for each kill."""
    began = monotonic_seconds()
    asyncio.run(pay(url, 0))
    asked.send(monotonic_seconds() - began)
    for kill in iter(asked.recv, None):
        if child := os.fork():
            asked.send(child)
            os.waitpid(child, 0)
            asked.send("gone")
        else:
            asyncio.run(pay(url, kill))
            signal.pause()  # it is killed in any case


@contextmanager
def nursery(url: str) -> Iterator[Connection]:
    context = multiprocessing.get_context("spawn")
    asking, asked = context.Pipe()
    process = context.Process(target=bear, args=(asked, url))
    process.start()
    try:
        yield asking
        asking.send(None)
    finally:
        process.join(10)
        process.kill()


def run_and_kill(asking: Connection, kill: int, after_seconds: float) -> None:
    """Starts a process that imports, and kills it that long after it began."""
    asking.send(kill)
    child = asking.recv()
    time.sleep(after_seconds)  # the moment itself is what is random
    os.kill(child, signal.SIGKILL)
    assert asking.recv() == "gone"


@pytest.mark.parametrize("turn", range(TIMES))
async def test_after_fifty_kills_every_payment_is_there_exactly_once(
    turn: int, store: Store, database_url: str
) -> None:
    await add_contracts(store)
    before = await counts(store)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    cut_short = 0
    with nursery(database_url) as asking:
        whole_seconds = await asyncio.to_thread(asking.recv)
        for kill in range(1, KILLS + 1):
            await asyncio.to_thread(run_and_kill, asking, kill, moments.uniform(0.0, whole_seconds))
            assert await problems(store) == []
            done = (await counts(store))["payment"]
            await pay(database_url, kill)
            cut_short += (await counts(store))["payment"] > done

    print(f"{cut_short} of {KILLS} died before they were ready")
    after = await counts(store)
    payments = (KILLS + 1) * STATEMENTS * (PAYMENTS + 1)
    assert after["payment"] - before["payment"] == payments
    assert after["journal"] - before["journal"] == payments
    assert after["ledger_transaction"] - before["ledger_transaction"] == payments
    assert set((await open_of(store)).values()) == {"0.00"}
    assert await problems(store) == []
