"""From a plan to commands on entries, in phases, and what each answer means. Pure.

Nobody is without their restriction for a moment on the way between two states:

* suspended → notice is one `set` of list and timeout;
* notice → suspended first adds the lasting entry, then removes the one with a timeout: a dynamic entry can't become
  a static one.

A suspension stays without Hradlo and over reboots; a notice ends by itself when nobody prolongs it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

from enforcement.routeros.commands import Command, Result
from enforcement.routeros.entries import LIST_OF, Entry, Key, Lists, is_garden
from enforcement.routeros.router import (
    ALLOWED,
    BASE_COMMENT,
    BOTH_COMMENT,
    GARDEN_COMMENT,
    LINE_COMMENT,
    MENUS,
    NOTICE,
    SUSPENDED,
    Router,
    text,
)
from enforcement.state import Address, Change, LineState, Plan

NOTICE_SECONDS = 86_400
"""A notice's entry lives so long without Hradlo."""
REMOVED_AT_ONCE = 100
_TIMED = {"timeout": f"{NOTICE_SECONDS}s"}


class Doing(Enum):
    ADD = "add"
    MOVE = "move"
    SET = "set"
    PROLONG = "prolong"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Step:
    """One command on entries of one list and one IP version."""

    doing: Doing
    keys: tuple[Key, ...]
    entries: tuple[Entry, ...] = ()
    """As they are now; none for what is added."""
    target: Key | None = None
    """Where a moved entry goes."""
    comment: str = ""

    @property
    def command(self) -> Command:
        menu = MENUS[self.keys[0].address.version].lists
        ids = {".id": ",".join(entry.id for entry in self.entries)}
        match self.doing:
            case Doing.ADD:
                key = self.keys[0]
                values = {"list": key.list_name, "address": text(key.address), "comment": self.comment}
                return Command(menu, "add", values | _timeout(key.list_name))
            case Doing.MOVE:
                assert self.target is not None
                return Command(menu, "set", ids | {"list": self.target.list_name} | _timeout(self.target.list_name))
            case Doing.SET:
                return Command(menu, "set", ids | {"comment": self.comment, "disabled": "no"})
            case Doing.PROLONG:
                return Command(menu, "set", ids | _TIMED)
            case Doing.REMOVE:
                return Command(menu, "remove", ids, ", ".join(f"{key.address} in {key.list_name}" for key in self.keys))

    def singly(self) -> Iterator["Step"]:
        """The same for one entry at a time: a router stops in the middle of several when one is missing."""
        for key, entry in zip(self.keys, self.entries, strict=True):
            yield Step(self.doing, (key,), (entry,))


def adding(key: Key, comment: str) -> Step:
    return Step(Doing.ADD, (key,), comment=comment)


def removing(lists: Lists, keys: Iterable[Key]) -> Iterator[Step]:
    """Few commands for many entries; keys that have no entry of ours fall out."""
    by_version: dict[int, list[Key]] = defaultdict(list)
    for key in keys:
        if key in lists.own:
            by_version[key.address.version].append(key)
    for found in by_version.values():
        for start in range(0, len(found), REMOVED_AT_ONCE):
            part = tuple(found[start : start + REMOVED_AT_ONCE])
            yield Step(Doing.REMOVE, part, tuple(lists.own[key] for key in part))


@dataclass
class Phases:
    """A plan's steps, those that open something first."""

    restores: list[Step] = field(default_factory=list)
    garden_added: list[Step] = field(default_factory=list)
    restrictions: list[Step] = field(default_factory=list)
    superseded: list[Key] = field(default_factory=list)
    """Removed last: what stood until its successor did."""


def phases(plan: Plan, lists: Lists, router: Router) -> Phases:
    """The steps that lead from these entries to what the plan wants, whatever the plan thought there was."""
    made = Phases()
    opened: list[Key] = []
    for change in plan.changes:
        if change.after is LineState.OPEN:
            opened += _both(change.address)
        else:
            (made.restores if change.is_restore else made.restrictions).extend(_restricting(change, lists))
        if change.after is LineState.SUSPENDED:
            made.superseded.append(Key(NOTICE, change.address))
        elif change.after is LineState.NOTICE:
            made.superseded.append(Key(SUSPENDED, change.address))
    made.restores = [*removing(lists, opened), *made.restores]
    for address in plan.garden_added:
        made.garden_added += _allowing(address, lists)
    for address in plan.garden_removed:
        key = Key(ALLOWED, address)
        if address in set(router.base(address.version)):
            made.restrictions += _commenting(key, lists, BASE_COMMENT)
        else:
            made.superseded.append(key)
    return made


