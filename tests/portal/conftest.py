"""A gateway with two subscribers in notice: Anna and Boris, each at an address of loopback."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from billing.store.engine import Store
from tests.portal.subscribers import ANNA, BORIS, Gateway, add_subscriber, gateway


@pytest.fixture
async def web(store: Store, tmp_path: Path) -> AsyncIterator[Gateway]:
    await add_subscriber(store, "1001", [ANNA], invoices={"20261001": "599.00", "20261002": "1006.00"})
    await add_subscriber(store, "2002", [BORIS], invoices={"20269999": "777.00"})
    async with gateway(store, tmp_path) as running:
        yield running
