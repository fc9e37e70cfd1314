"""Carrying steps out on a router: hundreds at a time, and every answer but the expected one made good.

A router may be changed by others at any moment, and its connection may break anywhere. So each refusal that means
"somebody was here" leads to what was wanted all the same; any other is raised, after everything else was tried.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from enforcement.routeros.commands import Command, Result
from enforcement.routeros.entries import PROPERTIES, Entry, Lists
from enforcement.routeros.router import MENUS, text
from enforcement.routeros.rules import is_own
from enforcement.routeros.steps import Doing, Step, adding, merged, note_done, removing
from enforcement.routeros.transport import Refused, Transport

AT_ONCE = 500
"""Commands in one go: few enough for one deadline, many enough to keep the window full."""


class Writing:
    """Writes to one router's lists within one session; `lists` stays true meanwhile."""

    def __init__(self, transport: Transport, lists: Lists, session: int) -> None:
        self._transport = transport
        self._lists = lists
        self._session = session

    async def carry_out(self, steps: Iterable[Step]) -> None:
        """Raises `Refused` for the first that can't be done; `RouterUnreachable` leaves `lists` untrue."""
        refused: Refused | None = None
        for some in _sliced(steps):
            results = await self._run([step.command for step in some])
            for step, result in zip(some, results, strict=True):
                try:
                    await self._note(step, result)
                except Refused as error:
                    refused = refused or error
        if refused:
            raise refused

    async def in_order(self, commands: Sequence[Command]) -> None:
        """One after another, for rules, whose order means something; a removal of what is gone is done."""
        for command in commands:
            (result,) = await self._run([command])
            if result.trap and not (command.verb == "remove" and result.trap.is_missing):
                raise Refused(self._transport.name, command, result.trap)

    async def remove_what_is_there(self, commands: Sequence[Command]) -> int:
        """Removals of several ids each, of things that may be gone meanwhile; returns how many there were."""
        done = 0
        for some in _sliced(commands):
            results = await self._run(some)
            aborted: list[Command] = []
            for command, result in zip(some, results, strict=True):
                ids = command.arguments[".id"].split(",")
                if result.trap is None:
                    done += len(ids)
                elif len(ids) > 1:  # it stopped at one that was gone
                    aborted += [Command(command.path, command.verb, {".id": one}) for one in ids]
            done += await self.remove_what_is_there(aborted) if aborted else 0
        return done

    async def _run(self, commands: Sequence[Command]) -> list[Result]:
        return await self._transport.run(commands, on=self._session)

    async def _note(self, step: Step, result: Result) -> None:
        trap = result.trap
        if trap is None:
            note_done(step, result, self._lists)
        elif step.doing is Doing.REMOVE and len(step.keys) > 1:
            await self.carry_out(step.singly())
        elif step.doing in (Doing.REMOVE, Doing.PROLONG) and trap.is_missing:
            self._lists.own.pop(step.keys[0], None)
        elif trap.is_duplicate:
            await self._adopt(step)
        elif trap.is_missing and step.doing in (Doing.MOVE, Doing.SET):
            await self._add_instead(step)
        else:
            raise Refused(self._transport.name, step.command, trap)

    async def _adopt(self, step: Step) -> None:
        """Somebody put it there before us: an earlier try of ours, or another's entry that does as well."""
        key = step.target or step.keys[0]
        rows = await self._transport.stream_print(
            MENUS[key.address.version].lists, PROPERTIES, ("list", key.list_name), ("address", text(key.address))
        )
        if not rows:
            return  # and gone again: the next observation shows it
        entry = Entry.of(rows[0])
        if not is_own(rows[0]):
            self._lists.foreign[key] = entry
        else:
            self._lists.own[key] = entry
            comment = merged(entry.comment, step.comment)
            if entry.is_disabled or comment != entry.comment:
                await self.carry_out([Step(Doing.SET, (key,), (entry,), comment=comment)])
        if step.doing is Doing.MOVE:
            await self.carry_out(removing(self._lists, step.keys))

    async def _add_instead(self, step: Step) -> None:
        """What was to be changed is gone."""
        comment = step.comment or step.entries[0].comment
        self._lists.own.pop(step.keys[0], None)
        await self.carry_out([adding(step.target or step.keys[0], comment)])


Item = TypeVar("Item")


def _sliced(items: Iterable[Item]) -> Iterator[list[Item]]:
    waiting = iter(items)
    while some := list(islice(waiting, AT_ONCE)):
        yield some
