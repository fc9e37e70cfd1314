"""Who an address belongs to, from memory: for the redirect, which must not wait for a database.

It is a copy of `services.operations.networks` that is at most some seconds old. That is good enough to sign the
wanted page with; every page with data, and every acknowledgement, asks the database itself.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_network

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from structlog import get_logger

from billing.services import operations as services
from billing.store import journal
from billing.store.engine import Store
from billing.store.tables import JournalEntry
from config.clock import monotonic_seconds
from portal.client_address import packed

POLL_SECONDS = 2.0
POLL_SECONDS_UNKNOWN = 1.0
"""After somebody unknown asked: they may have been entered a moment ago."""
REBUILD_SECONDS = 60.0
"""After any change at all, at the latest; after a change of services, with the next poll."""

log = get_logger(__name__)


class AddressTable:
    """Networks and their contracts: exact dictionaries, one for each prefix length."""

    def __init__(self, networks: Iterable[tuple[str, int]] = ()) -> None:
        by_length: dict[tuple[int, int], dict[int, int]] = {}
        for text, contract_id in networks:
            network = ip_network(text)
            bits = network.max_prefixlen
            rows = by_length.setdefault((bits, network.prefixlen), {})
            rows[int(network.network_address) >> (bits - network.prefixlen)] = contract_id
        self._rows: dict[int, list[tuple[int, dict[int, int]]]] = {
            bits: [
                (bits - length, by_length[found, length])
                for found, length in sorted(by_length, reverse=True)
                if found == bits
            ]
            for bits in (32, 128)
        }

    def find(self, address: str) -> int | None:
        """The contract of the longest network that holds the address."""
        data = packed(address)
        number = int.from_bytes(data)
        for shift, rows in self._rows[len(data) * 8]:
            contract_id = rows.get(number >> shift)
            if contract_id is not None:
                return contract_id
        return None


class Directory:
    """A table for each site, kept fresh: rebuilt, in a thread, when the journal says that services have changed."""

    def __init__(self, store: Store, sites: Iterable[str]) -> None:
        self._store = store
        self._tables = {site: AddressTable() for site in sites}
        self._head = -1
        self._rebuilt_seconds = 0.0
        self._unknown = asyncio.Event()
        self._stopped = asyncio.Event()

    def find(self, site: str, address: str) -> int | None:
        """The contract of a site's address. One that is unknown makes the next look at the database come sooner."""
        contract_id = self._tables[site].find(address)
        if contract_id is None:
            self._unknown.set()
        return contract_id

    async def refresh(self) -> bool:
        """Reads the networks again if they may have changed since the last time; says whether it did."""
        async with self._store.reading() as session:
            head = await journal.head(session)
            if not await self._is_stale(session, head):
                return False
            networks = {site: await services.networks(session, site) for site in self._tables}
        for site, of_site in networks.items():
            self._tables[site] = await asyncio.to_thread(AddressTable, of_site)
        self._head, self._rebuilt_seconds = head, monotonic_seconds()
        return True

    async def _is_stale(self, session: AsyncSession, head: int) -> bool:
        """Acknowledgements and payments move the head all day and move no address."""
        if head == self._head:
            return False
        if head < self._head or self._head < 0 or monotonic_seconds() - self._rebuilt_seconds > REBUILD_SECONDS:
            return True
        entries = JournalEntry.__table__.c
        changed = select(entries.id).where(entries.id > self._head, entries.action.startswith("service."))
        return await session.scalar(changed.limit(1)) is not None

    async def keep_fresh(self) -> None:
        """Runs until `stop`. A database that can't be read leaves the last copy in place."""
        while not self._stopped.is_set():
            try:
                await self.refresh()
            except (SQLAlchemyError, OSError) as error:
                log.warning("directory.stale", error=str(error))
            self._unknown.clear()
            await _first_of(self._stopped, POLL_SECONDS_UNKNOWN)
            if not self._stopped.is_set():
                await _first_of(self._unknown, POLL_SECONDS - POLL_SECONDS_UNKNOWN)

    def stop(self) -> None:
        self._stopped.set()
        self._unknown.set()


async def _first_of(event: asyncio.Event, seconds: float) -> None:
    """Waits for an event or for so long, whichever comes first."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
