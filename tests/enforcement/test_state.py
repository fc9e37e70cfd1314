"""Addresses as text: what is read, what is written again, and what is refused."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis.strategies import ip_addresses

from enforcement.state import Address


@given(ip_addresses())
def test_a_single_address_is_read_and_written_as_python_knows_it(known: IPv4Address | IPv6Address) -> None:
    address = Address.parse(str(known))

    assert address == Address(known.packed, known.max_prefixlen)
    assert str(address) == str(known)


@pytest.mark.parametrize("text", ["10.0.0.8/29", "2001:db8:0:100::/56", "0.0.0.0/0"])
def test_a_network_keeps_its_length(text: str) -> None:
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "10.0.0", "10.0.0.256", "10.0.0.01", " 10.0.0.1", "10.0.0.1\n", "0x0a.0.0.1", "10.0.0.1/29", "isp.cz"]
)
def test_what_is_no_address_or_has_host_bits_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Address.parse(text)
