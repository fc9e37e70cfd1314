"""The only place that reads time.

Everything that decides takes `now` (an aware UTC instant) as an argument; whoever stands at the edge asks a
`Clock`. The demo and the tests move time with a `TestClock`, or, across processes, with an `OffsetClock`.
"""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Where an edge gets its time from."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...

    def boottime_seconds(self) -> float:
        """Seconds since the machine started, asleep or not: what nobody can set."""
        ...

    def passed_seconds(self) -> float:
        """Seconds that really went by since some moment, asleep or not."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def boottime_seconds(self) -> float:
        return _boottime_seconds()

    def passed_seconds(self) -> float:
        return _boottime_seconds()


class TestClock:
    """A clock that stands still until somebody moves it."""

    __test__ = False  # pytest: this is no test class

    def __init__(self, now: datetime) -> None:
        self._boottime_seconds = 0.0
        self._now = datetime.max.replace(tzinfo=UTC)
        self.jump_to(now)

    def now(self) -> datetime:
        return self._now

    def boottime_seconds(self) -> float:
        return self._boottime_seconds

    def passed_seconds(self) -> float:
        return self._boottime_seconds

    def move_to(self, now: datetime) -> None:
        """Time passes until an instant; one that is past makes the clock jump back."""
        before = self._now
        self.jump_to(now)
        self._boottime_seconds += max(0.0, (self._now - before).total_seconds())

    def advance(self, **delta: float) -> None:
        """Moves the clock by a `timedelta`'s arguments, e.g. ``advance(days=1)``."""
        self.move_to(self._now + timedelta(**delta))

    def jump_to(self, now: datetime) -> None:
        """Somebody sets the clock; no time passes."""
        if now.tzinfo is None:
            raise ValueError("a clock needs an aware instant")
        self._now = now.astimezone(UTC)


class OffsetClock:
    """The machine's clock plus the seconds that stand in a file: a test moves a running daemon with it.

    A missing or unreadable file is an offset of zero, so that the clock can be set up after the daemon; so is
    an offset that no date can hold.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        try:
            offset = timedelta(seconds=float(self._path.read_text(encoding="ascii")))
            return datetime.now(UTC) + offset
        except (OSError, ValueError, OverflowError):
            return datetime.now(UTC)

    def boottime_seconds(self) -> float:
        """Time that passed, too: what moves a daemon is no jump of its clock."""
        return _boottime_seconds() + (self.now() - datetime.now(UTC)).total_seconds()

    def passed_seconds(self) -> float:
        """Without what the file adds: a daemon that is moved by days did not sleep that long."""
        return _boottime_seconds()


def _boottime_seconds() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def monotonic_seconds() -> float:
    """Seconds of a clock that never jumps; for intervals and rates only."""
    return time.monotonic()
