"""Counting what each subscriber transfers: a table of its own, `inet hradlo_usage`, with a counter per address.

It stands apart from `inet hradlo` so that neither disturbs the other: rules that are written anew lose no counter,
and a counter that grows breaks no seal. One set per direction, family and prefix length holds the addresses; the
kernel counts at the end of the forward path (priority 300), so what was refused is not counted. Elements are added
and removed one by one: replacing a set would lose its counts.

Counters live until the table is deleted or the machine boots. `generation` names that life: an empty chain bears it,
because the kernel's boot id can't be seen from within the unit (`ProcSubset=pid`).
"""

import json
import secrets
import struct
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pyroute2.netlink.nfnetlink.nftsocket import NFT_MSG_DELSETELEM, NFT_MSG_GETSETELEM, NFT_MSG_NEWSETELEM

from enforcement.nftables.conversation import Conversation, Request, text
from enforcement.nftables.elements import attributes, pack
from enforcement.nftables.ruleset import SET_SIZE, SetName, masked
from enforcement.nftables.table import load, run_nft
from enforcement.state import Address, Counted

TABLE = "hradlo_usage"
_LIFE = "life_"
_KEY, _EXPRESSION, _EXPRESSIONS = 1, 7, 11
_DATA_VALUE, _EXPRESSION_DATA, _COUNTER_BYTES = 1, 2, 1
_DIRECTIONS = {"down": "daddr", "up": "saddr"}
Sets = dict[SetName, dict[Address, int]]


def count(conversation: Conversation, wanted: Collection[Address]) -> Counted:
    """Reads all counters, then makes the table count exactly what is wanted."""
    names = {SetName(way, a.version, a.prefix_length) for a in wanted for way in _DIRECTIONS}
    life, present = _structure()
    if not life or not names <= present:
        load(_text(sorted(names | present), life or _LIFE + secrets.token_hex(8)))
        life, present = _structure()
    found: Sets = {name: dict(_counters(conversation, name)) for name in sorted(present)}
    _adjust(conversation, found, wanted)
    both = {
        address: (down, found[SetName("up", address.version, address.prefix_length)].get(address, 0))
        for name, counters in found.items()
        if name.kind == "down"
        for address, down in counters.items()
    }
    return Counted(life, {address: both[address] for address in wanted if address in both})


def _structure() -> tuple[str, frozenset[SetName]]:
    """The table's life and its sets; nothing of both without a table."""
    done = run_nft("-j", "-t", "list", "table", "inet", TABLE)
    if done.returncode != 0:
        return "", frozenset()
    listed: list[Mapping[str, Any]] = json.loads(done.stdout)["nftables"]
    chains = (item["chain"]["name"] for item in listed if "chain" in item)
    life = next((name for name in chains if name.startswith(_LIFE)), "")
    names = (SetName.parse(item["set"]["name"]) for item in listed if "set" in item)
    return life, frozenset(name for name in names if name)


def _text(names: Collection[SetName], life: str) -> str:
    """What adds the sets and their rules to whatever is there; counters that exist stay."""
    lines = [f"add table inet {TABLE}", f"add chain inet {TABLE} {life}"]
    for name in names:
        key = "ipv4_addr" if name.version == 4 else "ipv6_addr"
        lines.append(f"add set inet {TABLE} {name} {{ type {key}; size {SET_SIZE}; counter; }}")
    lines.append(f"add chain inet {TABLE} forward {{ type filter hook forward priority 300; policy accept; }}")
    lines.append(f"flush chain inet {TABLE} forward")
    lines += [f"add rule inet {TABLE} forward {masked(_DIRECTIONS[name.kind], name)} @{name}" for name in names]
    return "\n".join(lines) + "\n"


def _counters(conversation: Conversation, name: SetName) -> Iterator[tuple[Address, int]]:
    """Every element of a set with its bytes."""
    for message in conversation.dump(NFT_MSG_GETSETELEM, {1: text(TABLE), 2: text(str(name))}):
        for _, element in attributes(message.get(3, b"")):
            parts = dict(attributes(element))
            key = dict(attributes(parts.get(_KEY, b""))).get(_DATA_VALUE)
            if key is not None:
                yield Address(key, name.prefix_length), _bytes_of(parts)


def _bytes_of(parts: Mapping[int, bytes]) -> int:
    """The counter among an element's expressions; one alone stands by itself, several in a list."""
    expression = parts.get(_EXPRESSION) or next((body for _, body in attributes(parts.get(_EXPRESSIONS, b""))), b"")
    data = dict(attributes(dict(attributes(expression)).get(_EXPRESSION_DATA, b"")))
    counted = data.get(_COUNTER_BYTES, b"\0" * 8)
    return int(struct.unpack(">Q", counted)[0])


def _adjust(conversation: Conversation, found: Sets, wanted: Collection[Address]) -> None:
    """Adds and removes single elements, in one transaction."""
    by_set: dict[SetName, set[Address]] = defaultdict(set)
    for address in wanted:
        for way in _DIRECTIONS:
            by_set[SetName(way, address.version, address.prefix_length)].add(address)
    requests: list[Request] = []
    for name, counters in found.items():
        changes = (
            (NFT_MSG_DELSETELEM, counters.keys() - by_set[name]),
            (NFT_MSG_NEWSETELEM, by_set[name] - counters.keys()),
        )
        for number, addresses in changes:
            keys = sorted(address.packed for address in addresses)
            requests += [(number, {1: text(TABLE), 2: text(str(name)), 3: part}) for part in pack(keys)]
    if requests:
        conversation.transact(requests)
