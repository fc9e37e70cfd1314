"""Whether an address lies in one of many networks: how live flows are found that a plan is about. Pure."""

from collections.abc import Iterable

from enforcement.state import Address


class Networks:
    """Addresses and networks, asked whether they hold one address in constant time."""

    def __init__(self, addresses: Iterable[Address]) -> None:
        self._by_size: dict[tuple[int, int], set[bytes]] = {}
        for address in addresses:
            self._by_size.setdefault((len(address.packed), address.prefix_length), set()).add(address.packed)

    def __contains__(self, packed: bytes) -> bool:
        return any(
            size == len(packed) and _masked(packed, length) in members
            for (size, length), members in self._by_size.items()
        )

    def __bool__(self) -> bool:
        return bool(self._by_size)


def _masked(packed: bytes, prefix_length: int) -> bytes:
    kept, bits = divmod(prefix_length, 8)
    if kept == len(packed):
        return packed
    partial = packed[kept] & (0xFF00 >> bits)
    return packed[:kept] + bytes([partial & 0xFF]) + bytes(len(packed) - kept - 1)
