"""Every invariant of credit bites: what breaks it is named."""

import pytest
from sqlalchemy import text

from billing.store.engine import Store
from tests.billing.voip.world import SECOND, add_number, ask, buy, call, problems, settle


async def world(store: Store) -> None:
    number_id = await add_number(store, credit="5.0001")
    await add_number(store, SECOND, credit="7.77")
    await buy(store, number_id, "100")
    await ask(store, "open")
    await settle(store, call("c1", billed_seconds=61), call("c2", caller=SECOND))


async def test_a_world_of_top_ups_calls_and_holds_is_right(each_store: Store) -> None:
    await world(each_store)

    assert await problems(each_store) == []


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (
            "UPDATE voip_number SET balance = balance + 1 WHERE id = 1",
            "+420910123456: credit is 105.0001 where 105.00 is",
        ),
        ("UPDATE voip_number SET reserved = 0", "+420910123456: reserved credit is 0.00 where"),
        ("UPDATE voip_month SET topped_up = 0", "+420910123456 in 2026-03: topped up is 0.00 where 100.00"),
        ("UPDATE voip_number SET balance = balance + 100 WHERE id = 2", "contract 1001: calls left, in the ledger, is"),
    ],
)
async def test_what_is_wrong_is_named(each_store: Store, damage: str, problem: str) -> None:
    await world(each_store)

    async with each_store.transaction() as session:
        await session.execute(text(damage))

    assert any(each.startswith(problem) for each in await problems(each_store)), await problems(each_store)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE voip_number SET reserved = balance + 1",
        "UPDATE voip_month SET topped_up = cap + 1",
        "UPDATE voip_call SET charged = 0",
        "UPDATE voip_call SET billed_seconds = 1",
        "UPDATE voip_call SET number_id = 2 WHERE number_id = 1",
        "DELETE FROM voip_call",
        "UPDATE voip_rate SET price_per_minute = 1",
        "DELETE FROM voip_rate",
        "UPDATE voip_deck SET name = 'x'",
        "UPDATE voip_top_up SET amount = 1",
        "DELETE FROM voip_correction",
    ],
)
async def test_the_database_itself_refuses_what_must_never_happen(each_store: Store, damage: str) -> None:
    await world(each_store)

    with pytest.raises(Exception, match=r"(?i)constraint|never changes|never deleted"):
        async with each_store.transaction() as session:
            await session.execute(text(damage))
