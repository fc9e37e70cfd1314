"""The MikroTik driver: the contract of `enforcement.driver` on one router.

There is no transaction on a router. What holds instead: a plan's steps are each right by themselves, restores go
first, no address is without its restriction between two states, rules are built inert and activated last; and what
a broken connection left half done is seen by the next observation and mended by the next plan.

Entries are changed by their names on the router (`.id`), which are good for one connection: a reboot ends it. So what
was learned on another connection is read again before anything is written.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import structlog

from config.errors import DriverError
from enforcement.planner import rebased
from enforcement.routeros import leasing, usage
from enforcement.routeros.commands import Command, Row
from enforcement.routeros.ending import Ending
from enforcement.routeros.entries import LIST_OF, PROPERTIES, STATES, Key, Lists
from enforcement.routeros.examination import Facts, Remark, remarks
from enforcement.routeros.identity import Identity, objection, read_identity
from enforcement.routeros.router import ALLOWED, LISTS, MENUS, Router, text
from enforcement.routeros.rules import Tables, menus, removal, repair
from enforcement.routeros.steps import base_steps, phases, prolonging, removing
from enforcement.routeros.transport import Reconnected, Refused, RouterUnreachable, Transport, print_if_there
from enforcement.routeros.writing import Writing
from enforcement.state import Address, Applied, Counted, LineState, Observed, Plan

WATCH_SECONDS = 30
"""How often a router is asked whether it rebooted, or its rules were changed."""
ASKED_SINGLY_MAX = 20
"""More addresses than these are looked up in whole lists: each question costs a router as much as a list."""
_LOOKS_MAX = 3

log = structlog.get_logger()


@dataclass
class _Seen:
    """What one look at the router showed; the lists are kept true by what we write."""

    session: int
    identity: Identity
    tables: Tables
    lists: Lists = field(default_factory=Lists)
    versions: tuple[int, ...] = (4, 6)


class RouterOsDriver:
    """Enforces on one router. Nothing is sent until it is used, so an unreachable router stops nobody."""

    name = "routeros"

    def __init__(self, router: Router, transport: Transport) -> None:
        self.router = router
        self._transport = transport
        self._turn = asyncio.Lock()
        """One writer, and no look while something is being written."""
        self._ending = Ending(transport)
        self._seen: _Seen | None = None
        self._first_identity: Identity | None = None
        self._leaning: set[Key] = set()
        """Where somebody else's entry does our work."""
        self._out_of_reach: dict[Address, LineState] = {}
        """IPv6 addresses that a router without IPv6 can't hold; there is nothing to restrict."""

    # The contract

    async def observe(self) -> Observed:
        async with self._turn:
            return self._observed(await self._look())

    async def look_at(self, addresses: Collection[Address]) -> dict[Address, LineState]:
        async with self._turn:
            if len(addresses) > ASKED_SINGLY_MAX:
                lines = self._lines((await self._look()).lists)
                return {address: lines.get(address, LineState.OPEN) for address in addresses}
            return {address: await self._line(address) for address in addresses}

    async def apply(self, plan: Plan) -> Applied:
        if plan.is_empty:
            return Applied()
        async with self._turn:
            try:
                return await self._apply(plan)
            except Reconnected:
                self._seen = await self._look()
            except BaseException:
                self._seen = None  # half of it may be done: only the router knows
                raise
            return await self._apply(rebased(plan, self._observed(self._seen)))

    async def bindings(self) -> Mapping[str, frozenset[Address]]:
        async with self._turn:
            leases = await print_if_there(self._transport, leasing.LEASES, leasing.LEASE_PROPERTIES)
            sessions = await print_if_there(self._transport, leasing.SESSIONS, leasing.SESSION_PROPERTIES)
        return leasing.bindings(leases, sessions)

    async def count(self, addresses: Collection[Address]) -> Counted:
        async with self._turn:
            rows = await self._transport.stream_print(usage.MENU, usage.PROPERTIES)
            sessions = await print_if_there(self._transport, leasing.SESSIONS, leasing.SESSION_PROPERTIES)
            identity = self._seen.identity if self._seen else await read_identity(self._transport)
        return usage.counted(rows, sessions, addresses, f"routeros/{identity.serial or identity.name}")

    async def foreign_change(self) -> None:
        """Asks now and then, and meanwhile prolongs notices and clears away what is superseded."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            async with self._turn:
                if await self._has_changed():
                    return
                await self._keep_up()

    async def close(self) -> None:
        """Lets go of the router; rules and entries stay."""
        await self._transport.close()

    # For the command line and the doctor

    async def examine(self) -> list[Remark]:
        """What is right and wrong with this router."""
        async with self._turn:
            seen = await self._look()
            services = await self._transport.stream_print("/ip/service", ("name", "disabled"))
            addresses = await self._transport.stream_print("/ip/address", ("address", "disabled"))
        router = self._reachable(seen)
        facts = Facts(router, seen.identity, seen.tables, seen.lists, services, addresses)
        return list(remarks(facts, wants_ipv6=self.router.has_ipv6))

    async def planned_setup(self) -> list[Command]:
        """What a set-up would write; nothing when all is as it should be."""
        async with self._turn:
            seen = await self._look()
            router = self._reachable(seen)
            return [step.command for step in base_steps(seen.lists, router)] + repair(seen.tables, router)

    async def set_up(self) -> None:
        """Writes the rules, and what they always allow."""
        async with self._turn:
            await self._install(await self._look())

    async def planned_removal(self) -> list[Command]:
        """What a removal would write: rules first, then every entry of ours."""
        async with self._turn:
            seen = await self._look()
            return removal(seen.tables) + [step.command for step in removing(seen.lists, seen.lists.own)]

    async def remove(self) -> None:
        """Takes away everything that is ours."""
        async with self._turn:
            seen = await self._look()
            writing = self._writing(seen)
            await writing.in_order(removal(seen.tables))
            await writing.carry_out(list(removing(seen.lists, seen.lists.own)))
            self._seen = None

    # Looking

    async def _look(self) -> _Seen:
        """Everything of ours, read on one connection."""
        for _ in range(_LOOKS_MAX):
            seen = await self._read()
            if seen.session == self._transport.session:
                self._note_identity(seen)
                self._seen = seen
                return seen
        raise RouterUnreachable(f"The connection to router {self.router.name} breaks again and again.")

    async def _read(self) -> _Seen:
        identity = await read_identity(self._transport)
        session = self._transport.session
        router = replace(self.router, has_ipv6=self.router.has_ipv6 and await self._has_ipv6())
        tables = {menu: await self._transport.stream_print(menu, ()) for menu in menus(router)}
        seen = _Seen(session, identity, tables, versions=router.versions)
        for version in seen.versions:
            for name in LISTS:
                seen.lists.read(version, await self._print_list(version, name))
        return seen

    async def _has_ipv6(self) -> bool:
        """Old versions come with IPv6 switched off, and without its menus."""
        try:
            await self._print_list(6, ALLOWED)
        except Refused as error:
            if not error.trap.is_no_such_command:
                raise
            log.warning("this router has no IPv6; set ipv6 = false for it", router=self.router.name)
            return False
        return True

    async def _print_list(self, version: int, name: str) -> list[Row]:
        return await self._transport.stream_print(MENUS[version].lists, PROPERTIES, ("list", name))

    async def _line(self, address: Address) -> LineState:
        if address.version not in (self._seen.versions if self._seen else self.router.versions):
            return self._out_of_reach.get(address, LineState.OPEN)
        lists = Lists()
        menu = MENUS[address.version].lists
        for name in STATES:
            rows = await self._transport.stream_print(menu, PROPERTIES, ("list", name), ("address", text(address)))
            lists.read(address.version, rows)
        return self._lines(lists).get(address, LineState.OPEN)

    def _observed(self, seen: _Seen) -> Observed:
        router = self._reachable(seen)
        is_installed = not repair(seen.tables, router) and not any(base_steps(seen.lists, router))
        return Observed(self._lines(seen.lists), seen.lists.garden(self._leaning), is_installed)

    def _lines(self, lists: Lists) -> dict[Address, LineState]:
        return lists.lines(self._leaning) | self._out_of_reach

    def _reachable(self, seen: _Seen) -> Router:
        return replace(self.router, has_ipv6=6 in seen.versions)

    def _note_identity(self, seen: _Seen) -> None:
        before = self._seen.identity if self._seen else None
        if before and seen.identity.uptime_seconds < before.uptime_seconds:
            log.warning("the router was rebooted", router=self.router.name)
        if self._first_identity is None:
            self._first_identity = seen.identity

    # Writing

    async def _apply(self, plan: Plan) -> Applied:
        seen = self._seen
        if seen is None or seen.session != self._transport.session:
            seen = await self._look()
        self._require_the_same_router(plan, seen)
        reachable = self._without_unreachable(plan, seen)
        todo = phases(reachable, seen.lists, self._reachable(seen))
        writing = self._writing(seen)
        self._ending.heed(reachable)
        await writing.carry_out(todo.restores)
        if plan.installs:
            await self._install(seen)
            todo = phases(reachable, seen.lists, self._reachable(seen))
        await writing.carry_out(todo.garden_added)
        await writing.carry_out(todo.restrictions)
        await writing.carry_out(list(removing(seen.lists, todo.superseded)))
        ended, notes = await self._ending.end(seen.tables, seen.versions, writing)
        return Applied(plan.size, ended, notes + self._lean(reachable, seen))

    def _writing(self, seen: _Seen) -> Writing:
        return Writing(self._transport, seen.lists, seen.session)

    async def _install(self, seen: _Seen) -> None:
        """What is allowed first, then the rules; then a look whether the router has them as they were written."""
        router = self._reachable(seen)
        writing = self._writing(seen)
        await writing.carry_out(list(base_steps(seen.lists, router)))
        await writing.in_order(repair(seen.tables, router))
        seen.tables = {menu: await self._transport.stream_print(menu, ()) for menu in menus(router)}
        if left := repair(seen.tables, router):
            raise DriverError(
                f"Router {self.router.name} does not show our rules as they were written.",
                f"It would still need: {left[0]}. Is somebody else writing rules there just now?",
            )

    def _without_unreachable(self, plan: Plan, seen: _Seen) -> Plan:
        """IPv6 on a router that has none: there is nothing to restrict, and it counts as done."""
        if 6 in seen.versions:
            return plan
        for change in plan.changes:
            if change.address.version == 6:
                self._out_of_reach.pop(change.address, None)
                if change.after is not LineState.OPEN:
                    self._out_of_reach[change.address] = change.after
        return replace(
            plan,
            restores=tuple(change for change in plan.restores if change.address.version == 4),
            restrictions=tuple(change for change in plan.restrictions if change.address.version == 4),
            garden_added=tuple(address for address in plan.garden_added if address.version == 4),
            garden_removed=tuple(address for address in plan.garden_removed if address.version == 4),
        )

    def _lean(self, plan: Plan, seen: _Seen) -> tuple[str, ...]:
        """Remembers where others' entries do our work; returns notes about those that stand against it."""
        notes = []
        for change in plan.changes:
            for state, name in LIST_OF.items():
                key = Key(name, change.address)
                self._leaning.discard(key)
                if not seen.lists.holds_foreign(key):
                    continue
                if state is change.after:
                    self._leaning.add(key)
                elif state > change.after:
                    notes.append(f"{change.address} stays in {name}: that entry is not Hradlo's")
        for address in plan.garden_added:
            if seen.lists.holds_foreign(Key(ALLOWED, address)):
                self._leaning.add(Key(ALLOWED, address))
        self._leaning -= {Key(ALLOWED, address) for address in plan.garden_removed}
        return tuple(notes)

    def _require_the_same_router(self, plan: Plan, seen: _Seen) -> None:
        first = self._first_identity
        if first is None or seen.identity.is_same_as(first):
            return
        lines = self._lines(seen.lists)
        held = {state: sum(one is state for one in lines.values()) for state in STATES.values()}
        if reason := objection(plan, held):
            raise DriverError(
                f"Another router answers for {self.router.name}: {seen.identity}, before {first}; {reason}.",
                "If you have replaced it, restart Hradlo; if not, check its address.",
            )

    # Watching

    async def _has_changed(self) -> bool:
        """Rebooted, or its rules are not what we left."""
        seen = self._seen
        if seen is None:
            return False  # the next observation comes anyway
        identity = await read_identity(self._transport)
        if seen.session != self._transport.session or not identity.is_same_as(seen.identity):
            return True
        router = self._reachable(seen)
        tables = {menu: await self._transport.stream_print(menu, ()) for menu in menus(router)}
        return bool(repair(tables, router)) and not repair(seen.tables, router)

    async def _keep_up(self) -> None:
        """Notices do not end while an engine watches; what says nothing any more goes."""
        seen = self._seen
        if seen is None:
            return
        writing = self._writing(seen)
        await writing.carry_out(list(prolonging(seen.lists)))
        await writing.carry_out(list(removing(seen.lists, seen.lists.superseded())))
        broken = [Command(MENUS[version].lists, "remove", {".id": entry.id}) for version, entry in seen.lists.broken]
        await writing.remove_what_is_there(broken)
        seen.lists.broken.clear()
        await self._ending.end(seen.tables, seen.versions, writing)
