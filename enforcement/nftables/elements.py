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

_WORDS = {state: str(state) for state in LineState}


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
    for _, element in attributes(data):
        for kind, content in attributes(element):
            if kind == 1:
                yield from (value for number, value in attributes(content) if number == 1)


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The attributes in a netlink message's bytes, each by its number."""
    position = 0
    while position + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, position)
        if length < 4:
            return
        yield kind & 0x3FFF, data[position + 4 : position + length]
        position += (length + 3) & ~3


Write = tuple[bool, SetName, list[bytes]]
"""Keys that go out of a set (False) or into it (True)."""


def writes(plan: Plan) -> list[Write]:
    """What a plan takes out of sets and puts into them, removals first."""
    removed: dict[tuple[str, int, int], list[bytes]] = {}
    added: dict[tuple[str, int, int], list[bytes]] = {}
    for (packed, length), before, after in plan.changes:
        if before is not LineState.OPEN:
            removed.setdefault((_WORDS[before], len(packed), length), []).append(packed)
        if after is not LineState.OPEN:
            added.setdefault((_WORDS[after], len(packed), length), []).append(packed)
    for packed, length in plan.garden_removed:
        removed.setdefault(("garden", len(packed), length), []).append(packed)
    for packed, length in plan.garden_added:
        added.setdefault(("garden", len(packed), length), []).append(packed)
    return [
        (is_added, SetName(kind, 4 if size == 4 else 6, length), keys)
        for is_added, sets in ((False, removed), (True, added))
        for (kind, size, length), keys in sets.items()
    ]
