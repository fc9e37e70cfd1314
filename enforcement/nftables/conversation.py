"""Talking to nf_tables over netlink by pyroute2: one socket, whole transactions, raw attributes.

Attributes go in and come out as bytes by their kernel number (``A1`` is the first), see `nf_tables.h`.
Belongs to one thread: pyroute2's synchronous sockets keep an event loop of their own there.
"""

import asyncio
import errno
import socket
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pyroute2.netlink import NETLINK_NETFILTER, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REQUEST
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_NFTABLES, nfgen_msg
from pyroute2.netlink.nfnetlink.nftsocket import NFPROTO_INET, NFT_MSG_GETGEN
from pyroute2.netlink.nlsocket import NetlinkSocket

SEND_BUFFER_BYTES = 32 << 20
"""Holds a transaction of some 400,000 elements; the kernel's default refuses 130,000."""

_SO_SNDBUFFORCE = 32
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_MESSAGES = range(64)

Attributes = Mapping[int, bytes]
Request = tuple[int, Attributes]
"""The number of a message of nf_tables, and its attributes."""


class _Raw(nfgen_msg):  # type: ignore[misc]
    """Any message of nf_tables, with its attributes left as bytes."""

    prefix = "A"
    nla_map = tuple((f"A{number}", "cdata") for number in range(40))


class Conversation:
    """A socket to nf_tables in the network namespace of the thread that opens it."""

    def __init__(self) -> None:
        self._socket = NetlinkSocket(family=NETLINK_NETFILTER, use_event_loop=asyncio.SelectorEventLoop())
        try:
            raw = self._socket.asyncore.socket
            raw.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, SEND_BUFFER_BYTES)
        except OSError:
            self._socket.close()  # an event loop that nobody closed complains when the program ends
            raise
        self._socket.register_policy({_type(number): _Raw for number in _MESSAGES})

    def close(self) -> None:
        self._socket.close()

    def generation(self) -> int:
        """Grows by one with every transaction of anybody in this namespace."""
        (answer,) = self._socket.nlm_request(_message(0, {}, family=0), _type(NFT_MSG_GETGEN), NLM_F_REQUEST)
        value: bytes = answer.get_attr("A1")
        return int.from_bytes(value, "big")

    def dump(self, number: int, attributes: Attributes) -> Iterator[dict[int, bytes]]:
        """All that the kernel has of one kind; nothing when what it is asked about does not exist."""
        try:
            for answer in self._socket.nlm_request(
                _message(number, attributes), _type(number), NLM_F_REQUEST | NLM_F_DUMP
            ):
                yield {int(name[1:]): value for name, value in answer["attrs"] if name.startswith("A")}
        except NetlinkError as error:
            if error.code != errno.ENOENT:
                raise

    def has(self, number: int, attributes: Attributes) -> bool:
        """Whether one thing exists."""
        try:
            return bool(list(self._socket.nlm_request(_message(number, attributes), _type(number), NLM_F_REQUEST)))
        except NetlinkError as error:
            if error.code != errno.ENOENT:
                raise
            return False

    def transact(self, requests: Iterable[Request]) -> None:
        """Carries out all of the requests in one transaction, or raises `NetlinkError` and none."""
        flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE
        messages = [_message(number, attributes, flags=flags) for number, attributes in requests]
        self._socket.nlm_request_batch([_bracket(_BATCH_BEGIN), *messages, _bracket(_BATCH_END)])


def text(value: str) -> bytes:
    """A string as the kernel wants it."""
    return value.encode() + b"\0"


def _type(number: int) -> int:
    return number | int(NFNL_SUBSYS_NFTABLES) << 8


def _message(number: int, attributes: Attributes, *, family: int = NFPROTO_INET, flags: int = NLM_F_REQUEST) -> Any:
    message = _Raw()
    message["nfgen_family"] = family
    message["header"]["type"] = _type(number)
    message["header"]["flags"] = flags
    message["attrs"] = [[f"A{name}", value] for name, value in attributes.items()]
    return message


def _bracket(kind: int) -> Any:
    message = _Raw()
    message["res_id"] = NFNL_SUBSYS_NFTABLES
    message["header"]["type"] = kind
    message["header"]["flags"] = NLM_F_REQUEST
    return message
