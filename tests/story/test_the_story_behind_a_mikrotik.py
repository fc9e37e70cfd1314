"""The main job through a MikroTik router: a real browser, real packets, the real daemon, the router simulated.

The router is as an ISP has it: FastTrack, "established accept", masquerade, an admin's own rules and lists. The tests
of this file are the steps of one story and run in their order.
"""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Error, Page, expect

from daemon.lab import topology as net
from daemon.lab.isp import CONTRACT, INVOICE
from portal.captive_api import API_PATH
from tests.namespaces import connect, datagrams, missing_for_namespaces
from tests.story.behind_a_router import MENUS, OWN_V4, RouterIsp, Row
from tests.story.conftest import require, screenshot
from tests.story.flows import download, echo, ends

pytestmark = [pytest.mark.root, pytest.mark.browser]

REFUSED_MS = 1000


@pytest.fixture(scope="module")
def isp() -> Iterator[RouterIsp]:
    """The ISP as it was left by the tests before."""
    require(missing_for_namespaces())
    with RouterIsp() as lab:
        yield lab


@pytest.fixture(scope="module")
def before(isp: RouterIsp) -> dict[str, list[Row]]:
    """What stood on the router before Hradlo came."""
    return isp.foreign()


def test_a_dry_run_of_the_setup_writes_nothing(isp: RouterIsp, before: dict[str, list[Row]]) -> None:
    planned = isp.hradlo("mikrotik", "setup", "main", "--dry-run").stdout

    assert "jump" in planned
    assert not any(isp.own_rows(menu) for menu in MENUS)


def test_the_setup_puts_the_rules_above_those_that_let_connections_pass(isp: RouterIsp) -> None:
    isp.hradlo("mikrotik", "setup", "main")

    forward = [
        row for row in isp.rows("/ip/firewall/filter") if row["chain"] == "forward" and row["dynamic"] == "false"
    ]
    assert [row.get("comment", "").startswith("hradlo:") for row in forward[:3]] == [True, True, False]
    isp.start()


def test_before_the_notice_every_page_loads(isp: RouterIsp, page: Page, news: str) -> None:
    page.goto(f"http://{news}/morning")

    expect(page.locator("#where")).to_have_text(f"http://{news}/morning")


def test_in_notice_a_plain_page_shows_the_notice_with_what_is_owed(isp: RouterIsp, page: Page, news: str) -> None:
    isp.move_clock_to_day(14)
    isp.wait_for_line("notice")

    page.goto(f"http://{news}/weather")

    screenshot(page, "mikrotik-notice")
    body = page.locator("body")
    expect(body).to_contain_text(INVOICE)
    expect(body).to_contain_text("599,00\xa0Kč")
    expect(body).to_contain_text(CONTRACT)


def test_in_notice_an_encrypted_page_works_as_ever(isp: RouterIsp, page: Page, news: str) -> None:
    page.goto(f"https://{news}/mail")

    expect(page.locator("#where")).to_have_text(f"https://{news}/mail")


def test_the_neighbour_sees_nothing_of_it(isp: RouterIsp) -> None:
    seen = isp.topology.subscriber.run("curl", "-s", "--interface", net.NEIGHBOUR_V4, f"http://{net.SERVER_V4}/")

    assert "The internet" in seen.stdout


def test_a_router_that_rebooted_forgets_the_notice_and_is_told_again(isp: RouterIsp) -> None:
    isp.reboot_router()

    isp.wait_for("the notice", lambda: isp.listed("hradlo-notice") != [])


def test_who_has_read_it_is_back_on_the_wanted_page_and_the_line_is_open(isp: RouterIsp, page: Page, news: str) -> None:
    page.goto(f"http://{news}/weather")

    page.get_by_role("button").click()

    expect(page.locator("#where")).to_have_text(f"http://{news}/weather")
    assert isp.contract()["line"] == "open"
    assert isp.listed("hradlo-notice") == []


def test_when_the_grace_is_over_running_flows_end_though_they_are_fasttracked(isp: RouterIsp) -> None:
    flow = datagrams(isp.topology.subscriber, net.SUBSCRIBER_V4)
    downloading = connect(isp.topology.subscriber, net.SUBSCRIBER_V4, net.SERVER_V4, 80)
    with download(downloading, "news4.example") as running, flow:
        assert echo(flow, net.SERVER_V4)
        assert echo(flow, net.SERVER_V4)
        fast = [row for row in isp.rows("/ip/firewall/connection") if row["fasttrack"] == "true"]
        assert {row["src-address"].partition(":")[0] for row in fast} >= {net.SUBSCRIBER_V4}
        isp.move_clock_to_day(24, hour_utc=12)
        isp.wait_for_line("suspended")

        assert ends(running)
        assert not echo(flow, net.SERVER_V4)


def test_a_suspended_line_refuses_an_encrypted_page_at_once(isp: RouterIsp, page: Page, news: str) -> None:
    with pytest.raises(Error, match=r"ERR_CONNECTION_(RESET|REFUSED)"):
        page.goto(f"https://{news}/mail", timeout=REFUSED_MS)


def test_a_suspended_line_is_refused_on_ipv6_too(isp: RouterIsp) -> None:
    with pytest.raises(ConnectionRefusedError):
        connect(isp.topology.subscriber, net.SUBSCRIBER_V6, net.SERVER_V6, 443)


def test_a_suspended_line_shows_why_on_a_plain_page(isp: RouterIsp, page: Page, news: str) -> None:
    page.goto(f"http://{news}/weather")

    screenshot(page, "mikrotik-suspended")
    expect(page.locator("body")).to_contain_text("599,00\xa0Kč")


def test_the_portal_and_the_bank_stay_reachable(isp: RouterIsp, page: Page, bank: str) -> None:
    page.goto(f"https://{bank}/pay")
    expect(page.locator("#where")).to_have_text(f"https://{bank}/pay")

    answer = isp.topology.subscriber.run("curl", "-sk", f"https://{OWN_V4}:8443{API_PATH}")
    assert json.loads(answer.stdout)["captive"] is True


def test_a_router_that_rebooted_keeps_the_suspension(isp: RouterIsp) -> None:
    isp.reboot_router()

    assert net.SUBSCRIBER_V4 in isp.listed("hradlo-suspended")
    with pytest.raises(ConnectionRefusedError):
        connect(isp.topology.subscriber, net.SUBSCRIBER_V4, net.SERVER_V4, 443)


def test_a_payment_from_the_bank_file_opens_the_line_again(isp: RouterIsp, page: Page, news: str) -> None:
    isp.hradlo("payments", "import", str(isp.pay()))
    isp.wait_for_line("open")

    page.goto(f"https://{news}/mail")

    expect(page.locator("#where")).to_have_text(f"https://{news}/mail")
    assert isp.listed("hradlo-suspended") == []
    assert [mail["kind"] for mail in isp.contract()["mails"]][-2:] == ["suspended", "restored"]


def test_what_is_not_hradlos_is_as_it_was_and_hradlo_takes_its_own_away(
    isp: RouterIsp, before: dict[str, list[Row]]
) -> None:
    isp.kill()
    isp.hradlo("mikrotik", "remove", "main")

    assert not any(isp.own_rows(menu) for menu in MENUS)
    assert isp.foreign() == before


def test_the_ledger_and_the_journal_verify_at_the_end(isp: RouterIsp) -> None:
    assert "no problems" in isp.hradlo("audit", "verify").stdout
