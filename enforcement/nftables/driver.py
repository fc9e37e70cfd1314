"""The nftables driver: the contract of `enforcement.driver` on this machine's kernel.

All that talks to the kernel blocks, and runs in one thread of the driver's own, one thing after another: a dump of
100,000 elements in the event loop would stop every answer meanwhile.
"""

import asyncio
import errno
import subprocess
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

from pyroute2 import netns as namespaces
from pyroute2.netlink.exceptions import NetlinkError

from config.errors import DriverError, MissingRights
from config.settings import Settings
from enforcement.nftables import usage
from enforcement.nftables.flows import end_flows
from enforcement.nftables.ruleset import NftSettings
from enforcement.nftables.table import Table, find_nft
from enforcement.state import Address, Applied, Counted, LineState, Observed, Plan

Answer = TypeVar("Answer")

_REFUSED = (errno.EPERM, errno.EACCES)
_RIGHTS = "The right CAP_NET_ADMIN is missing: without it nobody may read or write the firewall."
_RIGHTS_REMEDY = "Run it as root, or under systemd by hradlo.service, which grants it (AmbientCapabilities)."


class NftablesDriver:
    """Enforces on the gateway that it runs on, or in one of its network namespaces (the lab)."""

    name = "nftables"

    def __init__(self, settings: NftSettings, netns: str | None = None) -> None:
        self._settings = settings
        self._worker = ThreadPoolExecutor(1, "nftables", initializer=_enter, initargs=(netns,))
        self._open_table: Table | None = None
        self._stir = asyncio.Event()
        """There may be something new in the table's watch."""

    @classmethod
    async def open(cls, settings: Settings, netns: str | None = None) -> Self:
        """A driver for these settings; raises `MissingRights` when this process may not use nftables at all."""
        find_nft()
        driver = cls(NftSettings.from_settings(settings), netns)
        try:
            await driver._in_worker(driver._table)
        except DriverError:
            await driver.close()
            raise
        return driver

    async def observe(self) -> Observed:
        return await self._in_worker(lambda: self._table().observe())

    async def look_at(self, addresses: Collection[Address]) -> dict[Address, LineState]:
        return await self._in_worker(lambda: self._table().look_at(addresses))

    async def apply(self, plan: Plan) -> Applied:
        if plan.is_empty:
            return Applied()
        applied = await self._in_worker(lambda: self._apply(plan))
        self._stir.set()  # somebody else may have written just then
        return applied

    async def bindings(self) -> Mapping[str, frozenset[Address]]:
        return {}

    async def count(self, addresses: Collection[Address]) -> Counted:
        return await self._in_worker(lambda: usage.count(self._table().conversation, addresses))

    async def foreign_change(self) -> None:
        watch = (await self._in_worker(self._table)).watch
        while not watch.has_foreign_change():
            await self._stirred(watch.fileno())

    async def close(self) -> None:
        """Lets go of the sockets; rules and elements stay."""
        await self._in_worker(self._close_table)
        self._worker.shutdown(wait=True)

    async def _stirred(self, descriptor: int) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, self._stir.set)
        try:
            await self._stir.wait()
        finally:
            loop.remove_reader(descriptor)
            self._stir.clear()

    def _apply(self, plan: Plan) -> Applied:
        table = self._table()
        notes = table.apply(plan)
        ended, flow_notes = end_flows(plan, table.garden, self._settings)
        return Applied(plan.size, ended, notes + flow_notes)

    def _table(self) -> Table:
        if self._open_table is None:
            self._open_table = Table(self._settings)
        return self._open_table

    def _close_table(self) -> None:
        if self._open_table is not None:
            self._open_table.close()
            self._open_table = None

    async def _in_worker(self, work: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._translated, work)

    def _translated(self, work: Callable[[], Answer]) -> Answer:
        """The work's answer, or an error of ours; after one of the kernel's, the sockets are opened anew."""
        try:
            return work()
        except (NetlinkError, OSError, subprocess.SubprocessError) as error:
            if self._open_table is not None:
                self._open_table.forget()
            code = error.code if isinstance(error, NetlinkError) else getattr(error, "errno", None)
            if code in _REFUSED:
                raise MissingRights(_RIGHTS, _RIGHTS_REMEDY) from error
            raise DriverError(f"The kernel refused a request to nftables: {error}.", _remedy(code)) from error


def _remedy(code: int | None) -> str:
    if code == errno.ENFILE:
        return "A set is full."
    if code in (errno.EPROTONOSUPPORT, errno.EOPNOTSUPP):
        return "Load the module: modprobe nf_tables"
    return ""


def _enter(netns: str | None) -> None:
    """Namespaces belong to threads: only the worker goes there."""
    if netns is not None:
        namespaces.setns(netns)
