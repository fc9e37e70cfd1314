"""Our table in the kernel: reading it, changing its sets, and writing it anew. Blocks; lives in one thread."""

import errno
import os
import shutil
import subprocess
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nfnetlink.nftsocket import NFT_MSG_DELSETELEM, NFT_MSG_GETSETELEM, NFT_MSG_NEWSETELEM

from config.errors import DriverError, MissingRights
from enforcement.nftables.conversation import Conversation, Request, text
from enforcement.nftables.elements import Write, pack, unpack, writes
from enforcement.nftables.events import Watch
from enforcement.nftables.ruleset import (
    TABLE,
    Layout,
    NftSettings,
    SetName,
    elements_text,
    layout_for,
    ruleset_text,
)
from enforcement.nftables.seal import Structure, sealing
from enforcement.planner import carried_out, rebased
from enforcement.state import Address, LineState, Observed, Plan

DUMPS_MAX = 5
"""So often a dump is tried again when somebody wrote meanwhile."""
ASKED_MAX = 500
"""So many differences between a dump and our memory are asked for one by one."""
NFT_TIMEOUT_SECONDS = 120

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
"""An unprivileged PATH often lacks the folders where Debian has `nft`."""
_ELEMENTS_TABLE, _ELEMENTS_SET, _ELEMENTS = 1, 2, 3
_STALE = (errno.ENOENT, errno.EEXIST)
"""The transaction met another state than the plan was made for."""
_BY_KIND = {"notice": LineState.NOTICE, "suspended": LineState.SUSPENDED}


@dataclass(frozen=True, slots=True)
class _Reading:
    observed: Observed
    layout: Layout
    """Empty when there is no table."""


