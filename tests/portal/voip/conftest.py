"""The zone of `street.py`, and handsets that are logged in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from billing.store.engine import Store
from tests.portal.voip.street import PETRS_PASSWORD, Handset, Street, street


@pytest.fixture
async def voip(store: Store, tmp_path: Path) -> AsyncIterator[Street]:
    async with street(store, tmp_path) as running:
        yield running


@pytest.fixture
async def jana(voip: Street) -> Handset:
    return await voip.browser().enter()


@pytest.fixture
async def petr(voip: Street) -> Handset:
    return await voip.browser().enter(password=PETRS_PASSWORD)
