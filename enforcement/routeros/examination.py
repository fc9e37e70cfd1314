"""What is right and what is wrong with a router, in an admin's words. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_network

from config.counting import counted
from enforcement.networks import Networks
from enforcement.routeros.commands import Row
from enforcement.routeros.entries import Lists
from enforcement.routeros.identity import Identity
from enforcement.routeros.router import ALLOWED, LISTS, MENUS, NAT, NOTICE, SUSPENDED, Router
from enforcement.routeros.rules import Tables, has_fasttrack, is_own, is_true, lets_through, repair, translates
from enforcement.routeros.steps import base_steps
from enforcement.state import Address

OLDEST = (6, 49)
"""Older versions do not take a login that no library of today can avoid (before 6.43), or are long out of care."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that was looked at."""

    what: str
    is_good: bool
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read from a router for an examination."""

    router: Router
    """As it was found: without IPv6 where it has none."""
    identity: Identity
    tables: Tables
    lists: Lists
    services: Sequence[Row] = field(default=())
    """`/ip/service`."""
    addresses: Sequence[Row] = field(default=())
    """`/ip/address`."""


def remarks(facts: Facts, *, wants_ipv6: bool) -> Iterator[Remark]:
    """Everything that can be said, in the order in which it should be mended."""
    yield Remark("reached", True, str(facts.identity))
    yield _version(facts.identity)
    yield _rules(facts)
    yield from _above_our_jumps(facts)
    yield _fasttrack(facts)
    yield from _source_addresses(facts)
    yield from _way_to_the_notice(facts)
    if wants_ipv6 and not facts.router.has_ipv6:
        remedy = "Set ipv6 = false for it, or switch the package on, if its subscribers have IPv6."
        yield Remark("IPv6", False, "this router has none", remedy)
    yield _entries(facts)
    yield from _services(facts)


def _version(identity: Identity) -> Remark:
    numbers = tuple(int(number) for number in re.findall(r"\d+", identity.version)[:2])
    if numbers and numbers < OLDEST:
        return Remark("version", False, identity.version, "Upgrade to the newest 6.49 or to 7.")
    return Remark("version", True, identity.version or "unknown")


def _rules(facts: Facts) -> Remark:
    needed = [step.command for step in base_steps(facts.lists, facts.router)] + repair(facts.tables, facts.router)
    if not needed:
        return Remark("rules", True, "complete, in force and in their places")
    are_there = any(is_own(row) for rows in facts.tables.values() for row in rows)
    found = (
        f"not as they should be: {counted(len(needed), 'command')} would mend them" if are_there else "not installed"
    )
    remedy = f"A running engine does it by itself; see `hradlo mikrotik setup {facts.router.name} --dry-run`."
    return Remark("rules", False, found, remedy)


def _above_our_jumps(facts: Facts) -> Iterator[Remark]:
    """Rules that a router makes itself (a hotspot's) can't be passed."""
    for version in facts.router.versions:
        for row in facts.tables[MENUS[version].filter]:
            if row.get("chain") != "forward":
                continue
            if is_own(row):
                break
            if is_true(row, "dynamic") and lets_through(row, facts.tables[MENUS[version].filter]):
                name = row.get("comment") or row.get("action", "")
                remedy = "Switch off what makes it (often a hotspot): nothing can be placed above such a rule."
                yield Remark("order", False, f"the router's own rule {name!r} lets traffic through above ours", remedy)


def _fasttrack(facts: Facts) -> Remark:
    if not has_fasttrack(facts.tables[MENUS[4].filter]):
        return Remark("FastTrack", True, "not in use")
    return Remark("FastTrack", True, "in use: our jumps go above it, and open connections of suspended lines are ended")


def _source_addresses(facts: Facts) -> Iterator[Remark]:
    """Whether the notice server sees who asks."""
    rows = facts.tables[NAT]
    own = [i for i, row in enumerate(rows) if row.get("chain") == "srcnat" and is_own(row)]
    first = own[0] if own else len(rows)
    hiding = [row for row in rows[:first] if row.get("chain") == "srcnat" and translates(row)]
    hiding = [row for row in hiding if own or is_true(row, "dynamic")]  # the others will be passed
    if own and not hiding:
        yield Remark("source addresses", True, "reach the notice server untranslated")
    for row in hiding:
        name = row.get("comment") or row.get("action", "")
        remedy = "A running engine goes above it; above a rule that the router made itself, nothing can go."
        yield Remark("source addresses", False, f"the rule {name!r} would hide who asks for the notice", remedy)


def _way_to_the_notice(facts: Facts) -> Iterator[Remark]:
    """In the subscribers' own network, the server's answers would go past the router."""
    server = facts.router.notice_address
    lines = [key.address for key in facts.lists.own if key.list_name in (NOTICE, SUSPENDED)]
    for row in facts.addresses:
        network = _connected(row)
        if network is None or server not in network:
            continue
        inside = Networks([Address(network.network_address.packed, network.prefixlen)])
        if any(line.packed in inside for line in lines if line.version == 4):
            remedy = "Put it into a network of its own behind this router: else its answers go past the router."
            yield Remark("notice server", False, f"{server} is in the subscribers' own network {network}", remedy)


def _connected(row: Row) -> IPv4Network | None:
    try:
        network = ip_network(row.get("address", ""), strict=False)
    except ValueError:
        return None
    return network if isinstance(network, IPv4Network) and not is_true(row, "disabled") else None


def _entries(facts: Facts) -> Remark:
    counts = facts.lists.counts()
    words = f"{counts[NOTICE]} in notice, {counts[SUSPENDED]} suspended, {counts[ALLOWED]} allowed"
    foreign = sum(key.list_name in LISTS for key in facts.lists.foreign)
    others = f"; {foreign} that are not Hradlo's, which it leaves alone" if foreign else ""
    if facts.lists.broken:
        remedy = "A running engine clears them away."
        return Remark("lists", False, f"{words}; {len(facts.lists.broken)} of ours hold no address any more", remedy)
    return Remark("lists", True, words + others)


def _services(facts: Facts) -> Iterator[Remark]:
    for row in facts.services:
        if row.get("name") == "api" and not is_true(row, "disabled"):
            found = "the API without TLS is switched on, too: /ip service set api disabled=yes, if nothing needs it"
            yield Remark("services", True, found)
