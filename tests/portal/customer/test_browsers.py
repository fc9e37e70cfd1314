"""A browser's own words, and what its owner would call it."""

import pytest

from portal.customer.browsers import browser_name

KNOWN = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0": "Firefox, Windows",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 "
    "Edg/126.0.0.0": "Edge, Windows",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
    "Mobile/15E148 Safari/604.1": "Safari, iPhone",
    "Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 "
    "Chrome/121.0.0.0 Mobile Safari/537.36": "Samsung Internet, Android",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36": (
        "Chrome, Linux"
    ),
    "Lynx/2.9": "Lynx/2.9",
    "": "",
}


@pytest.mark.parametrize(("said", "name"), KNOWN.items(), ids=lambda value: value[-20:])
def test_a_browser_is_called_as_people_call_it(said: str, name: str) -> None:
    assert browser_name(said) == name


def test_endless_words_are_cut() -> None:
    assert len(browser_name("x" * 300)) == 60
