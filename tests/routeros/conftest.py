"""A router of factory settings, and somebody who talks to it; a module that needs another router makes its own."""

from collections.abc import AsyncIterator

import pytest

from tests.routeros.simulator import Simulator, running
from tests.routeros.talker import Talker, talking


@pytest.fixture
async def router() -> AsyncIterator[Simulator]:
    async with running(Simulator()) as running_router:
        yield running_router


@pytest.fixture
async def talker(router: Simulator) -> AsyncIterator[Talker]:
    async with talking(router) as opened:
        yield opened
