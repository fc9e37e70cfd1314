"""The audit journal and the mail outbox."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, SmallInteger, String, Text
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from billing.store.schema import Base, Instant, RowId


class JournalEntry(Base):
    """One thing that somebody did, chained to the one before by its hash. Never updated, never deleted.

    It is the change feed, too: whoever must look again reads which contracts have entries after the last
    one it saw, so ids grow in the order of commits (see `journal.append`).
    """

    __tablename__ = "journal"
    __table_args__ = (Index("ix_journal_contract_id_id", "contract_id", "id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant)
    actor: Mapped[str] = mapped_column(String(100))
    """`engine`, `web`, `admin:NAME`, `subscriber`, `bank`."""
    action: Mapped[str] = mapped_column(String(60))
    """For example `notice.acknowledged`, `payment.matched`, `stage.changed`."""
    contract_id: Mapped[int | None] = mapped_column(ForeignKey("contract.id"))
    detail: Mapped[str] = mapped_column(Text)
    """Canonical JSON: sorted keys, no spaces; it is what the hash covers."""
    why: Mapped[str] = mapped_column(Text, default="")
    hash: Mapped[str] = mapped_column(String(64), unique=True)


_WAITING = sql("sent_at IS NULL AND failed_at IS NULL")
_LEASED = sql("lease_until IS NOT NULL")


class Mail(Base):
    """A mail that is to be sent, written in the transaction of its cause."""

    __tablename__ = "outbox"
    __table_args__ = (
        # Small whatever was ever sent: what waits, in the order in which it goes, and what is under way.
        Index("ix_outbox_waiting", "priority", "next_try_at", "id", sqlite_where=_WAITING, postgresql_where=_WAITING),
        Index("ix_outbox_leased", "lease_until", sqlite_where=_LEASED, postgresql_where=_LEASED),
        Index("ix_outbox_sent_at", "sent_at"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    dedup_key: Mapped[str] = mapped_column(String(200), unique=True)
    """Says what the mail is, e.g. `reminder:42:3:1001`; a second one of the kind is not written."""
    contract_id: Mapped[int | None] = mapped_column(ForeignKey("contract.id"), index=True)
    kind: Mapped[str] = mapped_column(String(30))
    """`reminder`, `notice`, `suspended`, `restored`, `invoice`, `credit_note`, `payment_received`, `password_link` …"""
    priority: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    """0 goes first; see `outbox.PRIORITIES`."""
    message_id: Mapped[str] = mapped_column(String(200), unique=True)
    recipient: Mapped[str] = mapped_column(String(320))
    subject: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    """Empty, as `html` is, of a mail that encloses a document: then it is written at the first try, from the
    document, and kept for the next ones."""
    html: Mapped[str] = mapped_column(Text)
    qr_payment: Mapped[str] = mapped_column(Text, default="")
    """What the QR code of the mail says; the picture is made when the mail is sent."""
    attaches: Mapped[str] = mapped_column(String(10), default="", server_default=sql("''"))
    """The number of the document that goes with it, as PDF and ISDOC made when the mail is sent."""
    created_at: Mapped[datetime] = mapped_column(Instant)
    next_try_at: Mapped[datetime] = mapped_column(Instant)
    lease_until: Mapped[datetime | None] = mapped_column(Instant)
    tries: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str] = mapped_column(Text, default="")
    sent_at: Mapped[datetime | None] = mapped_column(Instant)
    failed_at: Mapped[datetime | None] = mapped_column(Instant)
    """The server refused it for good; a person must look."""
    dismissed_at: Mapped[datetime | None] = mapped_column(Instant)
    """A person has looked at the failed mail, and nothing more is to be done."""
