"""A driver that writes nothing: it remembers what it would have done, and shows that when it is observed.

For a first look at a real network (`driver = "dryrun"`), for the demo without root, and for tests.
"""

import asyncio
from collections import deque
from collections.abc import Collection, Mapping

from enforcement.planner import carried_out
from enforcement.state import Address, Applied, Counted, LineState, Observed, Plan

PLANS_REMEMBERED = 1000


class DryRunDriver:
    """Holds the network's state in memory; `plans` are those applied so far, the oldest first."""

    name = "dryrun"

    def __init__(self) -> None:
        self._observed = Observed({}, is_installed=False)
        self.plans: deque[Plan] = deque(maxlen=PLANS_REMEMBERED)

    async def observe(self) -> Observed:
        return self._observed

    async def look_at(self, addresses: Collection[Address]) -> dict[Address, LineState]:
        return {address: self._observed.lines.get(address, LineState.OPEN) for address in addresses}

    async def apply(self, plan: Plan) -> Applied:
        if plan.is_empty:
            return Applied()
        self._observed = carried_out(self._observed, plan)
        self.plans.append(plan)
        return Applied(changed=plan.size)

    async def bindings(self) -> Mapping[str, frozenset[Address]]:
        return {}

    async def count(self, addresses: Collection[Address]) -> Counted:
        return Counted()

    async def foreign_change(self) -> None:
        """Never returns: nobody else can touch what is only in this memory."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        pass
