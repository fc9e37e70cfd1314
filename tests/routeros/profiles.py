"""How RouterOS versions differ, as far as a client notices."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """One version."""

    version: str
    """As `/system/resource` prints it."""
    answers_empty: bool = False
    """`!empty` before `!done` when a print has no row: 7.18 and later."""
    has_challenge: bool = False
    """A bare `/login` answers a challenge for md5: before 6.43, gone above 6.45.1."""
    tag_is_last: bool = False
    """Where `.tag` stands in a reply: the second word (seen on 7.x), or the last (seen on 5.x and 6.1)."""
    has_iso_dates: bool = False
    """2026-11-28 instead of nov/28/2026: 7.10 and later."""
    is_v6: bool = False

    @property
    def number(self) -> str:
        """Without the channel: 7.18.2."""
        return self.version.split()[0]


PROFILES = {
    "6.42": Profile("6.42.12 (long-term)", has_challenge=True, tag_is_last=True, is_v6=True),
    "6.49": Profile("6.49.18 (long-term)", tag_is_last=True, is_v6=True),
    "7.12": Profile("7.12.2 (stable)", has_iso_dates=True),
    "7.18": Profile("7.18.2 (stable)", answers_empty=True, has_iso_dates=True),
    "7.22": Profile("7.22.1 (stable)", answers_empty=True, has_iso_dates=True),
}
