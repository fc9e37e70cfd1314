"""The exception tree: every error that Hradlo raises on purpose.

    HradloError                 what went wrong, and the remedy
    ├── SettingsError           hradlo.toml is wrong: every problem with its place
    ├── StoreError              the database can't be used as it is
    │   ├── StoreAway           its server does not answer; it may soon
    │   ├── DatabaseTooNew      it was written by a newer Hradlo
    │   ├── DatabaseTooOld      it waits for `hradlo upgrade`
    │   └── JournalBroken       the audit journal does not verify: names the first bad row
    ├── InputRejected           a file was refused whole: every bad row with line and column
    │   ├── StatementRejected   a bank statement that can't be read or does not add up
    │   └── CallsRejected       call records that can't be read or contradict themselves
    ├── BankUnreachable         the bank gave no statement: says why, never where
    ├── NotFound                no such contract, invoice, payment
    ├── NotAllowed              a rule forbids it: says which
    ├── ClockBehind             the clock stands far before what the journal knows
    ├── DocumentFailed          an invoice could not be made into a file
    └── DriverError             the network could not be observed or changed
        └── MissingRights       the process lacks a right: says which, and how to get it

Messages are written for the admin who reads them at a terminal. What a subscriber or a customer sees is
chosen in `portal/`, never taken from an exception.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

HIDDEN = "[redacted]"
_PASSWORD_IN_URL = re.compile(r"(\w://[^\s:/@]*):[^\s@/]+@")


def without_password(text: str) -> str:
    """A text in which every ``scheme://user:password@host`` has lost its password."""
    return _PASSWORD_IN_URL.sub(rf"\1:{HIDDEN}@", text)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in somebody's input, with the place where it stands."""

    place: str
    """For example ``line 7, column due_on`` or ``[dunning] grace_days``."""
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class HradloError(Exception):
    """Base of all; `remedy` says what to do next, in one sentence, and may be empty."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class _ProblemList(HradloError):
    """An error made of problems: all of them at once, so that one round of mending is enough."""

    def __init__(self, what: str, problems: Sequence[Problem], remedy: str = "") -> None:
        self.problems = tuple(problems)
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(f"{what}{lines}\n" if lines and remedy else f"{what}{lines}", remedy)


class SettingsError(_ProblemList):
    """`hradlo.toml` is wrong."""


class InputRejected(_ProblemList):
    """A file was refused whole; nothing of it was stored."""


class StatementRejected(InputRejected):
    """A bank statement can't be read, or its sums do not check; nothing of it was stored."""


class CallsRejected(InputRejected):
    """Call records can't be read, or contradict themselves; nothing of them was stored."""


class StoreError(HradloError):
    """The database can't be used as it is."""


class StoreAway(StoreError):
    """The database's server does not answer, and may soon."""


class DatabaseTooNew(StoreError):
    """The database was written by a newer Hradlo than this one."""


class DatabaseTooOld(StoreError):
    """An older Hradlo wrote the database, and nobody has upgraded it yet."""


class JournalBroken(StoreError):
    """The audit journal does not verify."""


class BankUnreachable(HradloError):
    """The bank gave no statement. Its address is a secret (a token stands in it) and is never in the message."""


class NotFound(HradloError):
    """No such contract, invoice or payment."""


class NotAllowed(HradloError):
    """A rule forbids it."""


class ClockBehind(HradloError):
    """The clock stands far before what the journal knows."""


class DocumentFailed(HradloError):
    """An invoice could not be made into a file."""


class DriverError(HradloError):
    """The network could not be observed or changed."""


class MissingRights(DriverError):
    """The process lacks a right that the driver needs."""
