"""The demo's cables: how a subscriber's address reaches the notice server on a machine without any network.

The server knows who is asking by the source address alone, and without root nobody can send from 10.20.0.7. But any
program may send from any address of 127.0.0.0/8. So the subscriber with 10.20.0.7 calls from 127.20.0.7, and the
listening socket, as a gateway's cable would, says from where the call really came. Nothing else knows of this.

It rests on asyncio taking a connection's peer from `accept`, which its own event loop does (uvloop does not).
"""

import socket
from typing import Any

_SUBSCRIBERS = "10."
_LOOPBACK = "127."


def plug_of(address: str) -> str:
    """The loopback address from which a subscriber's programs call."""
    return _LOOPBACK + address.removeprefix(_SUBSCRIBERS)


def _behind(plug: str) -> str:
    """The subscriber's address behind a call from a loopback address; this machine itself is nobody."""
    return plug if plug.startswith("127.0.0.") else _SUBSCRIBERS + plug.removeprefix(_LOOPBACK)


class Gateway(socket.socket):
    """A listening socket on loopback that names callers by their subscriber's address."""

    def accept(self) -> tuple[socket.socket, Any]:
        connection, (host, port) = super().accept()
        return connection, (_behind(host), port)


def listening() -> Gateway:
    """A gateway on a free port of 127.0.0.1."""
    gateway = Gateway(socket.AF_INET, socket.SOCK_STREAM)
    gateway.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    gateway.bind(("127.0.0.1", 0))
    gateway.setblocking(False)
    return gateway
