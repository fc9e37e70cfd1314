"""May a call begin, and for how long: emergencies always, paid calls only on credit that nobody else has."""

import asyncio
from datetime import timedelta

import pytest

from billing.dunning.tables import Standing
from billing.store.engine import Store
from billing.voip.holds import Reason, expire_holds
from billing.voip.operations import set_state
from billing.voip.tables import VoipNumber
from config.settings import parse
from tests.billing.voip.world import EVA, MOBILE, NOW, add_number, ask, call, credit_of, problems, settle


async def test_a_paid_call_reserves_the_cost_of_the_hour_that_it_may_last(store: Store) -> None:
    await add_number(store, credit="200")

    verdict = await ask(store)

    assert (verdict.allowed, verdict.reason, verdict.max_seconds) == (True, Reason.CREDIT, 3600)
    # 2.40 a minute for an hour, and for the two seconds that the exchange may be late
    assert await credit_of(store) == ("200.00", "144.08")
    assert str(verdict.reserved) == "144.08"


async def test_little_credit_makes_a_short_call(store: Store) -> None:
    await add_number(store, credit="5")

    verdict = await ask(store)

    assert verdict.max_seconds == 123  # 5.00 covers 125 s at 2.40 a minute, and two of them are the exchange's
    assert await credit_of(store) == ("5.00", "5.00")


async def test_without_credit_for_the_first_interval_there_is_no_call(store: Store) -> None:
    await add_number(store, credit="2.3999")

    verdict = await ask(store)

    assert (verdict.allowed, verdict.reason) == (False, Reason.NO_CREDIT)
    assert await credit_of(store) == ("2.3999", "0.00")


@pytest.mark.parametrize("called", ["112", "+420155", "00420158"])
async def test_emergency_numbers_pass_for_anybody(store: Store, called: str) -> None:
    verdict = await ask(store, called=called, caller="+420999999999")

    assert (verdict.allowed, verdict.reason, verdict.max_seconds) == (True, Reason.EMERGENCY, None)


@pytest.mark.parametrize("called", ["800123456", "116111"])
async def test_free_numbers_pass_without_credit(store: Store, called: str) -> None:
    await add_number(store)

    verdict = await ask(store, called=called)

    assert (verdict.allowed, verdict.reason, verdict.max_seconds) == (True, Reason.FREE, None)


@pytest.mark.parametrize(
    ("called", "caller", "reason"),
    [
        ("hello", None, Reason.NOT_A_NUMBER),
        ("+999123456", None, Reason.NO_RATE),
        (MOBILE, "+420601999999", Reason.UNKNOWN_CALLER),
        (MOBILE, "anonymous", Reason.UNKNOWN_CALLER),
        ("800123456", "+420601999999", Reason.UNKNOWN_CALLER),
    ],
)
async def test_what_is_not_known_is_refused(store: Store, called: str, caller: str | None, reason: Reason) -> None:
    await add_number(store, credit="100")

    verdict = await ask(store, called=called, **({"caller": caller} if caller else {}))

    assert (verdict.allowed, verdict.reason) == (False, reason)
    assert await credit_of(store) == ("100.00", "0.00")


async def test_a_suspended_contract_makes_free_and_emergency_calls_only(store: Store) -> None:
    await add_number(store, credit="100")
    async with store.transaction() as session:
        session.add(Standing(contract_id=1, stage="suspended", why="test", since_at=NOW))

    verdicts = [await ask(store, called=called) for called in (MOBILE, "800123456", "112")]

    assert [each.reason for each in verdicts] == [Reason.SUSPENDED, Reason.FREE, Reason.EMERGENCY]
    assert await credit_of(store) == ("100.00", "0.00")


@pytest.mark.parametrize(
    ("state", "reasons"),
    [
        ("blocked", [Reason.BLOCKED, Reason.FREE, Reason.EMERGENCY]),
        ("closed", [Reason.CLOSED, Reason.CLOSED, Reason.EMERGENCY]),
    ],
)
async def test_what_a_number_that_is_not_active_may_call(store: Store, state: str, reasons: list[Reason]) -> None:
    number_id = await add_number(store, credit="100")
    async with store.transaction() as session:
        row = await session.get_one(VoipNumber, number_id)
        await set_state(session, row, state, why="lost", actor=EVA, now=NOW)

    assert [(await ask(store, called=called)).reason for called in (MOBILE, "800123456", "112")] == reasons


async def test_asking_again_for_a_call_answers_the_same_and_reserves_nothing_more(store: Store) -> None:
    await add_number(store, credit="200")
    first = await ask(store)

    assert await ask(store, now=NOW + timedelta(seconds=3)) == first
    assert await credit_of(store) == ("200.00", "144.08")


async def test_asking_again_is_answered_the_same_when_the_first_answer_took_all_credit(store: Store) -> None:
    await add_number(store, credit="5")
    first = await ask(store)

    assert first.max_seconds == 123
    assert await ask(store) == first


async def test_a_call_that_has_ended_or_is_another_does_not_begin_under_its_id(store: Store) -> None:
    await add_number(store, credit="200")
    await ask(store)

    assert (await ask(store, called="+420601123457")).reason is Reason.CALL_ENDED
    await settle(store, call("call-1"))
    assert (await ask(store)).reason is Reason.CALL_ENDED
    assert await credit_of(store) == ("197.60", "0.00")


async def test_ten_calls_at_once_share_no_credit(each_store: Store) -> None:
    await add_number(each_store, credit="15")
    settings = parse("[voip]\nhold_minutes = 1\ntick_seconds = 0")  # 2.40 each

    verdicts = await asyncio.gather(*(ask(each_store, f"call-{n}", settings=settings) for n in range(10)))

    assert [each.reason for each in verdicts].count(Reason.CREDIT) == 6
    assert [each.reason for each in verdicts].count(Reason.NO_CREDIT) == 4
    assert await credit_of(each_store) == ("15.00", "14.40")
    assert await problems(each_store) == []


async def test_one_call_asked_ten_times_at_once_reserves_once(each_store: Store) -> None:
    await add_number(each_store, credit="500")

    verdicts = await asyncio.gather(*(ask(each_store) for _ in range(10)))

    assert len(set(verdicts)) == 1
    assert await credit_of(each_store) == ("500.00", "144.08")


async def test_a_hold_without_a_record_is_freed_half_an_hour_after_the_call_must_have_ended(store: Store) -> None:
    await add_number(store, credit="200")
    await ask(store)
    ended = NOW + timedelta(seconds=3602 + 180, minutes=30)

    async with store.transaction() as session:
        too_early = await expire_holds(session, ended - timedelta(seconds=1))
        freed = await expire_holds(session, ended)

    assert (too_early, freed) == (0, 1)
    assert await credit_of(store) == ("200.00", "0.00")
    assert await problems(store) == []
