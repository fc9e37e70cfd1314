"""What dunning remembers: each contract's stage, reminders, notices, acknowledgements, promises, lines."""

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from billing.money import Money
from billing.store.schema import Amount, Base, Instant, RowId
from config.setting_types import MAIN_SITE


class Standing(Base):
    """The stage that a contract is in; no row means CLEAR. Its history is in the journal."""

    __tablename__ = "standing"

    contract_id: Mapped[int] = mapped_column(ForeignKey("contract.id"), primary_key=True)
    stage: Mapped[str] = mapped_column(String(20), index=True)
    why: Mapped[str] = mapped_column(String(40))
    """The event of the table in `rules.py` that led here."""
    since_at: Mapped[datetime] = mapped_column(Instant)
    parked_why: Mapped[str] = mapped_column(Text, default="")
    """Absurd facts, in words; while there are any, the line gets no stricter."""


class Line(Base):
    """What the network does to a contract's addresses at one site; no row means open. Written after it was done."""

    __tablename__ = "line"

    contract_id: Mapped[int] = mapped_column(ForeignKey("contract.id"), primary_key=True)
    site: Mapped[str] = mapped_column(String(40), primary_key=True, default=MAIN_SITE, server_default=MAIN_SITE)
    state: Mapped[str] = mapped_column(String(20), index=True)
    """`notice` or `suspended`."""
    since_at: Mapped[datetime] = mapped_column(Instant)


class Reminder(Base):
    """A reminder that was written to the outbox."""

    __tablename__ = "reminder"
    __table_args__ = (UniqueConstraint("contract_id", "anchor_invoice_id", "after_days"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    contract_id: Mapped[int] = mapped_column(ForeignKey("contract.id"))
    anchor_invoice_id: Mapped[int] = mapped_column(ForeignKey("invoice.id"))
    """The oldest overdue invoice then: reminders are counted from it."""
    after_days: Mapped[int]
    at: Mapped[datetime] = mapped_column(Instant)


class Notice(Base):
    """One notice to one contract, from the first redirect to the end of its debt; at most one is open."""

    __tablename__ = "notice"
    __table_args__ = (
        Index(
            "uq_notice_open",
            "contract_id",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    contract_id: Mapped[int] = mapped_column(ForeignKey("contract.id"), index=True)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    mailed_at: Mapped[datetime | None] = mapped_column(Instant)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    closed_why: Mapped[str] = mapped_column(String(40), default="")


class Showing(Base):
    """A notice page was shown: evidence, not a state. One row per notice, source address and text."""

    __tablename__ = "showing"
    __table_args__ = (UniqueConstraint("notice_id", "source_address", "text_sha256"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    notice_id: Mapped[int] = mapped_column(ForeignKey("notice.id"))
    at: Mapped[datetime] = mapped_column(Instant)
    source_address: Mapped[str] = mapped_column(String(45))
    user_agent: Mapped[str] = mapped_column(String(300), default="")
    text_sha256: Mapped[str] = mapped_column(String(64))


class Acknowledgement(Base):
    """ "I have read this": once per notice, with exactly what was shown. Never changed."""

    __tablename__ = "acknowledgement"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    notice_id: Mapped[int] = mapped_column(ForeignKey("notice.id"), unique=True)
    at: Mapped[datetime] = mapped_column(Instant)
    source_address: Mapped[str] = mapped_column(String(45))
    user_agent: Mapped[str] = mapped_column(String(300), default="")
    language: Mapped[str] = mapped_column(String(2))
    text: Mapped[str] = mapped_column(Text)
    """The words of the page, as they were shown."""
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)


class AcknowledgedInvoice(Base):
    """An invoice that the acknowledged notice showed, and how much of it was open then."""

    __tablename__ = "acknowledged_invoice"

    acknowledgement_id: Mapped[int] = mapped_column(ForeignKey("acknowledgement.id"), primary_key=True)
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoice.id"), primary_key=True)
    open: Mapped[Money] = mapped_column(Amount)


class Promise(Base):
    """ "Not before this date": the latest one that was not released counts."""

    __tablename__ = "promise"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    contract_id: Mapped[int] = mapped_column(ForeignKey("contract.id"), index=True)
    until_on: Mapped[date]
    """The last day that is protected."""
    why: Mapped[str] = mapped_column(Text, default="")
    made_by: Mapped[str] = mapped_column(String(100))
    made_at: Mapped[datetime] = mapped_column(Instant)
    released_at: Mapped[datetime | None] = mapped_column(Instant)


class BrakeHold(Base):
    """A reason for which nobody was newly restricted, and how long it lasted."""

    __tablename__ = "brake_hold"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    why: Mapped[str] = mapped_column(String(20))
    line: Mapped[str] = mapped_column(String(20), default="")
    """`notice` or `suspended`: what is held; empty = both."""
    words: Mapped[str] = mapped_column(Text)
    """The reason in words, as it was at first."""
    gateway: Mapped[str] = mapped_column(String(100), default="")
    """Which machine's engine says so; others may see no reason (another version, another settings file)."""
    since_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant, index=True)
    release_id: Mapped[int | None] = mapped_column(ForeignKey("brake_release.id"))
    """Who ended it; none when the reason went away."""


class BrakeRelease(Base):
    """A person looked at what was held, and let it happen. Never changed."""

    __tablename__ = "brake_release"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant)
    until_at: Mapped[datetime] = mapped_column(Instant)
    """What has not happened by then is held again."""
    actor: Mapped[str] = mapped_column(String(100))
    why: Mapped[str] = mapped_column(Text, default="")
    checksum: Mapped[str] = mapped_column(String(12))
    version: Mapped[str] = mapped_column(String(40))
    """The Hradlo that the person saw decide."""
    policy_sha256: Mapped[str] = mapped_column(String(64))
    """The rules and limits that it decided by."""


class Released(Base):
    """One contract of a release, and how far its line may be restricted."""

    __tablename__ = "brake_released"

    release_id: Mapped[int] = mapped_column(ForeignKey("brake_release.id"), primary_key=True)
    contract_id: Mapped[int] = mapped_column(ForeignKey("contract.id"), primary_key=True)
    line: Mapped[str] = mapped_column(String(20))


class Run(Base):
    """Restrictions that were decided together: what `hradlo undo` takes back."""

    __tablename__ = "restriction_run"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant)
    undone_at: Mapped[datetime | None] = mapped_column(Instant)


class Restriction(Base):
    """One contract whose line a run made stricter."""

    __tablename__ = "restriction"
    __table_args__ = (Index("ix_restriction_at_line", "at", "line"),)

    run_id: Mapped[int] = mapped_column(ForeignKey("restriction_run.id"), primary_key=True)
    contract_id: Mapped[int] = mapped_column(ForeignKey("contract.id"), primary_key=True)
    line: Mapped[str] = mapped_column(String(20))
    """`notice` or `suspended`"""
    at: Mapped[datetime] = mapped_column(Instant)
    is_released: Mapped[bool]
    """A person had released it: it does not count against the limits."""
