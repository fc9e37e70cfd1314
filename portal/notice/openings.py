"""Waiting until lines of a site are open: one look at the database for all who wait.

Who acknowledges is answered when the line is open. When many do so at once, each of them asking the database by
itself would take the time that their acknowledgements need.
"""

import asyncio
from collections import Counter

from billing.dunning import notices
from billing.store.engine import Store
from config.clock import monotonic_seconds

LOOK_SECONDS = 0.015


class Openings:
    """One per server; looks only while somebody waits."""

    def __init__(self, store: Store, site: str) -> None:
        self._store = store
        self._site = site
        self._waiting: Counter[int] = Counter()
        self._turn = asyncio.Lock()
        self._looked_seconds = 0.0
        self._seen: dict[int, bool] = {}
        """Of those who waited when it was last looked: whether the line is open."""

    async def wait(self, contract_id: int, seconds_max: float) -> bool:
        """Whether the line is open, at once when it is, or after so long when it is not."""
        deadline = monotonic_seconds() + seconds_max
        self._waiting[contract_id] += 1
        try:
            while True:
                if await self._is_open(contract_id):
                    return True
                if monotonic_seconds() >= deadline:
                    return False
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._leave(contract_id)

    async def _is_open(self, contract_id: int) -> bool:
        async with self._turn:
            if contract_id not in self._seen or monotonic_seconds() - self._looked_seconds >= LOOK_SECONDS:
                await self._look()
            return self._seen[contract_id]

    async def _look(self) -> None:
        asked = set(self._waiting)
        async with self._store.reading() as session:
            restricted = await notices.restricted_of(session, asked, self._site)
        self._seen = {contract_id: contract_id not in restricted for contract_id in asked}
        self._looked_seconds = monotonic_seconds()

    def _leave(self, contract_id: int) -> None:
        self._waiting[contract_id] -= 1
        if not self._waiting[contract_id]:
            del self._waiting[contract_id]
