"""Knowing our own rules again: after a restart, and after somebody edited them.

When the rules are written, an empty chain is added to the table whose name is a hash of two things: the text that
this version of Hradlo writes for these settings, and what the kernel then shows of chains, rules and sets. Both
are computed again at each observation. A changed setting, a newer Hradlo, a rule edited by hand, an added chain or
a dormant table gives another name. The seal lives and dies with the table, so there is no file to be out of date,
and the rules are compared as the kernel's own bytes, so another version of `nft` makes no difference.
"""

import hashlib
from collections.abc import Iterator

from pyroute2.netlink.nfnetlink.nftsocket import (
    NFT_MSG_GETCHAIN,
    NFT_MSG_GETRULE,
    NFT_MSG_GETSET,
    NFT_MSG_GETTABLE,
    NFT_MSG_NEWCHAIN,
)

from enforcement.nftables.conversation import Conversation, Request, text
from enforcement.nftables.ruleset import TABLE, Layout, NftSettings, SetName, ruleset_text

SEAL = "seal_"

# Attributes whose values are the same until somebody edits: no handles, use counts and addresses of functions.
_TABLE_NAME, _TABLE_FLAGS = 1, 2
_CHAIN_TABLE, _CHAIN_NAME = 1, 3
_CHAIN_LASTING = (3, 4, 5, 7, 10)  # name, hook, policy, type, flags
_RULE_LASTING = (2, 4)  # chain, expressions
_SET_NAME = 2
_SET_LASTING = (2, 3, 4, 5, 6, 9, 11)  # name, flags, key type and length, data type, size, timeout


class Structure:
    """The table as the kernel has it, without its elements."""

    def __init__(self, conversation: Conversation) -> None:
        of_table = {1: text(TABLE)}
        tables = conversation.dump(NFT_MSG_GETTABLE, {})
        self.table = next((found for found in tables if found[_TABLE_NAME] == text(TABLE)), None)
        chains = conversation.dump(NFT_MSG_GETCHAIN, {})
        self.chains = [found for found in chains if found[_CHAIN_TABLE] == text(TABLE)]
        self.rules = list(conversation.dump(NFT_MSG_GETRULE, of_table)) if self.table else []
        self.sets = list(conversation.dump(NFT_MSG_GETSET, of_table)) if self.table else []

    @property
    def layout(self) -> Layout:
        """Its sets of lines and garden."""
        names = (SetName.parse(_text(found[_SET_NAME])) for found in self.sets)
        return frozenset(name for name in names if name)

    @property
    def seals(self) -> list[str]:
        return [name for name in map(_chain_name, self.chains) if name.startswith(SEAL)]

    def seal(self, settings: NftSettings) -> str:
        """The name that a seal on exactly this structure and these settings has."""
        digest = hashlib.sha256(ruleset_text(settings, self.layout).encode())
        for part in self._lasting():
            digest.update(len(part).to_bytes(4, "big") + part)
        return SEAL + digest.hexdigest()[:32]

    def is_sealed(self, settings: NftSettings) -> bool:
        """These are the rules that this version writes for these settings, and nobody has edited them."""
        return self.table is not None and self.seals == [self.seal(settings)]

    def _lasting(self) -> Iterator[bytes]:
        yield (self.table or {}).get(_TABLE_FLAGS, b"")
        for chain in self.chains:
            if not _chain_name(chain).startswith(SEAL):
                yield from (chain.get(number, b"") for number in _CHAIN_LASTING)
        for rule in self.rules:
            yield from (rule.get(number, b"") for number in _RULE_LASTING)
        for found in self.sets:
            yield from (found.get(number, b"") for number in _SET_LASTING)


def sealing(name: str) -> Request:
    """The request that puts a seal on the table."""
    return NFT_MSG_NEWCHAIN, {_CHAIN_TABLE: text(TABLE), _CHAIN_NAME: text(name)}


def _chain_name(chain: dict[int, bytes]) -> str:
    return _text(chain[_CHAIN_NAME])


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")
