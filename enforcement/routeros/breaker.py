"""When an unreachable router is tried again: later and later, never at once with others, and never by everybody.

Pure but for its dice: time comes in as an argument.
"""

import random
from dataclasses import dataclass, field

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
LOGIN_PAUSE_SECONDS = 60.0
"""A refused password does not get better by trying; some routers lock out who tries too often."""


@dataclass
class Breaker:
    """Open after a failure until the pause is over; then one try decides."""

    dice: random.Random = field(default_factory=random.Random)
    failures: int = 0
    reason: str = ""
    _again_at: float = 0.0

    def pause_seconds(self, now: float) -> float:
        """How long nobody may try; 0 = try."""
        return max(0.0, self._again_at - now) if self.failures else 0.0

    def failed(self, reason: str, now: float, *, is_login: bool = False) -> None:
        """A connection failed: the pause doubles, less up to a half of it, so that many are not tried in step."""
        doubled = min(FIRST_PAUSE_SECONDS * 2.0**self.failures, LONGEST_PAUSE_SECONDS)
        longest = LOGIN_PAUSE_SECONDS if is_login else doubled
        self._again_at = now + longest * self.dice.uniform(0.5, 1.0)
        self.failures = min(self.failures + 1, 30)
        self.reason = reason

    def succeeded(self) -> None:
        self.failures, self.reason = 0, ""
