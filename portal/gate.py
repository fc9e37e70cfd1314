"""The gate in front of a zone's sockets: so many connections from one address, so many in all.

A zone is asked by anybody in the world, in the same process as the notice server, and each connection is a
descriptor. So a crowd at the portal's door may keep others from the portal, but never a subscriber from the notice.
Silent connections and half heads are ended by aiohttp's keep-alive timeout, half forms by `forms.read_form`.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import cast

from portal.client_address import limit_key, source_address
from portal.limits import ConnectionLimit
from portal.relay import Relay

CONNECTIONS_PER_SOURCE = 100
"""A browser opens six; many people may stand behind one address."""


@dataclass
class Gate:
    """Counts the connections of one application's sockets; calling it makes the protocol of one connection."""

    inner: Callable[[], asyncio.Protocol]
    proxies: Collection[str]
    """Addresses that speak for many: they are counted in the whole only."""
    total_max: int
    connections: ConnectionLimit = field(default_factory=lambda: ConnectionLimit(CONNECTIONS_PER_SOURCE))
    inside: int = 0

    def __call__(self) -> "Passage":
        return Passage(self)

    def enter(self, peer: str) -> bool:
        """Counts one more connection, unless there are too many."""
        if self.inside >= self.total_max:
            return False
        if peer not in self.proxies and not self.connections.enter(limit_key(peer)):
            return False
        self.inside += 1
        return True

    def leave(self, peer: str) -> None:
        """One connection that had entered is closed."""
        self.inside -= 1
        if peer not in self.proxies:
            self.connections.leave(limit_key(peer))


class Passage(Relay):
    """One connection: hands everything on to the server behind, if it was let in."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate
        self._peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = source_address(transport.get_extra_info("peername"))
        if peer is None or not self._gate.enter(peer):
            cast(asyncio.Transport, transport).abort()
            return
        self._peer, self._inner = peer, self._gate.inner()
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._inner is not None:
            self._gate.leave(self._peer)
            self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner is not None else None
