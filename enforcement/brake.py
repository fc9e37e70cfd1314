"""The brake: whether restrictions that were decided may be carried out, or a person must look first. Pure.

A wrong import, a wrong setting or a wrong clock looks like a thousand people who did not pay. So before anybody's line
gets stricter, `judge` looks at all that is proposed of one kind (notices, suspensions) and at what is known about the
facts. It answers `Go`, or `Held` with every reason; and then nothing of that kind happens: not "the first two per
cent", which would pick victims by their ids.

What it counts is decisions: contracts that are newly to be noticed or suspended, and that no person released. A router
that rebooted and is told the same again is no decision. What gives a line back never comes here.

Precedents: Google Cloud Directory Sync and Entra Connect (stop before the first deletion when there are too many, a
person confirms), octoDNS (a share, but at least ten records, and a checksum).
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from config.counting import counted
from enforcement.state import LineState


class Why(StrEnum):
    """Why something is held. The value is what the database and the metrics call it."""

    VOLUME = "volume"
    STALE = "stale"
    GAP = "gap"
    THIN = "thin"
    PARKED = "parked"
    FIRST = "first"
    UPGRADED = "upgraded"
    POLICY = "policy"
    RESTORED = "restored"
    UNSEEN = "unseen"
    DOWNTIME = "downtime"
    CLOCK = "clock"
    MANUAL = "manual"
    MONITOR = "monitor"
    UNREADABLE = "unreadable"


NEEDS_A_PERSON = frozenset({Why.RESTORED, Why.UNSEEN, Why.DOWNTIME, Why.MANUAL, Why.UNREADABLE})
"""What happened once and is over only when a person says so; the others last as long as they are true."""
LASTS_THROUGH_A_RELEASE = frozenset({Why.VOLUME, Why.STALE, Why.GAP, Why.THIN, Why.PARKED})
"""What a person who releases knows and takes the blame for; any other reason came up after the release."""
FREEZES_THE_NETWORK = frozenset({Why.RESTORED, Why.UNSEEN, Why.UNREADABLE, Why.MONITOR})
"""Then what was decided before is doubtful, too: even a restriction that was in force is not written again."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason, in words for the admin."""

    why: Why
    words: str

    def __str__(self) -> str:
        return f"{self.why}: {self.words}"


class Proposal(NamedTuple):
    """One contract's line is to become stricter."""

    contract_id: int
    contract: str
    line: LineState
    debt: str
    why: str


@dataclass(frozen=True, slots=True)
class History:
    """What there is to compare with."""

    restricted: Mapping[LineState, int] = field(default_factory=dict)
    """Decisions of each kind in the last 24 hours that no person released."""
    open_lines: int = 0
    contracts: int = 0
    parked: int = 0


@dataclass(frozen=True, slots=True)
class Freshness:
    """How much is known of what was paid."""

    age_days: int | None = 0
    """Working days since the last day that the bank's statements cover; None = there never was a statement."""
    gaps: tuple[str, ...] = ()
    """Statements that are missing between others, in words."""
    thin: tuple[str, ...] = ()
    """Days with suspiciously few payments, in words."""


@dataclass(frozen=True, slots=True)
class Limits:
    """See `[brake]` of the settings."""

    suspensions: int = 10
    suspensions_percent: int = 2
    notices: int = 50
    notices_percent: int = 10
    parked: int = 5
    parked_percent: int = 1
    statement_age_days: int = 3
    """0 = payments come another way, and the bank's statements are not asked about."""

    def volume(self, line: LineState, open_lines: int) -> int:
        """So many decisions of a kind in 24 hours."""
        if line is LineState.SUSPENDED:
            return max(self.suspensions, open_lines * self.suspensions_percent // 100)
        return max(self.notices, open_lines * self.notices_percent // 100)


@dataclass(frozen=True, slots=True)
class Go:
    """What is proposed may be carried out."""


@dataclass(frozen=True, slots=True)
class Held:
    """Nothing of the kind happens before a person released it, or the reasons are gone."""

    reasons: tuple[Reason, ...]


WORDS = {LineState.NOTICE: "notice", LineState.SUSPENDED: "suspension"}


def judge(
    proposed: int, line: LineState, history: History, freshness: Freshness, novelty: Sequence[Reason], limits: Limits
) -> Go | Held:
    """What becomes of `proposed` new restrictions of one kind; `novelty`: what has changed since a person looked."""
    reasons = [
        *novelty,
        *_of_volume(proposed, line, history, limits),
        *_of_freshness(freshness, limits),
        *_of_sanity(history, limits),
    ]
    return Held(tuple(reasons)) if reasons else Go()


def _of_volume(proposed: int, line: LineState, history: History, limits: Limits) -> Iterable[Reason]:
    before, allowed = history.restricted.get(line, 0), limits.volume(line, history.open_lines)
    if proposed and proposed + before > allowed:
        yield Reason(
            Why.VOLUME,
            f"{counted(proposed, f'new {WORDS[line]}')} and {before} in the last 24 hours are more than {allowed}, "
            f"the limit for {counted(history.open_lines, 'open line')}",
        )


def _of_freshness(freshness: Freshness, limits: Limits) -> Iterable[Reason]:
    if not limits.statement_age_days:
        return
    if freshness.age_days is None:
        yield Reason(Why.STALE, "no bank statement was ever imported, so nobody can have paid")
    elif freshness.age_days > limits.statement_age_days:
        yield Reason(
            Why.STALE,
            f"the last bank statement is {counted(freshness.age_days, 'working day')} old, "
            f"more than {limits.statement_age_days}",
        )
    yield from (Reason(Why.GAP, words) for words in freshness.gaps)
    yield from (Reason(Why.THIN, words) for words in freshness.thin)


def _of_sanity(history: History, limits: Limits) -> Iterable[Reason]:
    allowed = max(limits.parked, history.contracts * limits.parked_percent // 100)
    if history.parked > allowed:
        yield Reason(
            Why.PARKED,
            f"{history.parked} of {history.contracts} contracts are parked for absurd facts, more than {allowed}: "
            "something is wrong with all of them",
        )


def checksum(proposals: Iterable[Proposal], reasons: Iterable[Reason]) -> str:
    """12 hex digits that change whenever somebody is added or left out, a debt changes, or a new kind of reason."""
    lines = sorted(f"{each.line} {each.contract} {each.debt}" for each in proposals)
    whys = sorted({str(reason.why) for reason in reasons})
    return hashlib.sha256("\n".join((*whys, *lines)).encode()).hexdigest()[:12]
