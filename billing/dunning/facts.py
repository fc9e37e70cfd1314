"""What is true about one contract, and what follows from it: the values that `rules.decide` maps.

Pure. `Facts` are read from the store in bulk; a `Decision` is written back by `recording.record`.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from billing.money import ZERO, Money


class Stage(StrEnum):
    """Where a contract stands. The line is restricted in NOTICE and SUSPENDED only."""

    CLEAR = "clear"
    REMINDED = "reminded"
    NOTICE = "notice"
    ACKNOWLEDGED = "acknowledged"
    SUSPENDED = "suspended"

    @property
    def line(self) -> str:
        """The state of the contract's line in this stage: `open`, `notice` or `suspended`."""
        return self.value if self in (Stage.NOTICE, Stage.SUSPENDED) else "open"


@dataclass(frozen=True, slots=True)
class InvoiceFact:
    """An invoice of which something is still open (or that makes no sense)."""

    id: int
    number: str
    issued_on: date
    due_on: date
    total: Money
    open: Money


@dataclass(frozen=True, slots=True)
class NoticeFact:
    """The contract's open notice."""

    id: int
    opened_at: datetime
    mailed_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_invoices: frozenset[int] = frozenset()
    """Ids of the invoices that the acknowledged page showed."""
    is_mailable: bool = True
    """The customer has an address that it can be mailed to."""
    is_mail_lost: bool = False
    """The mail was written but never sent (refused, or too old): it starts no clock."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that counts for one contract at one moment."""

    contract_id: int
    contract_number: str
    stage: Stage = Stage.CLEAR
    """As it was last recorded."""
    why: str = ""
    """The event that led to the stage, as it was recorded."""
    unknown_stage: str = ""
    """What was recorded as the stage, where this version knows none of that name; `stage` is then as its line is."""
    parked_why: str = ""
    """As it was last recorded."""
    invoices: tuple[InvoiceFact, ...] = ()
    reminded: frozenset[tuple[int, int]] = frozenset()
    """(invoice id of the anchor, after_days) of every reminder that was sent."""
    notice: NoticeFact | None = None
    promise_until_on: date | None = None
    is_held: bool = False
    is_exempt: bool = False


@dataclass(frozen=True, slots=True)
class Transition:
    """One step that was taken through the table."""

    before: Stage
    event: str
    after: Stage


@dataclass(slots=True)  # not frozen: that takes four times as long to make, and a round makes 100,000
class Decision:
    """What `decide` says: where one contract stands, and what is to be written for it."""

    contract_id: int
    contract_number: str
    stage: Stage
    why: str = ""
    """The event of the table that led here, or the shield that keeps the contract CLEAR; see `rules.WORDS`."""
    debt: Money = ZERO
    """Overdue and open."""
    transitions: tuple[Transition, ...] = ()
    parked: tuple[str, ...] = ()
    """Absurd facts in words; while there are any, the line gets no stricter."""
    suspend_at: datetime | None = None
    """When the running clock ends, moved to a moment at which a suspension may begin."""
    next_look_at: datetime | None = None
    """When the same facts may lead to something else."""
    opens_notice: bool = False
    """After the old one was closed, if both."""
    closes_notice: str = ""
    """Why the open notice ends; empty = it does not."""
    reminder_due: tuple[int, int] | None = None
    """(invoice id of the anchor, after_days)"""
    notice_mail_due: bool = False

    @property
    def is_news(self) -> bool:
        """Something is to be written."""
        return bool(
            self.transitions or self.opens_notice or self.closes_notice or self.reminder_due or self.notice_mail_due
        )
