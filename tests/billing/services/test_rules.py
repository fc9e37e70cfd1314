"""What may stand in services.csv, and whose address is whose."""

from ipaddress import ip_address, ip_network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.services.rules import Claim, canonical, covering, network, overlaps, read_services
from config.errors import InputRejected

HEADER = "contract_number,customer_number,kind,product,price,starts_on,addresses\n"


def problems_of(*lines: str) -> list[str]:
    with pytest.raises(InputRejected) as refusal:
        read_services((HEADER + "\n".join(lines)).encode(), "services.csv").require_good()
    return [str(problem) for problem in refusal.value.problems]


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("12345678901,1,internet,P,1,2026-01-01,", "contract_number"),
        ("0,1,internet,P,1,2026-01-01,", "contract_number"),
        ("1,,internet,P,1,2026-01-01,", "customer_number"),
        ("1,1,tv,P,1,2026-01-01,", "kind"),
        ("1,1,,P,1,2026-01-01,", "kind"),
        ("1,1,internet,,1,2026-01-01,", "product"),
        ("1,1,internet,P,1,2,2026-01-01,", ""),
        ("1,1,internet,P,1.234,2026-01-01,", "price"),
        ("1,1,internet,P,1,1.1.2026,", "starts_on"),
        ("1,1,internet,P,1,2026-01-01,10.0.0.1;10.0.0.2", "addresses"),
    ],
)
def test_a_bad_cell_is_refused_where_it_stands(line: str, column: str) -> None:
    place = f"line 2, column {column}: " if column else "line 2: "

    assert problems_of(line)[0].startswith(place)


def test_a_service_stands_in_a_file_once() -> None:
    assert problems_of("1,1,other,P,1,2026-01-01,", "01,1,other,P,2,2026-01-01,") == [
        "line 3, column product: is the same as in line 2"
    ]


def test_a_contract_has_one_customer_in_a_file() -> None:
    assert problems_of("1,1,other,P,1,2026-01-01,", "1,2,other,Q,1,2026-01-01,") == [
        "line 3, column customer_number: contract 1 belongs to customer 1 in an earlier line"
    ]


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("10.1.2.3/32", "10.1.2.3"),
        ("10.1.2.8/29", "10.1.2.8/29"),
        ("2001:DB8:0:100:0::/56", "2001:db8:0:100::/56"),
        ("2001:0db8::0001", "2001:db8::1"),
        ("2001:db8::1/128", "2001:db8::1"),
        ("fd00::/64", "fd00::/64"),
    ],
)
def test_addresses_are_stored_in_one_way_of_writing(text: str, stored: str) -> None:
    assert canonical(network(text)) == stored


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("10.1.2.9/29", "write 10.1.2.8/29"),
        ("2001:db8::1/64", "write 2001:db8::/64"),
        ("::ffff:10.1.2.3", "write 10.1.2.3"),
        ("::ffff:10.1.2.0/120", "IPv4 address in IPv6 writing"),
        ("fe80::1%eth0", "not an address"),
        ("10.0.0.0/255.255.255.0", "not an address"),
        ("010.1.2.3", "not an address"),
        ("10.1.2", "not an address"),
        ("10.1.2.3/", "not an address"),
        ("10.1.2.3/33", "not an address"),
        ("isp.example", "not an address"),
        ("0.0.0.0/0", "too large"),
        ("10.0.0.0/8", "too large"),
        ("::/0", "too large"),
        ("127.0.0.1", "can't be a subscriber's"),
        ("224.0.0.1", "can't be a subscriber's"),
        ("fe80::1", "can't be a subscriber's"),
        ("0.0.0.0", "can't be a subscriber's"),
    ],
)
def test_what_can_not_be_a_subscribers_address_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        network(text)


prefixes = st.builds(
    lambda bits, length: ip_network((0x0A000000 | bits, length), strict=False),
    st.integers(min_value=0, max_value=255),
    st.integers(min_value=24, max_value=32),
)


@given(st.lists(prefixes, max_size=12))
def test_overlaps_are_found_exactly_when_there_are_any(networks: list) -> None:
    claims = [Claim(each, str(n), n) for n, each in enumerate(networks)]
    expected = any(one.overlaps(other) for one, other in combinations(networks, 2))
    found = list(overlaps(claims))

    assert bool(found) == expected
    assert all(one.network.overlaps(other.network) for one, other in found)


@given(st.ip_addresses())
def test_the_networks_that_cover_an_address_have_it_and_go_from_long_to_short(address) -> None:
    found = [ip_network(text) for text in covering(address)]

    assert all(address in each for each in found)
    assert [each.prefixlen for each in found] == sorted((each.prefixlen for each in found), reverse=True)
    assert next(covering(ip_address(address))) == str(address)
