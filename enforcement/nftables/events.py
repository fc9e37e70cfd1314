"""Noticing that somebody else touched our table: the kernel tells every listener about every transaction.

Our own writes are not to wake us. So we leave the group while we write, and the kernel's generation tells whether
somebody else wrote meanwhile: it grows by exactly one with each transaction. That also keeps our own load of
100,000 elements from overflowing the socket. An overflow by others (ENOBUFS) means: something was lost, look again.
"""

import errno
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyroute2.netlink import NETLINK_NETFILTER
from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_NFTABLES, NFNLGRP_NFTABLES
from pyroute2.netlink.nfnetlink.nftsocket import NFPROTO_INET

from enforcement.nftables.ruleset import TABLE

RECEIVE_BUFFER_BYTES = 4 << 20

_SOL_NETLINK, _ADD_MEMBERSHIP, _DROP_MEMBERSHIP = 270, 1, 2
_SO_RCVBUFFORCE = 33
_HEADERS = struct.Struct("=IHHIIBBHHH")
"""Netlink's header, netfilter's header, and the header of the first attribute: in all kinds, the table's name."""
_RECEIVED_BYTES_MAX = 1 << 17


class Watch:
    """Listens in the network namespace of the thread that makes it; reading never blocks."""

    def __init__(self) -> None:
        flags = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, flags, NETLINK_NETFILTER)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        self._socket.bind((0, 0))
        self._join()
        self.has_missed = False
        """Somebody else wrote while we looked away; cleared by `has_foreign_change`."""

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def has_foreign_change(self) -> bool:
        """Reads all that waits; true when somebody else touched our table, or may have."""
        found, self.has_missed = self.has_missed, False
        while True:
            try:
                data = self._socket.recv(_RECEIVED_BYTES_MAX)
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                found = True
            else:
                found = found or touches_our_table(data)

    @contextmanager
    def looking_away(self, generation: Callable[[], int]) -> Iterator[None]:
        """Around one transaction of our own: hears nothing of it, and still learns when it was not the only one."""
        before = generation()
        self._leave()
        written = 0
        try:
            yield
            written = 1
        finally:
            self._join()
            if generation() != before + written:
                self.has_missed = True

    def _join(self) -> None:
        self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, NFNLGRP_NFTABLES)

    def _leave(self) -> None:
        self._socket.setsockopt(_SOL_NETLINK, _DROP_MEMBERSHIP, NFNLGRP_NFTABLES)


def touches_our_table(data: bytes) -> bool:
    """Whether one of the netlink messages is about `table inet hradlo` or something in it."""
    name = TABLE.encode() + b"\0"
    position = 0
    while position + _HEADERS.size <= len(data):
        length, kind, *_, family, _, _, attribute_bytes, attribute = _HEADERS.unpack_from(data, position)
        start = position + _HEADERS.size
        is_ours = data[start : start + attribute_bytes - 4] == name and attribute & 0x3FFF == 1
        if kind >> 8 == NFNL_SUBSYS_NFTABLES and family == NFPROTO_INET and is_ours:
            return True
        position += max((length + 3) & ~3, 16)
    return False
