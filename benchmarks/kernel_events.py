"""When addresses leave the sets, by the word of the kernel: what `nft monitor` shows, with the time of its arrival."""

import socket
import struct
import threading
from types import TracebackType
from typing import Self

from pyroute2 import netns
from pyroute2.netlink import NETLINK_NETFILTER
from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_NFTABLES, NFNLGRP_NFTABLES
from pyroute2.netlink.nfnetlink.nftsocket import NFT_MSG_DELSETELEM

from config.clock import monotonic_seconds
from enforcement.nftables.elements import unpack

PATIENCE_SECONDS = 20.0
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_SO_RCVBUFFORCE = 33
_LEFT = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELSETELEM
_ELEMENTS = 3
_BODY_AT = 20  # behind the headers of netlink and of netfilter
_LOOK_SECONDS = 0.5


class Departures:
    """Listens in a namespace, in a thread of its own, while the block lasts."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._left: dict[bytes, float] = {}
        self._news = threading.Condition()
        self._listens, self._stops = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._listens.wait(PATIENCE_SECONDS):
            raise RuntimeError("the kernel's events can't be heard")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stops.set()
        self._thread.join()

    def wait_for(self, packed: bytes) -> float:
        """The moment (of the monotonic clock) at which this IPv4 address left its set."""
        with self._news:
            if not self._news.wait_for(lambda: packed in self._left, PATIENCE_SECONDS):
                raise RuntimeError(f"{socket.inet_ntoa(packed)} never left its set")
            return self._left[packed]

    def _listen(self) -> None:
        netns.setns(self._namespace)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER) as events:
            events.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 4 << 20)
            events.bind((0, 0))
            events.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, NFNLGRP_NFTABLES)
            events.settimeout(_LOOK_SECONDS)
            self._listens.set()
            while not self._stops.is_set():
                try:
                    data = events.recv(1 << 17)
                except TimeoutError:
                    continue
                self._note(data, monotonic_seconds())

    def _note(self, data: bytes, at_seconds: float) -> None:
        with self._news:
            position = 0
            while position + _BODY_AT <= len(data):
                length, kind = struct.unpack_from("=IH", data, position)
                if kind == _LEFT:
                    self._left |= dict.fromkeys(_keys(data[position + _BODY_AT : position + length]), at_seconds)
                position += max((length + 3) & ~3, 16)
            self._news.notify_all()


def _keys(body: bytes) -> list[bytes]:
    position, found = 0, []
    while position + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, position)
        if kind & 0x3FFF == _ELEMENTS:
            found += unpack(body[position + 4 : position + length], 4)
        position += max((length + 3) & ~3, 4)
    return found
