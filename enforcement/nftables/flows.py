"""Ending live flows, by conntrack: so that a state takes hold of connections that are already open.

* **suspended**: all forwarded flows of the line, except those to what it may still reach. The forward rules refuse
  their packets anyway; without this, hardware or software flow offload would carry them past the rules.
* **notice**: its TCP 80 flows only. The redirect sees nothing but the first packet of a connection, so a browser's
  open connection would go on as if nothing had happened.

The table is dumped once and exact entries are deleted. The kernel's own filter by address is never used: for IPv6
it was seen to delete everybody else's entries and to keep the one that was meant.
"""

import errno
import os
import socket
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

from pyroute2 import IPRoute
from pyroute2.netlink import NETLINK_NETFILTER, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST
from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_CTNETLINK

from enforcement.networks import Networks
from enforcement.nftables.ruleset import NftSettings
from enforcement.state import Address, LineState, Plan

_GET, _DELETE = NFNL_SUBSYS_CTNETLINK << 8 | 1, NFNL_SUBSYS_CTNETLINK << 8 | 2
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHIIBBH")
_ATTRIBUTE = struct.Struct("=HH")
_CTA_TUPLE_ORIG, _CTA_TUPLE_REPLY, _CTA_ID, _CTA_ZONE = 1, 2, 12, 18
_SENT_AT_ONCE = 100
_BUFFER_BYTES = 1 << 20
_TCP = 6


@dataclass(frozen=True, slots=True)
class Flow:
    """One entry of conntrack: who opened it, who answers (behind NAT too), and how it is named for deletion."""

    opener: bytes
    answerer: bytes
    protocol: int
    port: int
    """The port that was asked for."""
    name: bytes


@dataclass(frozen=True, slots=True)
class Ending:
    """Whose flows are to end."""

    suspended: Networks
    noticed: Networks

    @classmethod
    def of(cls, plan: Plan) -> Self:
        restricted: dict[LineState, list[Address]] = {LineState.NOTICE: [], LineState.SUSPENDED: []}
        for change in plan.restrictions:
            restricted[change.after].append(change.address)
        return cls(Networks(restricted[LineState.SUSPENDED]), Networks(restricted[LineState.NOTICE]))

    def concerns(self, flow: Flow) -> bool:
        """Any flow of a suspended line, and plain HTTP of a line in notice."""
        is_web = flow.protocol == _TCP and flow.port == 80
        is_of_suspended = flow.opener in self.suspended or flow.answerer in self.suspended
        return is_of_suspended or (is_web and flow.opener in self.noticed)


def end_flows(plan: Plan, garden: Collection[Address], settings: NftSettings) -> tuple[int, tuple[str, ...]]:
    """Ends what the plan's restrictions call for; returns how many, and what went wrong as notes."""
    ending = Ending.of(plan)
    versions = {len(change.address.packed) for change in plan.restrictions}
    families = [family for size, family in ((4, socket.AF_INET), (16, socket.AF_INET6)) if size in versions]
    try:
        return sum(_end(family, ending, garden, settings) for family in families), ()
    except OSError as error:
        return 0, (f"live flows were not ended ({error}); the rules refuse them all the same",)


def _end(family: int, ending: Ending, garden: Collection[Address], settings: NftSettings) -> int:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER) as netlink:
        netlink.bind((0, 0))
        flows = (flow for entry in _dump(netlink, family) if (flow := parse(entry)))
        concerned = [flow for flow in flows if ending.concerns(flow)]
        if not concerned:
            return 0
        spared = Networks([*garden, *_allowed(settings), *_local_addresses()])
        names = [flow.name for flow in concerned if flow.opener not in spared and flow.answerer not in spared]
        starts = range(0, len(names), _SENT_AT_ONCE)
        return sum(_delete(netlink, family, names[start : start + _SENT_AT_ONCE]) for start in starts)


def _dump(netlink: socket.socket, family: int) -> list[bytes]:
    """All entries of a family, each without netlink's header. Whole first: deleting in between upsets the dump."""
    netlink.send(_HEADER.pack(20, _GET, NLM_F_REQUEST | NLM_F_DUMP, 1, 0, family, 0, 0))
    entries: list[bytes] = []
    while True:
        for kind, body in _messages(netlink.recv(_BUFFER_BYTES)):
            if kind == _DONE:
                return entries
            if kind == _ERROR:
                raise _error(body)
            entries.append(body)


def _delete(netlink: socket.socket, family: int, names: list[bytes]) -> int:
    """Deletes entries by their exact tuple; one that ended by itself meanwhile is none of ours."""
    flags = NLM_F_REQUEST | NLM_F_ACK
    requests = (_HEADER.pack(20 + len(name), _DELETE, flags, 2, 0, family, 0, 0) + name for name in names)
    netlink.send(b"".join(requests))
    answered = ended = 0
    while answered < len(names):
        for kind, body in _messages(netlink.recv(_BUFFER_BYTES)):
            if kind != _ERROR:
                continue
            answered += 1
            code = -struct.unpack_from("=i", body)[0]
            ended += code == 0
            if code not in (0, errno.ENOENT):
                raise _error(body)
    return ended


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and body (for an entry: its attributes) of each netlink message."""
    position = 0
    while position + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, position)
        skipped = 16 if kind in (_ERROR, _DONE) else 20
        yield kind, data[position + skipped : position + length]
        position += max((length + 3) & ~3, 16)


def _error(body: bytes) -> OSError:
    code = -struct.unpack_from("=i", body)[0]
    return OSError(code, os.strerror(code))


def parse(entry: bytes) -> Flow | None:
    """Reads an entry; None for one without ports and addresses where they are always found.

    The two tuples come first and have a fixed layout, so that 200,000 entries are read in well under a second.
    """
    original_bytes, original_kind = _ATTRIBUTE.unpack_from(entry, 0)
    start = (original_bytes + 3) & ~3
    if original_kind & 0x3FFF != _CTA_TUPLE_ORIG or start + 12 > len(entry):
        return None
    size = _ATTRIBUTE.unpack_from(entry, 8)[0] - 4  # of an address
    protocol_at = 12 + 2 * size + 4 + 8
    port_at = protocol_at + 16
    return Flow(
        opener=entry[12 : 12 + size],
        answerer=entry[start + 12 : start + 12 + size],
        protocol=entry[protocol_at],
        port=int.from_bytes(entry[port_at : port_at + 2], "big"),
        name=entry[:start],
    )


def _allowed(settings: NftSettings) -> Iterator[Address]:
    for address in (*settings.notice_addresses, *settings.resolvers):
        yield Address(address.packed, address.max_prefixlen)


def _local_addresses() -> Iterator[Address]:
    """The gateway's own: what it serves itself is not forwarded, and not ours to end."""
    with IPRoute() as routes:
        for message in routes.get_addr():
            local = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
            if local:
                address = ip_address(local)
                yield Address(address.packed, address.max_prefixlen)
