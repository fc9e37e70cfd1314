"""Who an address belongs to, from memory."""

from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from billing.services.tables import ServiceAddress
from billing.store import journal
from billing.store.engine import Store
from portal.notice.directory import AddressTable, Directory
from tests.portal.subscribers import ANNA, BORIS, NOW, add_subscriber


def test_the_longest_network_that_holds_an_address_has_it() -> None:
    table = AddressTable([("10.0.0.0/24", 1), ("10.0.0.8/29", 2), ("10.0.0.9", 3), ("2001:db8::/32", 4)])

    found = [table.find(text) for text in ("10.0.0.1", "10.0.0.8", "10.0.0.9", "2001:db8::5", "10.0.1.0", "::1")]

    assert found == [1, 2, 3, 4, None, None]


networks = st.one_of(
    st.builds(lambda n, p: ip_network((n, p), strict=False), st.integers(0, 2**32 - 1), st.integers(8, 32)),
    st.builds(lambda n, p: ip_network((n << 96, p), strict=False), st.integers(0, 2**32 - 1), st.integers(32, 64)),
)


@given(st.lists(networks, max_size=8, unique=True), st.data())
def test_it_finds_what_a_search_through_all_networks_finds(rows: list, data: st.DataObject) -> None:  # type: ignore[type-arg]
    table = AddressTable((str(network), number) for number, network in enumerate(rows))
    inside = [network[data.draw(st.integers(0, network.num_addresses - 1))] for network in rows]
    address = data.draw(st.sampled_from([*inside, ip_address("203.0.113.1"), ip_address("2001:db8::1")]))
    holding = [(network.prefixlen, number) for number, network in enumerate(rows) if address in network]

    assert table.find(str(address)) == (max(holding)[1] if holding else None)


async def test_it_learns_of_a_new_subscriber_and_forgets_one_that_has_gone(store: Store) -> None:
    directory = Directory(store, ["main"])
    anna = await add_subscriber(store, "1001", [ANNA])
    await directory.refresh()
    boris = await add_subscriber(store, "2002", [BORIS])

    assert (directory.find("main", ANNA), directory.find("main", BORIS)) == (anna, None)
    assert await directory.refresh()
    assert directory.find("main", BORIS) == boris

    async with store.transaction() as session:
        await session.execute(delete(ServiceAddress).where(ServiceAddress.network == ANNA))
        await journal.append(session, at=NOW, actor="test", action="service.imported")
    await directory.refresh()

    assert (directory.find("main", ANNA), directory.find("main", BORIS)) == (None, boris)


async def test_what_moves_no_address_does_not_make_it_read_them_again(store: Store) -> None:
    directory = Directory(store, ["main"])
    await add_subscriber(store, "1001", [ANNA])
    await directory.refresh()
    async with store.transaction() as session:
        await journal.append(session, at=NOW, actor="test", action="payment.matched")

    assert not await directory.refresh()
