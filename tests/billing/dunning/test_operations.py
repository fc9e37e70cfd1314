"""What an admin can do for a contract: each is a change of facts with its entry in the journal."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from billing.customers.tables import Contract
from billing.dunning.facts import Facts
from billing.dunning.operations import PROMISE_DAYS_MAX, contract_id_of, exempt, hold, promise, release
from billing.dunning.reading import load_facts
from billing.store import journal
from billing.store.engine import Store
from billing.store.tables import JournalEntry
from config.errors import NotAllowed, NotFound
from tests.billing.dunning.examples import prague
from tests.billing.dunning.rows import add_contracts

NOW = prague("2026-03-16 12:00")
TODAY = date(2026, 3, 16)


@pytest.fixture
async def contracts(store: Store) -> Store:
    async with store.transaction() as session:
        await add_contracts(session, 2)
    return store


async def make_promise(store: Store, until_on: date, contract_number: str = "1001") -> None:
    async with store.transaction() as session:
        await promise(session, contract_number, until_on=until_on, actor="eva", why="called", today=TODAY, now=NOW)


async def facts_of(store: Store, contract_id: int = 1) -> Facts:
    async with store.reading() as session:
        return (await load_facts(session, [contract_id]))[0]


async def entries(store: Store) -> list[tuple[str, str, str, int | None, str]]:
    async with store.reading() as session:
        found = (await session.scalars(select(JournalEntry).order_by(JournalEntry.id))).all()
        return [(entry.action, entry.actor, entry.why, entry.contract_id, entry.detail) for entry in found]


# ── promises ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_promise_protects_one_contract_and_is_journalled(contracts: Store) -> None:
    await make_promise(contracts, date(2026, 4, 10))

    assert (await facts_of(contracts)).promise_until_on == date(2026, 4, 10)
    assert (await facts_of(contracts, 2)).promise_until_on is None
    assert await entries(contracts) == [("promise.made", "eva", "called", 1, '{"until_on":"2026-04-10"}')]


async def test_a_promise_replaces_the_earlier_one_even_by_a_shorter(contracts: Store) -> None:
    await make_promise(contracts, date(2026, 4, 10))
    await make_promise(contracts, date(2026, 3, 20))

    assert (await facts_of(contracts)).promise_until_on == date(2026, 3, 20)


async def test_a_promise_may_end_today_but_not_yesterday(contracts: Store) -> None:
    await make_promise(contracts, TODAY)

    with pytest.raises(NotAllowed, match="past"):
        await make_promise(contracts, TODAY - timedelta(days=1))
    assert (await facts_of(contracts)).promise_until_on == TODAY


async def test_a_promise_reaches_no_further_than_a_year(contracts: Store) -> None:
    await make_promise(contracts, TODAY + timedelta(days=PROMISE_DAYS_MAX))

    with pytest.raises(NotAllowed, match="year"):
        await make_promise(contracts, TODAY + timedelta(days=PROMISE_DAYS_MAX + 1))


# ── hold, exempt, release ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_hold_and_an_exemption_are_facts_and_are_journalled(contracts: Store) -> None:
    async with contracts.transaction() as session:
        await hold(session, "1001", actor="eva", why="complaint", now=NOW)
        await exempt(session, "1002", actor="eva", why="hospital", now=NOW)

    assert (await facts_of(contracts)).is_held
    assert (await facts_of(contracts, 2)).is_exempt
    assert await entries(contracts) == [
        ("contract.held", "eva", "complaint", 1, "{}"),
        ("contract.exempted", "eva", "hospital", 2, "{}"),
    ]
    async with contracts.reading() as session:
        assert (await session.get_one(Contract, 1)).shield_why == "complaint"


async def test_a_release_ends_every_shield(contracts: Store) -> None:
    await make_promise(contracts, date(2026, 4, 10))
    async with contracts.transaction() as session:
        await hold(session, "1001", actor="eva", why="", now=NOW)
        await exempt(session, "1001", actor="eva", why="", now=NOW)
        await release(session, "1001", actor="jan", why="solved", today=TODAY, now=NOW)

    facts = await facts_of(contracts)
    assert (facts.promise_until_on, facts.is_held, facts.is_exempt) == (None, False, False)
    assert (await entries(contracts))[-1][:4] == ("contract.released", "jan", "solved", 1)


async def test_where_nothing_protects_there_is_nothing_to_release(contracts: Store) -> None:
    await make_promise(contracts, date(2026, 4, 10), "1002")
    async with contracts.transaction() as session:
        with pytest.raises(NotAllowed, match="Nothing protects contract 1001"):
            await release(session, "1001", actor="jan", why="", today=TODAY, now=NOW)

    assert [action for action, *_ in await entries(contracts)] == ["promise.made"]


async def test_a_promise_that_is_past_protects_no_more_and_is_not_released(contracts: Store) -> None:
    await make_promise(contracts, TODAY)
    async with contracts.transaction() as session:
        with pytest.raises(NotAllowed, match="Nothing protects contract 1001"):
            await release(session, "1001", actor="jan", why="", today=TODAY + timedelta(days=1), now=NOW)


async def test_the_engine_finds_out_what_an_admin_did(contracts: Store) -> None:
    await make_promise(contracts, TODAY)
    async with contracts.reading() as session:
        head = await journal.head(session)
    async with contracts.transaction() as session:
        await hold(session, "1002", actor="eva", why="", now=NOW)

    async with contracts.reading() as session:
        assert await journal.changed_since(session, head) == (head + 1, {2})


# ── which contract ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_contract_is_found_by_its_variable_symbol_with_or_without_zeros(contracts: Store) -> None:
    async with contracts.reading() as session:
        assert await contract_id_of(session, " 0000001002 ") == 2


@pytest.mark.parametrize("number", ["9999", "", "0", "1001; DROP TABLE contract"])
async def test_what_is_no_contract_is_not_found_and_nothing_is_written(contracts: Store, number: str) -> None:
    with pytest.raises(NotFound, match="no contract"):
        await make_promise(contracts, TODAY, number)
    assert await entries(contracts) == []
