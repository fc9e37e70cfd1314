"""The wanted page and the shown notice, signed."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.notice.tokens import ShownNotice, Tokens

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TOKENS = Tokens(b"k" * 43, ["notice.isp.cz", "portal.isp.cz", "10.0.0.1", ""], "main")
SHOWN = ShownNotice(notice_id=7, language="cs", text_sha256="ab" * 32)
NONCE = bytes(16)


def test_a_wanted_page_comes_back_unchanged_to_the_same_address_of_the_same_contract() -> None:
    token = TOKENS.sign_wanted("http://example.com/a?b=c&d=%20", "10.1.1.1", 5, NOW)

    assert TOKENS.wanted(token, "10.1.1.1", 5, NOW) == "http://example.com/a?b=c&d=%20"


@pytest.mark.parametrize(
    ("address", "contract_id", "minutes"),
    [("10.1.1.2", 5, 0), ("10.1.1.1", 6, 0), ("10.1.1.1", 5, 61), ("10.1.1.1", 5, -1)],
    ids=["other address", "other contract", "too late", "clock set back"],
)
def test_a_wanted_page_comes_back_to_nobody_else_and_not_later(address: str, contract_id: int, minutes: int) -> None:
    token = TOKENS.sign_wanted("http://example.com/", "10.1.1.1", 5, NOW)

    assert TOKENS.wanted(token, address, contract_id, NOW + timedelta(minutes=minutes)) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/",
        "javascript:alert(1)",
        "//example.com/",
        "http:///example.com",
        "http://user@example.com/",
        "http://example.com@evil.example/",
        "http://user:secret@example.com/",
        "http://example.com\\@evil.example/",
        "http://example.com/\r\nSet-Cookie: a=b",
        "http://example.com/\t",
        "http://example.com/\x00",
        "http://exämple.com/",
        "http://example.com/ä",
        'http://example.com/"><script>',
        "http://notice.isp.cz/acknowledge",
        "http://NOTICE.isp.cz./",
        "http://notice.isp.cz:8080/",
        "http://10.0.0.1:8080/",
        "http://portal.isp.cz/",
        "http://[::1/",
        "http://example.com:99999999/",
        "http://",
        "http://example.com/" + "a" * 1000,
        "",
    ],
)
def test_nobody_is_sent_back_to_what_is_no_plain_page_of_somebody_else(url: str) -> None:
    assert TOKENS.sign_wanted(url, "10.1.1.1", 5, NOW) == ""


@given(st.text(max_size=200))
def test_what_was_not_signed_here_leads_nowhere(token: str) -> None:
    assert TOKENS.wanted(token, "10.1.1.1", 5, NOW) is None
    assert TOKENS.shown(token, "10.1.1.1") is None


@given(st.binary(max_size=200))
def test_bytes_in_the_form_of_a_token_lead_nowhere(data: bytes) -> None:
    token = base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    assert TOKENS.wanted(token, "10.1.1.1", 5, NOW) is None
    assert TOKENS.shown(token, "10.1.1.1") is None


@given(st.data())
def test_a_token_with_any_character_changed_is_worth_nothing(data: st.DataObject) -> None:
    tokens = {
        TOKENS.sign_wanted("http://example.com/", "10.1.1.1", 5, NOW),
        TOKENS.sign_shown(SHOWN, "10.1.1.1", NONCE, NOW),
    }
    token = data.draw(st.sampled_from(sorted(tokens)))
    place = data.draw(st.integers(0, len(token) - 1))
    changed = token[:place] + data.draw(st.sampled_from("ABCxyz019-_=+/ é")) + token[place + 1 :]
    if changed in tokens:
        return

    assert TOKENS.wanted(changed, "10.1.1.1", 5, NOW) is None
    assert TOKENS.shown(changed, "10.1.1.1") is None


def test_a_token_of_one_purpose_is_none_of_the_other() -> None:
    wanted = TOKENS.sign_wanted("http://example.com/" + "a" * 60, "10.1.1.1", 0, NOW)
    shown = TOKENS.sign_shown(SHOWN, "10.1.1.1", NONCE, NOW)

    assert TOKENS.shown(wanted, "10.1.1.1") is None
    assert TOKENS.wanted(shown, "10.1.1.1", 0, NOW) is None


def test_a_shown_notice_is_known_again_with_its_moment_at_its_address_only() -> None:
    token = TOKENS.sign_shown(SHOWN, "10.1.1.1", NONCE, NOW)

    assert TOKENS.shown(token, "10.1.1.1") == (SHOWN, NOW)
    assert TOKENS.shown(token, "10.1.1.2") is None


def test_another_installations_key_signs_nothing_here() -> None:
    other = Tokens(b"x" * 43, [], "main")

    assert TOKENS.wanted(other.sign_wanted("http://example.com/", "10.1.1.1", 5, NOW), "10.1.1.1", 5, NOW) is None
    assert TOKENS.shown(other.sign_shown(SHOWN, "10.1.1.1", NONCE, NOW), "10.1.1.1") is None