def base_steps(lists: Lists, router: Router) -> Iterator[Step]:
    """What makes the portal and the resolvers allowed, and nothing else of that kind."""
    wanted = {Key(ALLOWED, address) for version in router.versions for address in router.base(version)}
    for key in sorted(wanted):
        entry = lists.own.get(key)
        if entry is None and not lists.holds_foreign(key):
            yield adding(key, BASE_COMMENT)
        elif entry is not None and (entry.is_disabled or entry.comment not in (BASE_COMMENT, BOTH_COMMENT)):
            yield Step(Doing.SET, (key,), (entry,), comment=BOTH_COMMENT if is_garden(entry) else BASE_COMMENT)
    for key, entry in lists.own.items():
        if key.list_name == ALLOWED and key not in wanted and entry.comment == BOTH_COMMENT:
            yield Step(Doing.SET, (key,), (entry,), comment=GARDEN_COMMENT)
    gone = [key for key, entry in lists.own.items() if key not in wanted and entry.comment == BASE_COMMENT]
    yield from removing(lists, gone)


def merged(present: str, wanted: str) -> str:
    """The comment of an entry that is to be two things at once: one address can't be in a list twice."""
    is_both = {present, wanted} == {BASE_COMMENT, GARDEN_COMMENT} or present == BOTH_COMMENT
    return BOTH_COMMENT if is_both else wanted or present


def note_done(step: Step, result: Result, lists: Lists) -> None:
    """Keeps `lists` true after a step that was carried out."""
    match step.doing:
        case Doing.ADD:
            (key,) = step.keys
            ends = NOTICE_SECONDS if key.list_name == NOTICE else None
            lists.own[key] = Entry(result.ret, step.comment, ends_in_seconds=ends)
        case Doing.MOVE:
            assert step.target is not None
            moved = lists.own.pop(step.keys[0])
            lists.own[step.target] = Entry(moved.id, moved.comment, ends_in_seconds=NOTICE_SECONDS)
        case Doing.SET:
            lists.own[step.keys[0]] = replace(step.entries[0], comment=step.comment, is_disabled=False)
        case Doing.PROLONG:
            lists.own[step.keys[0]] = replace(step.entries[0], ends_in_seconds=NOTICE_SECONDS)
        case Doing.REMOVE:
            for key in step.keys:
                lists.own.pop(key, None)


def prolonging(lists: Lists) -> Iterator[Step]:
    """Gives its whole time again to what would end within half of it."""
    for key, entry in lists.own.items():
        if entry.ends_in_seconds is not None and entry.ends_in_seconds < NOTICE_SECONDS // 2:
            yield Step(Doing.PROLONG, (key,), (entry,))


def _restricting(change: Change, lists: Lists) -> Iterator[Step]:
    key = Key(LIST_OF[change.after], change.address)
    entry = lists.own.get(key)
    suspended = Key(SUSPENDED, change.address)
    if entry is not None:
        if entry.is_disabled:
            yield Step(Doing.SET, (key,), (entry,), comment=entry.comment)
    elif change.after is LineState.NOTICE and suspended in lists.own and not lists.own[suspended].is_disabled:
        yield Step(Doing.MOVE, (suspended,), (lists.own[suspended],), target=key)
    elif not lists.holds_foreign(key):
        yield adding(key, LINE_COMMENT)


def _allowing(address: Address, lists: Lists) -> Iterator[Step]:
    key = Key(ALLOWED, address)
    entry = lists.own.get(key)
    if entry is None:
        if not lists.holds_foreign(key):
            yield adding(key, GARDEN_COMMENT)
    else:
        yield Step(Doing.SET, (key,), (entry,), comment=merged(entry.comment, GARDEN_COMMENT))


def _commenting(key: Key, lists: Lists, comment: str) -> Iterator[Step]:
    if key in lists.own:
        yield Step(Doing.SET, (key,), (lists.own[key],), comment=comment)


def _both(address: Address) -> tuple[Key, Key]:
    return Key(SUSPENDED, address), Key(NOTICE, address)


def _timeout(list_name: str) -> dict[str, str]:
    return _TIMED if list_name == NOTICE else {}
