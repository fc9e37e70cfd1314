"""Who is asking."""

import pytest

from portal.client_address import limit_key, source_address, speaks_for_others


@pytest.mark.parametrize(
    ("peername", "address"),
    [
        (("10.1.2.3", 40000), "10.1.2.3"),
        (("::ffff:10.1.2.3", 40000, 0, 0), "10.1.2.3"),
        (("2001:db8::1", 40000, 0, 0), "2001:db8::1"),
        (("fe80::1%eth0", 40000, 0, 2), "fe80::1"),
        (None, None),
        ("/run/socket", None),
    ],
)
def test_the_socket_says_who_is_asking(peername: object, address: str | None) -> None:
    assert source_address(peername) == address


def test_all_addresses_of_one_ipv6_subscriber_are_one_source() -> None:
    assert limit_key("2001:db8:0:1::1") == limit_key("2001:db8:0:1:ffff::2")
    assert limit_key("2001:db8:0:1::1") != limit_key("2001:db8:0:2::1")


@pytest.mark.parametrize("name", ["X-Forwarded-For", "forwarded", "X-REAL-IP", "Client-IP", "Via", "CF-Connecting-IP"])
def test_a_header_that_names_another_client_is_noticed_however_it_is_written(name: str) -> None:
    assert speaks_for_others(["Host", name])


def test_a_browsers_ordinary_headers_speak_for_nobody_else() -> None:
    assert not speaks_for_others(["Host", "User-Agent", "Accept", "Origin", "Referer", "Cookie", "DNT"])
