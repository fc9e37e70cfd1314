"""Addresses that come and go: a line is found by its MAC or its PPP name, and nobody is taken for somebody else."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from billing.customers.tables import Contract, Customer
from billing.services.bindings import Settled, bindings_at, is_settled, settle
from billing.services.operations import contract_of, import_services, networks
from billing.services.rules import binding, read_services
from billing.store.engine import Store
from billing.store.tables import JournalEntry
from config.errors import InputRejected

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HEADER = "contract_number,customer_number,kind,product,price,starts_on,addresses,site\n"
JANA, PETR = "ppp:jana", "dhcp:02:00:00:00:00:07"


@pytest.fixture
async def town(each_store: Store) -> Store:
    """Contract 10 is known by a PPP name, 11 by a MAC, 12 by an address; all behind the router north."""
    async with each_store.transaction() as session:
        session.add(Customer(number="1", name="Jana"))
    await bring(each_store, service(10, JANA), service(11, "dhcp:02-00-00-00-00-07"), service(12, "10.0.0.1"))
    return each_store


def service(contract: int, addresses: str, site: str = "north") -> str:
    return f"{contract},1,internet,Fiber,500,2026-01-01,{addresses},{site}"


async def bring(store: Store, *lines: str) -> None:
    sheet = read_services((HEADER + "\n".join(lines)).encode(), "services.csv")
    async with store.transaction() as session:
        await import_services(session, sheet, actor="admin:test", today=NOW.date(), now=NOW)


async def settled(store: Store, seen: dict[str, list[str]]) -> Settled:
    async with store.transaction() as session:
        return await settle(session, "north", seen, now=NOW)


async def owners(store: Store, site: str = "north") -> dict[str, str]:
    """Network -> contract number."""
    async with store.reading() as session:
        numbers = {row[0]: row[1] for row in await session.execute(select(Contract.id, Contract.number))}
        return {network: numbers[contract_id] for network, contract_id in await networks(session, site)}


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("dhcp:02:00:00:00:00:aa", "dhcp:02:00:00:00:00:AA"),
        ("dhcp:02-00-00-00-00-07", PETR),
        ("ppp:Jana.N", "ppp:Jana.N"),
    ],
)
def test_a_binding_has_one_way_to_be_written(word: str, written: str) -> None:
    assert binding(word) == written


@pytest.mark.parametrize("word", ["dhcp:", "dhcp:02:00:00:00:00", "ppp:", f"ppp:{'x' * 65}", "radius:x"])
def test_what_is_no_binding_is_refused_with_an_example(word: str) -> None:
    with pytest.raises(ValueError, match="ppp:name"):
        binding(word)


async def test_a_service_has_the_addresses_that_its_router_gives_it_now(town: Store) -> None:
    await settled(town, {JANA: ["10.0.0.2"], PETR: ["10.0.0.3"], "ppp:stranger": ["10.0.0.4"]})

    assert await owners(town) == {"10.0.0.1": "12", "10.0.0.2": "10", "10.0.0.3": "11"}
    async with town.reading() as session:
        assert await contract_of(session, "north", "10.0.0.2") is not None
        assert await contract_of(session, "north", "10.0.0.4") is None


async def test_addresses_that_change_hands_are_the_new_ones_at_once(town: Store) -> None:
    await settled(town, {JANA: ["10.0.0.2"], PETR: ["10.0.0.3"]})
    await settled(town, {JANA: ["10.0.0.3"], PETR: ["10.0.0.2"]})
    assert await owners(town) == {"10.0.0.1": "12", "10.0.0.2": "11", "10.0.0.3": "10"}

    await settled(town, {PETR: ["10.0.0.2"]})
    assert await owners(town) == {"10.0.0.1": "12", "10.0.0.2": "11"}


async def test_what_two_seem_to_have_or_a_file_gave_to_somebody_is_nobodys(town: Store) -> None:
    found = await settled(town, {JANA: ["10.0.0.2", "10.0.0.1"], PETR: ["10.0.0.2"]})

    assert await owners(town) == {"10.0.0.1": "12"}
    assert set(found.refused) == {
        f"10.0.0.1/32 of {JANA} is a fixed address's, too",
        f"10.0.0.2/32 of {PETR} is {JANA}'s, too",
        f"10.0.0.2/32 of {JANA} is {PETR}'s, too",
    }


async def test_each_change_is_in_the_journal_and_none_when_there_is_none(town: Store) -> None:
    await settled(town, {JANA: ["10.0.0.2"]})
    again = await settled(town, {JANA: ["10.0.0.2"]})
    async with town.reading() as session:
        assert await is_settled(session, "north", {JANA: ["10.0.0.2"]})
        assert not await is_settled(session, "north", {})
        rows = (await session.scalars(select(JournalEntry).where(JournalEntry.action == "service.address"))).all()

    assert again == Settled()
    assert len(rows) == 1
    assert rows[0].actor == "router:north"
    assert "ppp:jana" in str(rows[0].detail)


async def test_each_site_is_asked_for_its_own(town: Store) -> None:
    await bring(town, service(13, "ppp:jana", site="south"))
    async with town.transaction() as session:
        assert await bindings_at(session, "south") == {JANA}
        await settle(session, "south", {JANA: ["10.0.0.2"]}, now=NOW)

    assert await owners(town) == {"10.0.0.1": "12"}
    assert await owners(town, "south") == {"10.0.0.2": "13"}


async def test_the_same_file_again_changes_nothing_and_keeps_what_is_bound(town: Store) -> None:
    await settled(town, {JANA: ["10.0.0.2"]})
    await bring(town, service(10, JANA), service(11, PETR), service(12, "10.0.0.1"))

    assert await owners(town) == {"10.0.0.1": "12", "10.0.0.2": "10"}


async def test_a_binding_that_is_given_up_takes_its_address_along(town: Store) -> None:
    await settled(town, {JANA: ["10.0.0.2"]})
    await bring(town, service(10, "10.0.0.9"))

    assert await owners(town) == {"10.0.0.1": "12", "10.0.0.9": "10"}
    async with town.reading() as session:
        assert await bindings_at(session, "north") == {PETR}


async def test_a_fixed_address_wins_over_one_that_is_bound(town: Store) -> None:
    await settled(town, {JANA: ["10.0.0.2"]})
    await bring(town, service(12, "10.0.0.2"))

    assert await owners(town) == {"10.0.0.2": "12"}


async def test_one_binding_is_one_services(town: Store) -> None:
    with pytest.raises(InputRejected, match="ppp:jana is known of contract 10, Fiber, too"):
        await bring(town, service(14, JANA))
