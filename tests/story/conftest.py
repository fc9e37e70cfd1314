"""A lab ISP with a real Chromium behind the subscriber's cable."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from daemon.lab.isp import LabIsp
from tests.namespaces import missing_for_namespaces

CHROMIUM = "/usr/bin/chromium"
NAMES = (
    "MAP news4.example 203.0.113.80, MAP bank4.example 203.0.113.90, "
    "MAP news6.example [2001:db8:200::80], MAP bank6.example [2001:db8:200::90]"
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules={NAMES}",
]


def require(missing: str) -> None:
    """Skips with a reason; where everything must run, fails."""
    if missing and os.environ.get("HRADLO_TEST_REQUIRE_ALL") == "1":
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)


@pytest.fixture(scope="module", params=[4, 6], ids=["IPv4", "IPv6"])
def isp(request: pytest.FixtureRequest) -> Iterator[LabIsp]:
    """The ISP as it was left by the tests before: the story goes on from test to test of a module."""
    require(missing_for_namespaces())
    with LabIsp(request.param) as lab:
        lab.start()
        yield lab


@pytest.fixture(scope="module")
def browser(isp: LabIsp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium, running in the subscriber's namespace."""
    require("" if shutil.which(CHROMIUM) else "needs Chromium: apt install chromium")
    inside = tmp_path_factory.mktemp("browser") / "chromium"
    inside.write_text(f'#!/bin/sh\nexec ip netns exec {isp.topology.subscriber.name} {CHROMIUM} "$@"\n')
    inside.chmod(0o755)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(inside), args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new page with nothing in its cache; the lab's certificates are its own, so they are not checked."""
    context = browser.new_context(ignore_https_errors=True, locale="cs-CZ", viewport={"width": 390, "height": 844})
    yield context.new_page()
    context.close()


@pytest.fixture
def news(isp: LabIsp) -> str:
    """A web site on the lab's internet."""
    return f"news{isp.version}.example"


@pytest.fixture
def bank(isp: LabIsp) -> str:
    """A web site in the walled garden."""
    return f"bank{isp.version}.example"


def screenshot(page: Page, name: str) -> None:
    """Kept when somebody wants to look: HRADLO_TEST_SCREENSHOTS names the folder."""
    folder = os.environ.get("HRADLO_TEST_SCREENSHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)
