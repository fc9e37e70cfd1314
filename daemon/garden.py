"""The walled garden by name: banks and the portal, resolved in the background.

A name that can't be resolved keeps the addresses it had, so that paying works while DNS is down. While one was
never resolved (the program has just started, and DNS is down), nothing that stands in the garden is taken away:
an earlier run knew why it is there.
"""

import asyncio
import socket
from collections.abc import Sequence
from itertools import chain

import structlog

from enforcement.state import Address

PATIENCE_SECONDS = 10

log = structlog.get_logger()


class Garden:
    """The addresses of the garden's names, as they were last known."""

    def __init__(self, entries: Sequence[str]) -> None:
        self._fixed = frozenset(address for entry in entries if (address := _literal(entry)))
        self._names = sorted({entry for entry in entries if not _literal(entry)})
        self._known: dict[str, frozenset[Address]] = {}

    def wanted(self, seen: frozenset[Address]) -> frozenset[Address]:
        """What the garden should be, where the network has `seen` now."""
        return self._addresses() if len(self._known) == len(self._names) else self._addresses() | seen

    def _addresses(self) -> frozenset[Address]:
        return self._fixed.union(chain.from_iterable(self._known.values()))

    async def refresh(self) -> bool:
        """Resolves every name again; True when something changed."""
        before = dict(self._known)
        found = await asyncio.gather(*(_resolve(name) for name in self._names))
        self._known |= {name: addresses for name, addresses in zip(self._names, found, strict=True) if addresses}
        unknown = [name for name in self._names if name not in self._known]
        if unknown:
            log.warning("garden names unknown", names=unknown)
        return self._known != before


def _literal(entry: str) -> Address | None:
    try:
        return Address.parse(entry)
    except ValueError:
        return None


async def _resolve(name: str) -> frozenset[Address]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            infos = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return frozenset()
    return frozenset(Address.parse(str(info[4][0]).partition("%")[0]) for info in infos)
