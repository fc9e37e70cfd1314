"""Elements of sets as the kernel's own bytes.

pyroute2's message classes take 12 times as long as `nft -f` for 100,000 elements; whole lists packed here as
opaque bytes take half of its time. The layout is fixed: an element holds a key, a key holds a value.
"""

import struct
from collections.abc import Iterator, Sequence

from enforcement.nftables.ruleset import SetName
from enforcement.state import LineState, Plan

ELEMENTS_PER_MESSAGE_MAX = 2_000
"""An attribute holds at most 64 KiB: 2,340 IPv6 elements."""

_NESTED = 0x8000
_ATTRIBUTE = struct.Struct("=HH")
_HEADER_BYTES = 12


def _header(key_bytes: int, nested: int) -> bytes:
    """What stands ahead of each key: NFTA_LIST_ELEM { NFTA_SET_ELEM_KEY { NFTA_DATA_VALUE."""
    return struct.pack("=HHHHHH", key_bytes + 12, 1 | nested, key_bytes + 8, 1 | nested, key_bytes + 4, 1)


_WRITTEN = {length: _header(length, _NESTED) for length in (4, 16)}
_READ = {length: _header(length, 0) for length in (4, 16)}


def pack(keys: Sequence[bytes]) -> Iterator[bytes]:
    """Lists of elements, each small enough for one message; all keys are of one length."""
    for start in range(0, len(keys), ELEMENTS_PER_MESSAGE_MAX):
        part = keys[start : start + ELEMENTS_PER_MESSAGE_MAX]
        header = _WRITTEN[len(part[0])]
        yield header + header.join(part)


def unpack(data: bytes, key_bytes: int) -> list[bytes]:
    """The keys in a list of elements from a dump."""
    stride = _HEADER_BYTES + key_bytes
    header = _READ[key_bytes]
    if len(data) % stride == 0:
        found = list(struct.iter_unpack(f"{_HEADER_BYTES}s{key_bytes}s", data))
        if all(head == header for head, _ in found):
            return [key for _, key in found]
    return list(_walk(data))


def _walk(data: bytes) -> Iterator[bytes]:
    """Also elements that carry more than a key: somebody gave them a comment or a timeout by hand."""
    for _, element in _attributes(data):
        for kind, content in _attributes(element):
            if kind == 1:
                yield from (value for number, value in _attributes(content) if number == 1)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, position)
        if length < 4:
            return
        yield kind & 0x3FFF, data[position + 4 : position + length]
        position += (length + 3) & ~3


def writes(plan: Plan) -> Iterator[tuple[bool, SetName, list[bytes]]]:
    """What a plan takes out of sets (False) and puts into them (True), removals first."""
    removed: dict[SetName, list[bytes]] = {}
    added: dict[SetName, list[bytes]] = {}
    for change in plan.changes:
        if change.before is not LineState.OPEN:
            removed.setdefault(SetName.of_line(change.address, change.before), []).append(change.address.packed)
        if change.after is not LineState.OPEN:
            added.setdefault(SetName.of_line(change.address, change.after), []).append(change.address.packed)
    for address in plan.garden_removed:
        removed.setdefault(SetName.of_garden(address), []).append(address.packed)
    for address in plan.garden_added:
        added.setdefault(SetName.of_garden(address), []).append(address.packed)
    yield from ((False, name, keys) for name, keys in removed.items())
    yield from ((True, name, keys) for name, keys in added.items())
