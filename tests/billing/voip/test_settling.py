"""Call records are charged once, at the price of their answer, and free what the call reserved."""

import asyncio
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import select

from billing.store.engine import Store
from billing.voip.holds import expire_holds
from billing.voip.tables import VoipCall
from tests.billing.voip.world import (
    DECK,
    NOW,
    NUMBER,
    SECOND,
    add_deck,
    add_number,
    ask,
    call,
    credit_of,
    problems,
    settle,
)


async def stored(store: Store) -> list[VoipCall]:
    async with store.reading() as session:
        return list(await session.scalars(select(VoipCall).order_by(VoipCall.id)))


async def test_a_record_frees_its_hold_and_charges_what_was_billed(store: Store) -> None:
    await add_number(store, credit="200")
    await ask(store)

    done = await settle(store, call("call-1", billed_seconds=61))

    assert (done.rated, str(done.charged)) == (1, "2.44")
    assert await credit_of(store) == ("197.56", "0.00")
    kept = (await stored(store))[0]
    assert (kept.state, kept.destination, str(kept.price)) == ("rated", "Česko mobil", "2.44")
    assert kept.rate_id is not None
    assert await problems(store) == []


async def test_a_call_that_nobody_answered_costs_nothing_and_frees_its_hold(store: Store) -> None:
    await add_number(store, credit="200")
    await ask(store)

    await settle(store, call("call-1", billed_seconds=0, answered_at=None))

    assert await credit_of(store) == ("200.00", "0.00")


async def test_a_record_that_comes_again_is_counted_once(store: Store) -> None:
    await add_number(store, credit="200")
    record = call("call-1")
    await settle(store, record)

    again = await settle(store, record, record)

    assert (again.rated, again.repeated) == (0, 2)
    assert await credit_of(store) == ("197.60", "0.00")


async def test_a_record_that_comes_again_with_other_content_is_not_counted_and_is_shown(store: Store) -> None:
    await add_number(store, credit="200")
    await settle(store, call("call-1"))

    done = await settle(store, call("call-1", billed_seconds=600))

    assert (done.rated, done.disputed) == (0, 1)
    assert await credit_of(store) == ("197.60", "0.00")
    assert "600 s" in (await stored(store))[0].dispute


async def test_two_different_records_of_one_id_in_one_batch_are_a_dispute_as_well(store: Store) -> None:
    await add_number(store, credit="200")

    done = await settle(store, call("call-1"), call("call-1", billed_seconds=600))

    assert (done.rated, done.disputed) == (1, 1)
    assert "600 s" in (await stored(store))[0].dispute


async def test_the_same_id_of_another_exchange_is_another_call(store: Store) -> None:
    await add_number(store, credit="200")

    done = await settle(store, call("call-1"), call("call-1", source="kamailio"))

    assert done.rated == 2


async def test_the_price_is_that_of_the_answer_not_of_the_start_or_of_today(store: Store) -> None:
    await add_number(store, credit="200")
    await add_deck(store, DECK.replace("2.40", "4.80"), valid_from_on=date(2026, 3, 1))
    midnight = datetime(2026, 2, 28, 23, tzinfo=UTC)  # in Prague
    before, after = midnight - timedelta(seconds=1), midnight

    await settle(
        store,
        call("old", started_at=before, answered_at=before),
        call("new", started_at=before, answered_at=after),
    )

    prices = {each.uid: str(each.price) for each in await stored(store)}
    assert prices == {"old": "2.40", "new": "4.80"}


async def test_what_has_no_owner_or_no_price_waits_for_a_person(store: Store) -> None:
    await add_number(store, credit="200")

    done = await settle(
        store,
        call("stranger", caller="+420601999999"),
        call("nowhere", called="+999123456"),
        call("rubbish", called="hello"),
        call("early", answered_at=datetime(2025, 1, 1, tzinfo=UTC)),
    )

    assert (done.rated, done.waiting) == (0, 4)
    assert await credit_of(store) == ("200.00", "0.00")
    whys = {each.uid: each.why for each in await stored(store)}
    assert whys == {
        "stranger": "neither the caller nor the called is a number of ours",
        "nowhere": "deck standard has no price for +999123456",
        "rubbish": "'hello' is no telephone number: only digits, spaces and a leading + belong there",
        "early": "there was no deck standard then",
    }


async def test_free_emergency_and_incoming_calls_are_kept_and_cost_nothing(store: Store) -> None:
    await add_number(store, credit="200")

    done = await settle(
        store,
        call("free", called="800123456"),
        call("sos", called="112"),
        call("in", caller="+420601999999", called=NUMBER),
    )

    assert done.rated == 3
    assert [each.is_incoming for each in await stored(store)] == [False, False, True]
    assert await credit_of(store) == ("200.00", "0.00")


async def test_a_call_never_takes_what_another_call_has_reserved(store: Store) -> None:
    await add_number(store, credit="10")
    await ask(store, "call-1")  # reserves all of it

    await settle(store, call("bypassed-the-exchange", billed_seconds=600))

    kept = (await stored(store))[0]
    assert (str(kept.price), str(kept.charged)) == ("24.00", "0.00")
    await settle(store, call("call-1", billed_seconds=240))
    assert await credit_of(store) == ("0.40", "0.00")
    assert await problems(store) == []


async def test_a_caller_that_the_record_hides_is_the_one_that_the_call_was_authorised_for(store: Store) -> None:
    await add_number(store, credit="200")
    await ask(store)

    done = await settle(store, call("call-1", caller="anonymous"), call("call-2", caller="anonymous"))

    assert (done.rated, done.waiting) == (1, 1)
    assert await credit_of(store) == ("197.60", "0.00")


async def test_credit_never_falls_below_zero(store: Store) -> None:
    await add_number(store, credit="5")

    await settle(store, call("long", billed_seconds=600))

    assert await credit_of(store) == ("0.00", "0.00")
    kept = (await stored(store))[0]
    assert (str(kept.price), str(kept.charged)) == ("24.00", "5.00")
    assert await problems(store) == []


async def test_a_record_after_its_hold_expired_is_charged_all_the_same(store: Store) -> None:
    await add_number(store, credit="200")
    await ask(store)
    async with store.transaction() as session:
        await expire_holds(session, NOW + timedelta(days=1))

    await settle(store, call("call-1"))

    assert await credit_of(store) == ("197.60", "0.00")
    assert await problems(store) == []


async def test_the_same_records_sent_eight_times_at_once_are_charged_once(each_store: Store) -> None:
    await add_number(each_store, credit="200")
    await add_number(each_store, SECOND, credit="200")
    records = [call(f"c{n}", caller=[NUMBER, SECOND][n % 2]) for n in range(20)]

    results = await asyncio.gather(
        *(settle(each_store, *(records if n % 2 else reversed(records))) for n in range(8)), return_exceptions=True
    )

    assert [each for each in results if isinstance(each, BaseException)] == []
    assert await credit_of(each_store) == ("176.00", "0.00")
    assert await problems(each_store) == []
