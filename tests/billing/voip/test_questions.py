"""Questions of exchanges: many at once share a transaction; what goes wrong in it lets no call begin."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from billing.store.engine import Store
from billing.voip.holds import Reason
from billing.voip.questions import Questions
from config.clock import TestClock
from tests.billing.voip.world import MOBILE, NOW, NUMBER, SETTINGS, add_number, credit_of, problems


def questions_of(store: Store) -> Questions:
    return Questions(store, SETTINGS, TestClock(NOW))


async def test_a_hundred_questions_at_once_are_each_answered_right(each_store: Store) -> None:
    """30 Kč: the first call reserves all of it."""
    await add_number(each_store, credit="30")
    questions = questions_of(each_store)

    verdicts = await asyncio.gather(*(questions.ask(caller=NUMBER, called=MOBILE, call_id=f"c{n}") for n in range(100)))

    assert [verdict.reason for verdict in verdicts].count(Reason.CREDIT) == 1
    assert [verdict.reason for verdict in verdicts].count(Reason.NO_CREDIT) == 99
    assert await credit_of(each_store) == ("30.00", "30.00")
    assert await problems(each_store) == []


async def test_questions_that_wait_share_one_transaction(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await add_number(store, credit="1000")
    begun = 0
    transaction = store.transaction

    @asynccontextmanager
    async def counted() -> AsyncIterator[AsyncSession]:
        nonlocal begun
        begun += 1
        async with transaction() as session:
            yield session

    monkeypatch.setattr(store, "transaction", counted)
    questions = questions_of(store)

    await asyncio.gather(*(questions.ask(caller=NUMBER, called=MOBILE, call_id=f"c{n}") for n in range(40)))

    assert begun <= 2  # the first one alone, and all the others


async def test_a_question_that_is_given_up_keeps_no_other_waiting(store: Store) -> None:
    await add_number(store, credit="1000")
    questions = questions_of(store)
    given_up = [asyncio.ensure_future(questions.ask(caller=NUMBER, called=MOBILE, call_id=f"c{n}")) for n in range(5)]
    other = asyncio.ensure_future(questions.ask(caller=NUMBER, called="800123456", call_id="other"))
    await asyncio.sleep(0)
    for question in given_up:
        question.cancel()

    verdict = await asyncio.wait_for(other, timeout=30)

    assert verdict.reason is Reason.FREE


async def test_without_a_database_each_asker_is_told_and_no_call_begins() -> None:
    nowhere = Store.open("postgresql://nobody@127.0.0.1:1/nowhere")
    questions = questions_of(nowhere)

    answers = await asyncio.gather(
        *(questions.ask(caller=NUMBER, called=MOBILE, call_id=f"c{n}") for n in range(3)), return_exceptions=True
    )

    assert [type(each) for each in answers] == [ConnectionRefusedError] * 3
    await nowhere.close()


async def test_an_error_is_everybodys_who_waited_and_nobodys_after_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_number(store, credit="1000")
    questions = questions_of(store)
    transaction = store.transaction
    monkeypatch.setattr(store, "transaction", full_disk)

    asked = [questions.ask(caller=NUMBER, called=MOBILE, call_id=f"c{n}") for n in range(5)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    monkeypatch.setattr(store, "transaction", transaction)
    verdict = await questions.ask(caller=NUMBER, called=MOBILE, call_id="later")

    assert [type(each) for each in answers] == [OSError] * 5
    assert verdict.reason is Reason.CREDIT


@asynccontextmanager
async def full_disk() -> AsyncIterator[AsyncSession]:
    raise OSError("no space left on device")
    yield
