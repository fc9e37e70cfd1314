"""Who is asking."""

import pytest

from portal.client_address import address_behind, limit_key, source_address, speaks_for_others, user_agent_of


@pytest.mark.parametrize(
    ("peername", "address"),
    [
        (("10.1.2.3", 40000), "10.1.2.3"),
        (("::ffff:10.1.2.3", 40000, 0, 0), "10.1.2.3"),
        (("::ffff:a01:203", 40000, 0, 0), "10.1.2.3"),
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


@pytest.mark.parametrize(
    ("named", "address"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("10.0.0.1, 203.0.113.5", "203.0.113.5"),
        ("203.0.113.5:8080", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_a_proxy_of_ours_says_who_is_asking_however_it_writes_an_address(named: str, address: str) -> None:
    assert address_behind("127.0.0.1", [named], {"127.0.0.1"}) == address
    assert limit_key(address)


def test_what_a_browser_calls_itself_is_kept_on_one_line_and_as_text() -> None:
    assert (
        user_agent_of({"User-Agent": "Moz\udcff\x1b[2Jilla\r\n/5.0 \N{RIGHT-TO-LEFT OVERRIDE}"}) == "Moz [2Jilla /5.0"
    )
    assert user_agent_of({}) == ""


@pytest.mark.parametrize("name", ["X-Forwarded-For", "forwarded", "X-REAL-IP", "Client-IP", "Via", "CF-Connecting-IP"])
def test_a_header_that_names_another_client_is_noticed_however_it_is_written(name: str) -> None:
    assert speaks_for_others(["Host", name])


def test_a_browsers_ordinary_headers_speak_for_nobody_else() -> None:
    assert not speaks_for_others(["Host", "User-Agent", "Accept", "Origin", "Referer", "Cookie", "DNT"])
