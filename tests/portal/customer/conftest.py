"""The portal of `house.py`, and browsers that are logged in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from billing.store.engine import Store
from tests.portal.customer.house import PETR, Browser, House, house


@pytest.fixture
async def portal(store: Store, tmp_path: Path) -> AsyncIterator[House]:
    async with house(store, tmp_path) as running:
        yield running


@pytest.fixture
async def jana(portal: House) -> Browser:
    browser = portal.browser()
    assert (await browser.log_in()).status == 303
    return browser


@pytest.fixture
async def petr(portal: House) -> Browser:
    browser = portal.browser()
    assert (await browser.log_in(PETR)).status == 303
    return browser
