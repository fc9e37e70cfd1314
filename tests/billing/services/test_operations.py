"""Services come in whole or not at all, with their contracts; an address belongs to one of them."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select

from billing.customers.tables import Contract, Customer
from billing.importing import Report
from billing.invoicing.run import bill
from billing.money import Money
from billing.services.operations import contract_of, import_services, networks, places_of
from billing.services.products import set_product
from billing.services.rules import read_services
from billing.services.tables import Service, ServicePrice
from billing.store.engine import Store
from billing.store.tables import JournalEntry
from config.errors import InputRejected
from config.settings import Settings

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
HEADER = "contract_number,customer_number,kind,product,price,starts_on,addresses\n"


@pytest.fixture
async def town(each_store: Store) -> Store:
    """A store with customers 1 and 2."""
    async with each_store.transaction() as session:
        session.add_all([Customer(number="1", name="Jana"), Customer(number="2", name="Petr")])
    return each_store


async def bring(store: Store, *lines: str) -> Report:
    sheet = read_services((HEADER + "\n".join(lines)).encode(), "services.csv")
    async with store.transaction() as session:
        return await import_services(session, sheet, actor="admin:test", today=NOW.date(), now=NOW)


def service(contract: int, addresses: str, *, product: str = "Fiber", price: str = "500", customer: int = 1) -> str:
    return f"{contract},{customer},internet,{product},{price},2026-01-01,{addresses}"


async def addresses(store: Store) -> dict[str, str]:
    """Network -> contract number."""
    async with store.reading() as session:
        numbers = {row[0]: row[1] for row in await session.execute(select(Contract.id, Contract.number))}
        return {network: numbers[contract_id] for network, contract_id in await networks(session, "main")}


async def entries(store: Store) -> Sequence[JournalEntry]:
    async with store.reading() as session:
        return (await session.execute(select(JournalEntry).order_by(JournalEntry.id))).scalars().all()


async def test_a_product_that_becomes_free_is_journalled_with_its_price(town: Store) -> None:
    async with town.transaction() as session:
        day = date(2026, 4, 1)
        await set_product(session, "internet", "Fiber", price=Money(0), valid_from_on=day, actor="admin:test", now=NOW)

    assert json.loads((await entries(town))[-1].detail) == {
        "from": "2026-04-01",
        "kind": "internet",
        "price": "0.00",
        "product": "Fiber",
    }


async def test_services_are_added_with_their_contracts(town: Store) -> None:
    report = await bring(town, service(10, "10.0.0.1 2001:db8::/56"), service(11, "10.0.0.2", customer=2))

    assert report == Report(added=2)
    assert await addresses(town) == {"10.0.0.1": "10", "2001:db8::/56": "10", "10.0.0.2": "11"}


async def test_each_added_service_is_journalled_for_its_contract(town: Store) -> None:
    await bring(town, service(10, "10.0.0.1"))
    (entry,) = await entries(town)

    assert (entry.action, entry.contract_id is None) == ("service.imported", False)
    assert json.loads(entry.detail)["addresses"] == "10.0.0.1"


async def test_the_same_file_twice_changes_nothing(town: Store) -> None:
    lines = (service(10, "10.0.0.1 10.0.0.8/29"), "10,1,insurance,Care,49,2026-01-01,")
    await bring(town, *lines)

    assert await bring(town, *lines) == Report(unchanged=2)
    assert len(await entries(town)) == 2


async def test_a_corrected_address_replaces_the_old_one(town: Store) -> None:
    await bring(town, service(10, "10.0.0.1"))

    assert await bring(town, service(10, "10.0.0.2")) == Report(changed=1)
    assert await addresses(town) == {"10.0.0.2": "10"}


async def test_a_new_price_counts_from_today_and_the_old_one_is_kept(town: Store) -> None:
    await bring(town, service(10, "10.0.0.1"))
    await bring(town, service(10, "10.0.0.1", price="600"))
    async with town.reading() as session:
        prices = (
            (await session.execute(select(ServicePrice.price).order_by(ServicePrice.valid_from_on))).scalars().all()
        )

    assert [str(price) for price in prices] == ["500.00", "600.00"]


async def test_two_contracts_can_swap_addresses(town: Store) -> None:
    await bring(town, service(10, "10.0.0.1"), service(11, "10.0.0.2"))

    assert await bring(town, service(10, "10.0.0.2"), service(11, "10.0.0.1")) == Report(changed=2)
    assert await addresses(town) == {"10.0.0.1": "11", "10.0.0.2": "10"}


async def test_an_address_follows_a_contract_to_its_new_product(town: Store) -> None:
    await bring(town, service(10, "10.0.0.1"))

    assert await bring(town, service(10, "10.0.0.1", product="Fiber 1000")) == Report(added=1)
    assert await addresses(town) == {"10.0.0.1": "10"}


async def test_a_contract_can_go_to_another_customer(town: Store) -> None:
    await bring(town, service(10, "10.0.0.1"))

    assert await bring(town, service(10, "10.0.0.1", customer=2)) == Report(changed=1)
    async with town.reading() as session:
        query = select(Customer.number).join(Contract, Contract.customer_id == Customer.id)
        assert (await session.execute(query)).scalar_one() == "2"


async def test_an_unknown_customer_is_refused_with_the_line(town: Store) -> None:
    with pytest.raises(InputRejected, match="line 3, column customer_number: there is no customer 9"):
        await bring(town, service(10, "10.0.0.1"), service(11, "10.0.0.2", customer=9))

    assert await addresses(town) == {}


async def test_an_overlap_within_a_file_names_both_lines(town: Store) -> None:
    with pytest.raises(
        InputRejected,
        match=r"line 3, .* 10.0.0.1/32 \(contract 11, Fiber\) overlaps 10.0.0.0/29 \(contract 10, Fiber, line 2\)",
    ):
        await bring(town, service(10, "10.0.0.0/29"), service(11, "10.0.0.1"))


async def test_an_overlap_with_a_stored_service_names_it(town: Store) -> None:
    await bring(town, service(10, "10.0.0.1"))

    with pytest.raises(InputRejected, match=r"contract 11, Fiber\) overlaps 10.0.0.1/32 \(contract 10, Fiber, stored"):
        await bring(town, service(11, "10.0.0.0/29"))
    assert await addresses(town) == {"10.0.0.1": "10"}


async def test_networks_of_some_contracts_only(town: Store) -> None:
    await bring(town, service(10, "10.0.0.1"), service(11, "10.0.0.2"))
    async with town.reading() as session:
        ids = (await session.execute(select(Contract.id).where(Contract.number == "11"))).scalars().all()

        assert await networks(session, "main", ids) == [("10.0.0.2", ids[0])]
        assert await networks(session, "main", []) == []


@pytest.mark.parametrize(
    ("source", "contract"),
    [
        ("10.0.0.1", "10"),
        ("::ffff:10.0.0.1", "10"),
        ("10.0.0.9", "11"),
        ("10.0.0.16", None),
        ("2001:db8:0:1::ff", "12"),
        ("2001:db8:0:100::", None),
        ("192.168.1.1", None),
        ("fe80::1%eth0", None),
        ("not an address", None),
        ("", None),
    ],
)
async def test_who_asks_is_known_by_the_source_address(town: Store, source: str, contract: str | None) -> None:
    await bring(town, service(10, "10.0.0.1"), service(11, "10.0.0.8/29"), service(12, "2001:db8::/56"))
    async with town.reading() as session:
        found = await contract_of(session, "main", source)
        numbers = {row[0]: row[1] for row in await session.execute(select(Contract.id, Contract.number))}

    assert numbers.get(found) == contract


async def bring_with_terms(store: Store, terms: str) -> Report:
    columns = "billed_until_on,period_months,ends_on"
    sheet = read_services(f"{HEADER.strip()},{columns}\n{service(10, '')},{terms}".encode(), "services.csv")
    async with store.transaction() as session:
        return await import_services(session, sheet, actor="admin:test", today=NOW.date(), now=NOW)


async def terms_of(store: Store) -> tuple[object, ...]:
    async with store.reading() as session:
        one = (await session.scalars(select(Service))).one()
        return one.billed_until_on, one.period_months, one.ends_on


async def test_what_another_program_invoiced_how_and_until_when_comes_along(town: Store) -> None:
    assert await bring_with_terms(town, "2026-03-31,3,2026-12-31") == Report(added=1)
    assert await terms_of(town) == (date(2026, 3, 31), 3, date(2026, 12, 31))

    assert await bring_with_terms(town, "2026-06-30,3,") == Report(changed=1)
    assert await bring_with_terms(town, "2026-06-30,3,") == Report(unchanged=1)
    assert await terms_of(town) == (date(2026, 6, 30), 3, date(2026, 12, 31))


async def test_once_hradlo_has_invoiced_a_service_the_other_program_says_nothing_any_more(town: Store) -> None:
    await bring_with_terms(town, "2026-02-28,1,")
    async for _ in bill(town, Settings(), until_on=date(2026, 3, 2), now=NOW, actor="admin:test"):
        pass

    assert await bring_with_terms(town, "2026-02-28,1,") == Report(unchanged=1)
    assert (await terms_of(town))[0] == date(2026, 3, 31)


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ("2025-12-31,1,", "but the service starts on 2026-01-01"),
        (",1,2025-12-31", "but the service starts on 2026-01-01"),
        (",2,", "'2' is none of 1, 3, 12"),
        ("31.3.2026,,", "is not a date"),
    ],
)
async def test_terms_that_can_not_be_are_refused(town: Store, terms: str, words: str) -> None:
    with pytest.raises(InputRejected, match=words):
        await bring_with_terms(town, terms)


# ── sites ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def bring_to_sites(store: Store, *lines: str) -> Report:
    header = HEADER.replace("addresses", "addresses,site")
    sheet = read_services((header + "\n".join(lines)).encode(), "services.csv")
    async with store.transaction() as session:
        return await import_services(session, sheet, actor="admin:test", today=NOW.date(), now=NOW)


async def places(store: Store, contract: str) -> list[tuple[str, str]]:
    async with store.reading() as session:
        contract_id = await session.scalar(select(Contract.id).where(Contract.number == contract))
        assert contract_id is not None
        return await places_of(session, contract_id)


async def test_private_ranges_of_two_sites_may_overlap(town: Store) -> None:
    await bring_to_sites(town, service(10, "10.0.0.0/29") + ",north", service(11, "10.0.0.1") + ",south")

    async with town.reading() as session:
        of_site = [await contract_of(session, site, "10.0.0.1") for site in ("north", "south", "main")]
        numbers = {row[0]: row[1] for row in await session.execute(select(Contract.id, Contract.number))}
    assert [numbers.get(found or 0) for found in of_site] == ["10", "11", None]


async def test_at_one_site_they_may_not(town: Store) -> None:
    with pytest.raises(InputRejected, match="overlaps"):
        await bring_to_sites(town, service(10, "10.0.0.0/29") + ",north", service(11, "10.0.0.1") + ",north")


async def test_without_the_column_addresses_stay_at_the_site_where_they_are(town: Store) -> None:
    await bring_to_sites(town, service(10, "10.0.0.1") + ",north")

    report = await bring(town, service(10, "10.0.0.1 10.0.0.2"))

    assert report == Report(changed=1)
    assert await places(town, "10") == [("north", "10.0.0.1"), ("north", "10.0.0.2")]


async def test_a_new_service_of_which_the_file_says_nothing_is_where_the_file_is_imported(town: Store) -> None:
    sheet = read_services((HEADER + service(10, "10.0.0.1")).encode(), "services.csv")
    async with town.transaction() as session:
        await import_services(session, sheet, actor="admin:test", today=NOW.date(), now=NOW, home_site="north")

    assert await places(town, "10") == [("north", "10.0.0.1")]


async def test_a_service_moves_to_the_site_that_the_file_names(town: Store) -> None:
    await bring(town, service(10, "10.0.0.1"))
    await bring_to_sites(town, service(10, "10.0.0.1") + ",north")

    assert await places(town, "10") == [("north", "10.0.0.1")]


@pytest.mark.parametrize("name", ["North", "a b", "-x", "x" * 41, "né"])
def test_a_site_that_can_have_no_such_name_is_refused(name: str) -> None:
    header = HEADER.replace("addresses", "addresses,site")
    sheet = read_services((header + service(10, "10.0.0.1") + f",{name}").encode(), "services.csv")

    with pytest.raises(InputRejected, match="is not the name of a site"):
        sheet.require_good()
