"""An extension that a customer takes alone: once, also when both clicks of a double click arrive at once."""

import asyncio
from datetime import date

from sqlalchemy import select

from billing.dunning.extensions import extend, extensions_for
from billing.dunning.operations import promise
from billing.dunning.tables import Promise
from billing.money import Money
from billing.store.engine import Store
from config.errors import NotAllowed
from config.settings import Portal
from tests.billing.dunning.examples import prague
from tests.billing.dunning.rows import add_contracts

NOW = prague("2026-03-16 12:00")
TODAY = date(2026, 3, 16)
LIMITS = Portal(extension_days=7)  # type: ignore[call-arg]
DEBT = Money(599_00)


async def click(store: Store) -> bool:
    try:
        async with store.transaction() as session:
            await extend(session, "1001", LIMITS, DEBT, TODAY, NOW)
    except NotAllowed:
        return False
    return True


async def test_of_eight_clicks_at_once_one_counts(each_store: Store) -> None:
    async with each_store.transaction() as session:
        await add_contracts(session, 1)

    taken = await asyncio.gather(*(click(each_store) for _ in range(8)))

    async with each_store.reading() as session:
        made = (await session.scalars(select(Promise))).all()
    assert sorted(taken) == [False] * 7 + [True]
    assert len(made) == 1


async def test_what_an_admin_promised_counts_as_running_but_not_as_taken(store: Store) -> None:
    async with store.transaction() as session:
        await add_contracts(session, 2)
        await promise(session, "1001", until_on=TODAY, actor="eva", why="called", today=TODAY, now=NOW)
        debts = {"1001": DEBT, "1002": DEBT}
        found = await extensions_for(session, debts, LIMITS, TODAY, NOW)

    assert (found["1001"].is_allowed, found["1002"].is_allowed) == (False, True)
    assert found["1002"].until_on == date(2026, 3, 23)
