"""What this gateway last saw, kept outside of the database: it notices a restored database, a long sleep, a set clock.

A database can't know that it is yesterday's copy of itself. So every look leaves a note in `witness.json` in the state
directory: the newest entry of the journal then, the time, and the machine's uptime. The next look compares:

    the entry is not there, or is another one   the database was restored, or somebody rewrote the journal
    there is no note                            this gateway never looked at this database, or lost its memory
    the note is a day old                       nobody looked for a day: whatever came in meanwhile came in unseen
    the clock went another way than the uptime  somebody set the clock; it is believed again after ten minutes

A machine that was suspended has an uptime that went on (CLOCK_BOOTTIME), so its note is old. Of a virtual machine that
was paused the uptime may have stood still: that looks like a clock that was set ahead, and by more than a day it needs
a person, too.
"""

import json
import os
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from billing.store import journal
from config.clock import Clock
from config.errors import NotAllowed, Problem
from enforcement.brake import Reason, Why

FILE_NAME = "witness.json"
JUMP_SECONDS = 60.0
SANE_AFTER_SECONDS = 600.0
ASLEEP_MAX = timedelta(hours=24)
"""A clock that was set by more than that is believed when a person says so, not by itself."""
ABSURDLY_LONG = timedelta(days=60)
"""Then it is rather the clock that is wrong."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One look, as the note has it."""

    at: datetime
    boottime_seconds: float
    mark: journal.Mark

    def as_text(self) -> str:
        note = {
            "at": self.at.isoformat(),
            "boottime_seconds": round(self.boottime_seconds, 3),
            "journal_id": self.mark.id,
            "journal_hash": self.mark.hash,
        }
        return json.dumps(note, indent=1) + "\n"

    @classmethod
    def of_text(cls, text: str) -> "Sight":
        """Raises `ValueError` for a note that can't be read."""
        try:
            note = json.loads(text)
            at, mark = datetime.fromisoformat(note["at"]), journal.Mark(int(note["journal_id"]), note["journal_hash"])
            seconds = float(note["boottime_seconds"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{error!r}") from error
        if at.tzinfo is None or not isinstance(mark.hash, str):
            raise ValueError("a time without a zone, or no hash")
        return cls(at, seconds, mark)


@dataclass(slots=True)
class _Doubt:
    """The clock was set."""

    from_offset: float
    """Clock minus uptime, in seconds, when it was believed."""
    offset: float
    since_boottime: float
    """The uptime since when the clock has gone on as it is."""


class Witness:
    """One gateway's memory of its last look. `look` compares, `note` writes."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._path = directory / FILE_NAME
        self._clock = clock
        self._believed_offset: float | None = None
        self._doubt: _Doubt | None = None
        self._sight: Sight | None = None
        """Of this process; before its first note, the file has that of another."""
        self._noted_at_seconds = 0.0
        """When this process noted it, by `passed_seconds`."""

    async def look(self, session: AsyncSession, *, is_first: bool) -> list[Reason]:
        """What is to be doubted; `is_first`: nobody ever released anything, so there is nothing to remember."""
        try:
            sight = self._sight or self._read()
        except (OSError, ValueError) as error:
            self._check_clock(None)
            return [Reason(Why.UNREADABLE, f"{self._path} can't be read ({error})")]
        if doubt := self._check_clock(sight):
            return [doubt]
        if sight is None:
            words = "this gateway never looked at this database before, or lost its memory of it"
            return [] if is_first else [Reason(Why.UNSEEN, words)]
        return [*self._asleep(sight), *await _restored(session, sight)]

    def note(self, mark: journal.Mark) -> None:
        """Remembers this look; not while the clock is in doubt. Raises `OSError`."""
        if self._doubt is not None:
            return
        sight = Sight(self._clock.now(), self._clock.boottime_seconds(), mark)
        self._write(sight.as_text())
        self._sight, self._noted_at_seconds = sight, self._clock.passed_seconds()

    def accept_clock(self) -> None:
        """A person says that it is right."""
        self._doubt, self._believed_offset = None, self._offset
        if self._sight is not None:  # nobody slept for as long as the clock was set by, or was in doubt
            self._sight = replace(self._sight, at=self._clock.now(), boottime_seconds=self._clock.boottime_seconds())
            self._noted_at_seconds = self._clock.passed_seconds()

    @property
    def is_clock_doubtful(self) -> bool:
        return self._doubt is not None

    # ── the clock ───────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _offset(self) -> float:
        return self._clock.now().timestamp() - self._clock.boottime_seconds()

    def _check_clock(self, sight: Sight | None) -> Reason | None:
        offset, boottime = self._offset, self._clock.boottime_seconds()
        if self._believed_offset is None:
            self._believed_offset = self._offset_of(sight) if sight else offset
        if self._doubt is None:
            if abs(offset - self._believed_offset) <= JUMP_SECONDS:
                self._believed_offset = offset  # it is set right all the time, a little
                return None
            self._doubt = _Doubt(self._believed_offset, offset, boottime)
        doubt = self._doubt
        if abs(offset - doubt.offset) > JUMP_SECONDS:
            doubt.offset, doubt.since_boottime = offset, boottime
        jumped = timedelta(seconds=round(offset - doubt.from_offset))
        is_small = abs(jumped) <= ASLEEP_MAX
        if is_small and boottime - doubt.since_boottime >= SANE_AFTER_SECONDS:
            self.accept_clock()
            return None
        until = "it has gone on well for ten minutes" if is_small else "a person says that it is right"
        return Reason(Why.CLOCK, f"the clock was set by {_words(jumped)}; it is not believed until {until}")

    def _offset_of(self, sight: Sight) -> float:
        """What clock minus uptime should be after a note; a machine that was started since has another uptime."""
        passed = (self._clock.now() - sight.at).total_seconds()
        boottime = self._clock.boottime_seconds()
        may_have_started_since = boottime - JUMP_SECONDS <= passed <= ABSURDLY_LONG.total_seconds()
        if may_have_started_since and abs(passed - (boottime - sight.boottime_seconds)) > JUMP_SECONDS:
            return self._offset
        if boottime < sight.boottime_seconds:  # started since, and the clock says that it was before, or years ago
            return sight.at.timestamp() - boottime
        return sight.at.timestamp() - sight.boottime_seconds

    def _asleep(self, sight: Sight) -> list[Reason]:
        passed = self._clock.now() - sight.at
        if sight is self._sight:
            passed = timedelta(seconds=self._clock.passed_seconds() - self._noted_at_seconds)
        if passed <= ASLEEP_MAX:
            return []
        return [
            Reason(Why.DOWNTIME, f"nothing was looked at for {_words(passed)}, since {sight.at:%Y-%m-%d %H:%M} UTC")
        ]

    # ── the note ────────────────────────────────────────────────────────────────────────────────────────────────

    def _read(self) -> Sight | None:
        try:
            return Sight.of_text(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def _write(self, text: str) -> None:
        """Whole or not at all, also when the power fails; readable and replaceable by who owns the folder."""
        unfinished = self._path.with_name(f".{FILE_NAME}.{os.getpid()}")
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o640)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if os.geteuid() == 0:
                folder = self._path.parent.stat()
                os.fchown(file.fileno(), folder.st_uid, folder.st_gid)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._path)


def last_sight(directory: Path) -> Sight | None:
    """What the engine of this gateway noted last; none where none ever looked, or its note can't be read."""
    try:
        return Sight.of_text((directory / FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def require_believed_clock(directory: Path, clock: Clock) -> None:
    """Raises `NotAllowed` when the note of an engine *that is running* is more than a day away from the clock.

    It notes what it sees every half a minute, unless it doubts the clock. For what keeps its dates for good.
    """
    sight = last_sight(directory)
    if sight is None or abs(clock.now() - sight.at) <= ASLEEP_MAX:
        return
    set_by = _words(clock.now() - sight.at)
    raise NotAllowed(
        f"The clock was set by {set_by}, so the engine believes it no more, and nobody said that it is right.",
        "Set it right; if it is, say so: `hradlo brake show`, `hradlo brake release`.",
    )


def stay_awake(directory: Path, clock: Clock) -> None:
    """For a time-lapse: as if somebody had looked all the while until now."""
    path = directory / FILE_NAME
    if path.exists():
        mark = Sight.of_text(path.read_text(encoding="utf-8")).mark
        path.write_text(Sight(clock.now(), clock.boottime_seconds(), mark).as_text(), encoding="utf-8")


async def verify(session: AsyncSession, sight: Sight | None) -> list[Problem]:
    """Whether the newest entry that this gateway saw is still there; it tells when entries were cut off at the end."""
    if sight is None or await _is_there(session, sight):
        return []
    words = f"row {sight.mark.id}, which this gateway saw at {sight.at:%Y-%m-%d %H:%M} UTC, is not there, or is another"
    return [Problem("journal", f"{words}: rows were cut off at the end, or the database was restored")]


async def _restored(session: AsyncSession, sight: Sight) -> list[Reason]:
    if await _is_there(session, sight):
        return []
    words = (
        f"journal entry {sight.mark.id}, which was there at {sight.at:%Y-%m-%d %H:%M} UTC, is not in the database: "
        "it was restored from a backup, and what happened since is missing, payments too"
    )
    return [Reason(Why.RESTORED, words)]


async def _is_there(session: AsyncSession, sight: Sight) -> bool:
    return not sight.mark.id or await journal.has(session, sight.mark)


def _words(length: timedelta) -> str:
    sign, seconds = ("-" if length < timedelta(0) else ""), int(abs(length).total_seconds())
    if seconds >= 2 * 86_400:
        return f"{sign}{seconds // 86_400} days"
    return f"{sign}{seconds // 3600} h {seconds % 3600 // 60} min"
