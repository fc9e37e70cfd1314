"""What runs on a line while its state changes: a download, and datagrams back and forth."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from daemon.lab.internet import ECHO_PORT

ENDS_WITHIN_SECONDS = 10


@contextmanager
def download(opened: socket.socket, host: str) -> Iterator[socket.socket]:
    """An endless download over this connection, already flowing."""
    with opened:
        opened.sendall(f"GET /endless HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert opened.recv(1000)
        yield opened


def ends(opened: socket.socket) -> bool:
    """Reads until the connection is reset or closed; False when it still flows after a while."""
    give_up_at = time.monotonic() + ENDS_WITHIN_SECONDS
    try:
        while time.monotonic() < give_up_at:
            if not opened.recv(65536):
                return True
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return False


def echo(flow: socket.socket, server: str) -> bool:
    """Whether a datagram comes back."""
    try:
        flow.sendto(b"ping", (server, ECHO_PORT))
        return flow.recv(100) == b"ping"
    except OSError:
        return False
