"""How much one source may ask: requests by GCRA, open connections by counting. Pure: `now` is an argument.

GCRA keeps one number per source: the *theoretical arrival time* (TAT), at which its next request would come if
requests were evenly spaced. A request is allowed while the TAT is at most one burst ahead of now. A source whose
TAT has passed is like one never seen, so it can be forgotten: that bounds the memory.
"""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field

SOURCES_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests evenly spaced, and so many at once."""

    interval_seconds: float
    burst: int

    @classmethod
    def per_minute(cls, requests: int) -> "Rate":
        """A quarter of a minute's requests may come at once."""
        return cls(60 / requests, max(1, requests // 4))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `spend` says: whether the request is allowed, the source's new TAT, and when to come again."""

    is_allowed: bool
    tat: float
    retry_after_seconds: float = 0.0


def spend(rate: Rate, tat: float, now: float) -> Verdict:
    """One request at `now` from a source with this TAT; a refused one costs nothing."""
    ahead = max(tat, now) + rate.interval_seconds - now
    over = ahead - rate.interval_seconds * rate.burst
    if over > 1e-9:  # floats: the burst's last request must not be refused by a rounding error
        return Verdict(False, tat, over)
    return Verdict(True, now + ahead)


@dataclass(slots=True)
class RequestLimit:
    """The TATs of all sources, in bounded memory."""

    rate: Rate
    sources_max: int = SOURCES_MAX
    _tats: dict[Hashable, float] = field(default_factory=dict)

    def ask(self, source: Hashable, now: float) -> Verdict:
        verdict = spend(self.rate, self._tats.get(source, 0.0), now)
        if source not in self._tats and len(self._tats) >= self.sources_max:
            self._forget(now)
        self._tats[source] = verdict.tat
        return verdict

    def _forget(self, now: float) -> None:
        """Drops who is like never seen; if all are busy, the older half: the limit fails open, not the memory."""
        self._tats = {source: tat for source, tat in self._tats.items() if tat > now}
        if len(self._tats) > self.sources_max // 2:
            self._tats = dict(list(self._tats.items())[self.sources_max // 2 :])

    def __len__(self) -> int:
        return len(self._tats)


@dataclass(slots=True)
class ConnectionLimit:
    """Open connections of each source; a half-open request is a connection, too."""

    per_source: int
    _open: Counter[Hashable] = field(default_factory=Counter)

    def enter(self, source: Hashable) -> bool:
        """Counts one more connection, unless the source has its full number."""
        if self._open[source] >= self.per_source:
            return False
        self._open[source] += 1
        return True

    def leave(self, source: Hashable) -> None:
        """One connection that had entered is closed."""
        self._open[source] -= 1
        if not self._open[source]:
            del self._open[source]

    def __len__(self) -> int:
        """Sources with open connections."""
        return len(self._open)
