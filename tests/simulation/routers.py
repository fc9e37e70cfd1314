"""Simulated routers: they are slow, break off in the middle, reboot and forget, and hold entries of other people."""

import asyncio
from collections.abc import Collection, Mapping
from random import Random

from config.errors import DriverError
from enforcement.state import Address, Applied, Counted, LineState, Observed, Plan
from tests.simulation.fate import Fate

BREAKS_OFF = 0.004
"""The chance of one command; a plan has many."""
SLOW_TURNS_MAX = 4


class SimulatedRouter:
    """One enforcement point, as `enforcement.driver` promises it and no better: no transactions, restores first."""

    name = "simulated"

    def __init__(self, site: str, random: Random, fate: Fate, foreign: Collection[str] = ()) -> None:
        self.site = site
        self.is_away = False
        self.lines: dict[Address, LineState] = {}
        self.commands = 0
        self.touched_foreign: list[Address] = []
        """Others' entries that a plan named: always empty, if all is well."""
        self._foreign = frozenset(Address.parse(text) for text in foreign)
        self._is_installed = False
        self._random = random
        self._fate = fate

    def reboot(self) -> None:
        """Dynamic entries are lost."""
        self.lines.clear()
        self._is_installed = self._random.random() < 0.5

    async def observe(self) -> Observed:
        await self._command()
        return Observed(dict(self.lines), is_installed=self._is_installed)

    async def look_at(self, addresses: Collection[Address]) -> dict[Address, LineState]:
        await self._command()
        return {address: self.lines.get(address, LineState.OPEN) for address in addresses}

    async def apply(self, plan: Plan) -> Applied:
        """Entry by entry; what fails leaves the rest undone."""
        if plan.installs:
            await self._command()
            self._is_installed = True
        for address, _, after in plan.changes:
            await self._command()
            if address in self._foreign:
                self.touched_foreign.append(address)
            self.set_line(address, after)
            self._fate.step()
        return Applied(changed=plan.size)

    def set_line(self, address: Address, line: LineState) -> None:
        if line is LineState.OPEN:
            self.lines.pop(address, None)
        else:
            self.lines[address] = line

    async def _command(self) -> None:
        for _ in range(self._random.randrange(SLOW_TURNS_MAX)):
            await asyncio.sleep(0)
        self._fate.step()
        self.commands += 1
        if self.is_away:
            raise DriverError(f"{self.site} does not answer.", "")
        if self._random.random() < BREAKS_OFF:
            raise DriverError(f"{self.site}: the connection broke.", "")

    async def bindings(self) -> Mapping[str, frozenset[Address]]:
        return {}

    async def count(self, addresses: Collection[Address]) -> Counted:
        return Counted()

    async def foreign_change(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        pass
