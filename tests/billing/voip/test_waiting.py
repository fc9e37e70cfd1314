"""Calls that wait for a person become charged, or are set aside; nothing is lost on the way."""

import pytest
from sqlalchemy import select

from billing.store.engine import Store
from billing.voip.tables import VoipCall, VoipNumber
from billing.voip.waiting import assign, ignore, retry, waiting
from config.errors import NotAllowed, NotFound
from tests.billing.voip.world import (
    DECK,
    EVA,
    NOW,
    SECOND,
    SETTINGS,
    TODAY,
    add_deck,
    add_number,
    call,
    credit_of,
    problems,
    settle,
)


async def waiting_uids(store: Store) -> list[str]:
    async with store.reading() as session:
        return [each.uid for each in await waiting(session)]


async def assign_to(store: Store, call_id: int, number_id: int = 1) -> VoipCall:
    async with store.transaction() as session:
        number = await session.get_one(VoipNumber, number_id)
        return await assign(session, call_id, number, SETTINGS, actor=EVA, now=NOW)


async def test_a_call_of_an_unknown_caller_is_charged_to_whom_an_admin_names(store: Store) -> None:
    await add_number(store, credit="10")
    await settle(store, call("c1", caller="anonymous"))

    charged = await assign_to(store, 1)

    assert (charged.state, str(charged.charged), charged.number_id) == ("rated", "2.40", 1)
    assert await waiting_uids(store) == []
    assert await credit_of(store) == ("7.60", "0.00")
    assert await problems(store) == []


async def test_a_call_is_assigned_once_and_only_with_a_price(store: Store) -> None:
    await add_number(store, credit="10")
    await settle(store, call("c1", called="+999123456"), call("c2"))

    with pytest.raises(NotAllowed, match=r"can't be charged: deck standard has no price for \+999123456"):
        await assign_to(store, 1)
    with pytest.raises(NotAllowed, match="charged already"):
        await assign_to(store, 2)
    with pytest.raises(NotFound, match="no call 3"):
        await assign_to(store, 3)
    assert await credit_of(store) == ("7.60", "0.00")


async def test_a_retry_charges_what_a_new_number_and_a_new_deck_explain(each_store: Store) -> None:
    await add_number(each_store, credit="10")
    await settle(each_store, call("c1", called="+999123456"), call("c2", caller=SECOND), call("c3", caller="x"))
    await add_number(each_store, SECOND, credit="10")
    await add_deck(each_store, DECK + "999,Nikde,1,0,60,60\n", valid_from_on=TODAY)

    async with each_store.transaction() as session:
        done = await retry(session, SETTINGS, NOW)

    assert done == (2, 1)
    assert await waiting_uids(each_store) == ["c3"]
    assert (await credit_of(each_store, 1), await credit_of(each_store, 2)) == (("9.00", "0.00"), ("7.60", "0.00"))
    assert await problems(each_store) == []


async def test_a_call_set_aside_waits_no_more_and_costs_nobody_anything(store: Store) -> None:
    await add_number(store, credit="10")
    await settle(store, call("c1", caller="x"))

    async with store.transaction() as session:
        await ignore(session, 1, why="a test of the exchange", actor=EVA, now=NOW)

    assert await waiting_uids(store) == []
    async with store.reading() as session:
        kept = (await session.scalars(select(VoipCall))).one()
    assert (kept.state, kept.why) == ("ignored", "a test of the exchange")


async def test_a_dispute_waits_until_an_admin_says_that_the_first_record_stays(store: Store) -> None:
    await add_number(store, credit="10")
    await settle(store, call("c1"))
    await settle(store, call("c1", billed_seconds=90))
    assert await waiting_uids(store) == ["c1"]

    async with store.transaction() as session:
        await ignore(session, 1, why="sent twice", actor=EVA, now=NOW)

    assert await waiting_uids(store) == []
    assert await credit_of(store) == ("7.60", "0.00")
    with pytest.raises(NotAllowed, match="waits for nobody"):
        async with store.transaction() as session:
            await ignore(session, 1, why="again", actor=EVA, now=NOW)
