"""The join of billing and enforcement: where contracts stand, seen as states of addresses. Pure."""

from collections.abc import Iterable, Mapping

from enforcement.state import Address, LineState

STATE_OF_LINE = {"open": LineState.OPEN, "notice": LineState.NOTICE, "suspended": LineState.SUSPENDED}

Networks = Mapping[int, tuple[Address, ...]]
"""Contract id -> its addresses."""


def desired_lines(lines: Mapping[int, str], networks: Networks) -> dict[Address, LineState]:
    """Restricted addresses with their state, from contracts' lines (`open`, `notice`, `suspended`)."""
    restricted = ((contract_id, STATE_OF_LINE[line]) for contract_id, line in lines.items() if line != "open")
    return {address: state for contract_id, state in restricted for address in networks.get(contract_id, ())}


def group_networks(rows: Iterable[tuple[str, int]]) -> dict[int, tuple[Address, ...]]:
    """Rows of (network text, contract id), by contract."""
    grouped: dict[int, list[Address]] = {}
    for text, contract_id in rows:
        grouped.setdefault(contract_id, []).append(Address.parse(text))
    return {contract_id: tuple(addresses) for contract_id, addresses in grouped.items()}
