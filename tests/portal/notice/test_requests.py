"""What an intercepted request is taken for, and what it is answered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.notice.requests import Kind, Request, answer, classify

OWN = frozenset({"notice.isp.cz", "10.0.0.1:8080"})
NOTICE_URL = "http://notice.isp.cz"
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "user-agent": "Mozilla/5.0 (Linux; Android 5.1)"}


def asked(method: str = "GET", target: str = "/", host: str = "example.com", **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, target, {"host": host, **named})


PROBES = [
    asked(host="connectivitycheck.gstatic.com", target="/generate_204", user_agent="Dalvik/2.1.0"),
    asked(host="clients3.google.com", target="/generate_204"),
    asked(host="www.gstatic.com", target="/generate_204"),
    asked(host="captive.apple.com", target="/hotspot-detect.html", user_agent="CaptiveNetworkSupport-407 wispr"),
    asked(host="www.apple.com", target="/library/test/success.html"),
    asked(host="www.msftconnecttest.com", target="/connecttest.txt", user_agent="Microsoft NCSI"),
    asked(host="www.msftconnecttest.com", target="/redirect"),
    asked(host="www.msftncsi.com", target="/ncsi.txt"),
    asked(host="detectportal.firefox.com", target="/canonical.html"),
    asked(host="detectportal.firefox.com", target="/success.txt?ipv4"),
    asked(host="nmcheck.gnome.org", target="/check_network_status.txt"),
    asked(host="network-test.debian.org", target="/nm"),
    asked(host="connectivity-check.ubuntu.com"),
    asked("HEAD", host="connectivity-check.ubuntu.com"),
    asked(host="captive.apple.com", target="http://captive.apple.com/hotspot-detect.html"),
    asked(host="10.9.9.9", user_agent="Mozilla/5.0 CaptiveNetworkSupport"),
]


@pytest.mark.parametrize("request_", PROBES, ids=lambda request: request.host + request.target)
def test_every_systems_probe_gets_the_redirect_and_never_its_online_answer(request_: Request) -> None:
    kind = classify(request_, OWN)
    given_ = answer(kind, request_, NOTICE_URL, lambda url: "never")

    assert (kind, given_.status, given_.location) == (Kind.PROBE, 302, f"{NOTICE_URL}/")


@pytest.mark.parametrize(
    ("request_", "kind", "status"),
    [
        (asked(**BROWSER), Kind.PAGE, 302),
        (asked("HEAD"), Kind.PAGE, 302),
        (asked(target="/article.html"), Kind.PAGE, 302),
        (asked(user_agent="curl/8.0", accept="*/*"), Kind.PAGE, 302),
        (asked(target="/picture.jpg", **BROWSER), Kind.PAGE, 302),
        (asked("POST", **BROWSER), Kind.FORM, 303),
        (asked(target="/favicon.ico", accept="image/*"), Kind.FAVICON, 404),
        (asked(target="/apple-touch-icon.png"), Kind.FAVICON, 404),
        (asked(target="/picture.jpg", accept="*/*"), Kind.PROGRAM, 503),
        (asked(target="/x", accept="image/webp,*/*"), Kind.PROGRAM, 503),
        (asked(upgrade="websocket", connection="Upgrade"), Kind.PROGRAM, 503),
        (asked(x_requested_with="XMLHttpRequest"), Kind.PROGRAM, 503),
        (asked("POST", accept="*/*"), Kind.PROGRAM, 503),
        (asked("PUT"), Kind.PROGRAM, 503),
        (asked("PROPFIND"), Kind.PROGRAM, 503),
        (asked("POST", host="ocsp.digicert.com", content_type="application/ocsp-request"), Kind.PROGRAM, 503),
        (
            asked(host="deb.debian.org", target="/InRelease", user_agent="Debian APT-HTTP"),
            Kind.PROGRAM,
            503,
        ),
        (asked("OPTIONS"), Kind.PREFLIGHT, 403),
        (asked("CONNECT", "example.com:443"), Kind.ODD, 405),
        (asked("TRACE"), Kind.ODD, 405),
    ],
)
def test_only_what_may_be_a_page_load_is_sent_to_the_notice(request_: Request, kind: Kind, status: int) -> None:
    given_ = answer(kind, request_, NOTICE_URL, lambda url: "")

    assert (classify(request_, OWN), given_.status) == (kind, status)
    assert bool(given_.location) == (status in (302, 303))
    assert (given_.retry_after_seconds > 0) == (status == 503)


@pytest.mark.parametrize("host", ["notice.isp.cz", "NOTICE.isp.cz", "notice.isp.cz:80", "10.0.0.1:8080"])
def test_our_own_host_is_known_however_it_is_written(host: str) -> None:
    assert classify(asked(host=host), OWN) is Kind.OWN


@pytest.mark.parametrize("host", ["10.0.0.1", "notice.isp.cz:8080", "notice.isp.cz.evil.example", "", "xnotice.isp.cz"])
def test_a_host_that_only_looks_like_ours_is_sent_to_ours(host: str) -> None:
    assert classify(asked(host=host), OWN) is Kind.PAGE


def test_the_wanted_page_is_what_was_asked_for() -> None:
    wanted: list[str] = []
    for request in (asked(target="/a?b=c"), asked(target="http://other.example?q")):
        answer(Kind.PAGE, request, NOTICE_URL, lambda url: wanted.append(url) or "token")

    assert wanted == ["http://example.com/a?b=c", "http://other.example/"]


@pytest.mark.parametrize("name", ["sec_purpose", "purpose", "x_moz"])
def test_a_prefetch_is_known_and_wants_no_page_back(name: str) -> None:
    request = asked(**{name: "prefetch;prerender"})

    assert request.is_prefetch
    assert answer(Kind.PAGE, request, NOTICE_URL, lambda url: "token").location == f"{NOTICE_URL}/"


@given(st.text(), st.text(), st.text(), st.dictionaries(st.text(), st.text()))
def test_whatever_arrives_is_answered_without_a_stranger_in_the_location(
    method: str, target: str, host: str, headers: dict[str, str]
) -> None:
    request = Request(method, target, {**headers, "host": host})
    kind = classify(request, OWN)
    if kind is Kind.OWN:
        return
    given_ = answer(kind, request, NOTICE_URL, lambda url: "token")

    assert given_.location in ("", f"{NOTICE_URL}/", f"{NOTICE_URL}/?w=token")
    assert b"Cache-Control: no-store" in given_.encode()
    assert given_.status not in (200, 204, 500, 511)