class Table:
    """`table inet hradlo` in the network namespace of the thread that opens it."""

    def __init__(self, settings: NftSettings) -> None:
        self._settings = settings
        self.watch = Watch()
        self._conversation = Conversation()
        self._layout: Layout = frozenset()
        self._known: dict[Address, LineState] | None = None
        """The lines as we last saw or wrote them: a dump that contradicts them is not believed at once."""
        self.garden: frozenset[Address] = frozenset()

    def close(self) -> None:
        self._conversation.close()
        self.watch.close()

    def observe(self) -> Observed:
        """The present state; a dump that contradicts what we know is confirmed by a second look."""
        reading = self._read()
        known = self._known
        if known is not None and reading.layout and reading.observed.lines != known:
            reading = self._confirmed(reading, known)
        observed = reading.observed
        self._layout, self._known, self.garden = reading.layout, dict(observed.lines), observed.garden
        return observed

    def look_at(self, addresses: Collection[Address]) -> dict[Address, LineState]:
        """The present state of a few addresses, asked for one by one."""
        return {address: self._line(address) for address in addresses}

    def apply(self, plan: Plan) -> tuple[str, ...]:
        """Carries out the plan in one transaction; returns notes."""
        if self._known is None:
            self.observe()
        steps = writes(plan)
        if plan.installs or not self._has_sets_for(steps):
            return self._rewrite(plan)
        try:
            self._change(plan, steps)
            return ()
        except NetlinkError as error:
            if error.code not in _STALE:
                raise
        return self._apply_again(plan)

    def _apply_again(self, plan: Plan) -> tuple[str, ...]:
        """Once, from a fresh look: an element was missing, or a set, or the whole table."""
        self.forget()
        seen_now = rebased(plan, self.observe())
        steps = writes(seen_now)
        if not self._has_sets_for(steps):
            return self._rewrite(plan)
        self._change(seen_now, steps)
        return ("the network was not as the plan expected: looked again and carried it out",)

    def forget(self) -> None:
        """After an error: nothing is known, and the socket may hold answers that nobody waits for."""
        self._conversation.close()
        self._conversation = Conversation()
        self._known = None

    @property
    def conversation(self) -> Conversation:
        """For who talks to another table in the same thread (`usage.py`)."""
        return self._conversation

    # Reading

    def _read(self) -> _Reading:
        """One whole look; again when a transaction fell into it, since a dump is no snapshot."""
        for _ in range(DUMPS_MAX):
            before = self._conversation.generation()
            reading = self._dump()
            if self._conversation.generation() == before:
                break
        return reading

    def _dump(self) -> _Reading:
        structure = Structure(self._conversation)
        lines: dict[Address, LineState] = {}
        garden: set[Address] = set()
        for name in sorted(structure.layout):  # notice before suspended: the stricter wins
            addresses = [Address(key, name.prefix_length) for key in self._keys(name)]
            if name.kind == "garden":
                garden.update(addresses)
            else:
                lines.update(dict.fromkeys(addresses, _BY_KIND[name.kind]))
        observed = Observed(lines, frozenset(garden), structure.is_sealed(self._settings))
        return _Reading(observed, structure.layout)

    def _keys(self, name: SetName) -> Iterator[bytes]:
        of_set = {_ELEMENTS_TABLE: text(TABLE), _ELEMENTS_SET: text(str(name))}
        for message in self._conversation.dump(NFT_MSG_GETSETELEM, of_set):
            yield from unpack(message.get(_ELEMENTS, b""), 4 if name.version == 4 else 16)

    def _confirmed(self, reading: _Reading, known: dict[Address, LineState]) -> _Reading:
        """Never reads "missing" as "deleted" in one dump."""
        lines = dict(reading.observed.lines)
        differing = {address for address, _ in lines.items() ^ known.items()}
        if len(differing) > ASKED_MAX:
            return self._agreeing(reading)
        for address, state in self.look_at(differing).items():
            if state is LineState.OPEN:
                lines.pop(address, None)
            else:
                lines[address] = state
        return _Reading(Observed(lines, reading.observed.garden, reading.observed.is_installed), reading.layout)

    def _agreeing(self, reading: _Reading) -> _Reading:
        """The first look that the one before it agrees with."""
        for _ in range(DUMPS_MAX):
            again = self._read()
            if again == reading:
                return again
            reading = again
        raise DriverError("The kernel shows other elements at every look.", "Is another program writing our table?")

    def _line(self, address: Address) -> LineState:
        for state in (LineState.SUSPENDED, LineState.NOTICE):
            if self._conversation.has(NFT_MSG_GETSETELEM, _of(SetName.of_line(address, state), [address.packed])):
                return state
        return LineState.OPEN

    # Writing

    def _has_sets_for(self, steps: list[Write]) -> bool:
        return all(name in self._layout for _, name, _ in steps)

    def _change(self, plan: Plan, steps: list[Write]) -> None:
        """The differences, in one transaction."""
        requests: list[Request] = [
            (NFT_MSG_NEWSETELEM if is_added else NFT_MSG_DELSETELEM, attributes)
            for is_added, name, keys in steps
            for attributes in _lists(name, keys)
        ]
        if requests:
            self._transact(requests)
        self._remember(plan)

    def _transact(self, requests: list[Request]) -> None:
        with self.watch.looking_away(self._conversation.generation):
            self._conversation.transact(requests)

    def _remember(self, plan: Plan) -> None:
        """In place: copying 100,000 lines would take longer than the change itself."""
        known = self._known if self._known is not None else {}
        for change in plan.changes:
            if change.after is LineState.OPEN:
                known.pop(change.address, None)
            else:
                known[change.address] = change.after
        self.garden = (self.garden - set(plan.garden_removed)) | set(plan.garden_added)

    def _rewrite(self, plan: Plan) -> tuple[str, ...]:
        """Rules and elements anew, in one transaction; then the seal."""
        final = carried_out(self.observe(), plan)
        layout = layout_for(final)
        with self.watch.looking_away(self._conversation.generation):
            load(ruleset_text(self._settings, layout) + "".join(elements_text(final)))
        seal = Structure(self._conversation).seal(self._settings)
        self._transact([sealing(seal)])
        self._layout, self._known, self.garden = layout, dict(final.lines), final.garden
        return ("wrote the rules anew",)


def _of(name: SetName, keys: list[bytes]) -> dict[int, bytes]:
    (attributes,) = _lists(name, keys)
    return attributes


def _lists(name: SetName, keys: list[bytes]) -> Iterator[dict[int, bytes]]:
    for packed in pack(keys):
        yield {_ELEMENTS_TABLE: text(TABLE), _ELEMENTS_SET: text(str(name)), _ELEMENTS: packed}


def find_nft() -> str:
    """Where the program is; raises `MissingRights` when it isn't."""
    program = shutil.which("nft", path=_PATH)
    if program is None:
        raise MissingRights("The program nft is missing.", "Install it: apt install nftables")
    return program


def run_nft(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[bytes]:
    """Runs `nft` to its end, whatever it says."""
    return subprocess.run(
        [find_nft(), *arguments],
        input=stdin.encode(),
        capture_output=True,
        timeout=NFT_TIMEOUT_SECONDS,
        env={"PATH": _PATH, "LC_ALL": "C"},
        check=False,
    )


def load(script: str) -> None:
    """Gives a text to `nft`, which carries it out whole or not at all."""
    result = run_nft("-f", "-", stdin=script)
    if b"Operation not permitted" in result.stderr:
        raise PermissionError(errno.EPERM, "nft: Operation not permitted")
    if result.returncode != 0:
        raise DriverError("nft refused our rules, and nothing was changed: " + _first_words(result.stderr))


def _first_words(message: bytes) -> str:
    return " ".join(message.decode(errors="replace").split())[:500]
