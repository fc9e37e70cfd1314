"""The main job, told once over IPv4 and once over IPv6: a real browser, real nftables, the real daemon.

The tests of this file are the steps of one story and run in their order.
"""

import json

import pytest
from playwright.sync_api import Error, Page, expect

from daemon.lab import topology as net
from daemon.lab.isp import CONTRACT, CUSTOMER, INVOICE, PASSWORD, LabIsp
from portal.captive_api import API_PATH
from tests.namespaces import connect, datagrams
from tests.story.conftest import screenshot
from tests.story.flows import download, echo, ends

pytestmark = [pytest.mark.root, pytest.mark.browser]

CAPTIVE_API_PORT, PORTAL_PORT = 8443, 8444
REFUSED_MS = 1000
"""A suspended line must refuse, not swallow: a browser that waits shows a spinner for minutes."""


def addresses(isp: LabIsp) -> tuple[str, str]:
    """The subscriber's and the server's."""
    return (net.SUBSCRIBER_V4, net.SERVER_V4) if isp.version == 4 else (net.SUBSCRIBER_V6, net.SERVER_V6)


def own(isp: LabIsp, port: int) -> str:
    """A page of the gateway's own."""
    host = net.GATEWAY_LAN_V4 if isp.version == 4 else f"[{net.GATEWAY_LAN_V6}]"
    return f"https://{host}:{port}"


def test_before_the_notice_every_page_loads(isp: LabIsp, page: Page, news: str) -> None:
    page.goto(f"http://{news}/morning")

    expect(page.locator("#where")).to_have_text(f"http://{news}/morning")


def test_a_reminder_is_written_three_days_after_the_due_date(isp: LabIsp) -> None:
    isp.move_clock_to_day(3)

    isp.wait_for("the reminder", lambda: [mail["kind"] for mail in isp.contract()["mails"]] == ["reminder"])


def test_in_notice_a_plain_page_shows_the_notice_with_what_is_owed(isp: LabIsp, page: Page, news: str) -> None:
    isp.move_clock_to_day(14)
    isp.wait_for_line("notice")

    page.goto(f"http://{news}/weather")

    screenshot(page, f"notice-{isp.version}")
    body = page.locator("body")
    expect(body).to_contain_text(INVOICE)
    expect(body).to_contain_text("599,00\xa0Kč")
    expect(body).to_contain_text(CONTRACT)


def test_in_notice_an_encrypted_page_works_as_ever(isp: LabIsp, page: Page, news: str) -> None:
    page.goto(f"https://{news}/mail")

    expect(page.locator("#where")).to_have_text(f"https://{news}/mail")


def test_the_neighbour_sees_nothing_of_it(isp: LabIsp) -> None:
    neighbour = net.NEIGHBOUR_V4 if isp.version == 4 else net.NEIGHBOUR_V6
    server = net.SERVER_V4 if isp.version == 4 else f"[{net.SERVER_V6}]"

    seen = isp.topology.subscriber.run("curl", "-s", "--interface", neighbour, f"http://{server}/")

    assert "The internet" in seen.stdout


def test_who_has_read_it_is_back_on_the_wanted_page_and_the_line_is_open(isp: LabIsp, page: Page, news: str) -> None:
    page.goto(f"http://{news}/weather")

    page.get_by_role("button").click()

    expect(page.locator("#where")).to_have_text(f"http://{news}/weather")
    assert isp.contract()["line"] == "open"


def test_when_the_grace_is_over_running_flows_end(isp: LabIsp) -> None:
    source, server = addresses(isp)
    flow = datagrams(isp.topology.subscriber, source)
    downloading = connect(isp.topology.subscriber, source, server, 80)
    with download(downloading, f"news{isp.version}.example") as running, flow:
        assert echo(flow, server)
        isp.move_clock_to_day(24, hour_utc=12)
        isp.wait_for_line("suspended")

        assert ends(running)
        assert not echo(flow, server)


def test_a_suspended_line_refuses_an_encrypted_page_at_once(isp: LabIsp, page: Page, news: str) -> None:
    with pytest.raises(Error, match=r"ERR_CONNECTION_(RESET|REFUSED)"):
        page.goto(f"https://{news}/mail", timeout=REFUSED_MS)


def test_a_suspended_line_shows_why_on_a_plain_page(isp: LabIsp, page: Page, news: str) -> None:
    page.goto(f"http://{news}/weather")

    screenshot(page, f"suspended-{isp.version}")
    expect(page.locator("body")).to_contain_text("599,00\xa0Kč")


def test_the_suspended_page_leads_to_the_portal_where_one_logs_in_and_sees_how_to_pay(
    isp: LabIsp, page: Page, news: str
) -> None:
    page.goto(f"http://{news}/weather")

    page.get_by_role("link", name=own(isp, PORTAL_PORT)).click()
    page.fill("#number", CUSTOMER)
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.wait_for_url(f"{own(isp, PORTAL_PORT)}/")

    screenshot(page, f"portal-when-suspended-{isp.version}")
    expect(page.locator("main")).to_contain_text("599,00\xa0Kč")
    code = page.get_by_role("img", name="QR")
    assert code.evaluate("picture => picture.complete && picture.naturalWidth > 0")


def test_the_captive_portal_api_and_the_bank_stay_reachable(isp: LabIsp, page: Page, bank: str) -> None:
    page.goto(f"https://{bank}/pay")
    expect(page.locator("#where")).to_have_text(f"https://{bank}/pay")

    answer = isp.topology.subscriber.run("curl", "-sk", f"{own(isp, CAPTIVE_API_PORT)}{API_PATH}")
    assert json.loads(answer.stdout)["captive"] is True


def test_a_payment_from_the_bank_file_opens_the_line_again(isp: LabIsp, page: Page, news: str) -> None:
    isp.hradlo("payments", "import", str(isp.pay()))
    isp.wait_for_line("open")

    page.goto(f"https://{news}/mail")

    expect(page.locator("#where")).to_have_text(f"https://{news}/mail")
    assert [mail["kind"] for mail in isp.contract()["mails"]][-2:] == ["suspended", "restored"]


def test_the_ledger_and_the_journal_verify_at_the_end(isp: LabIsp) -> None:
    assert "no problems" in isp.hradlo("audit", "verify").stdout
