"""Numbers with their credit, price decks, holds, calls, and what was topped up.

Amounts of calls are `Credit` (ten-thousandths), amounts of topping up are `Money`. What of it never changes once it is
written (decks, rated calls, top-ups, corrections) is kept so by triggers of the database.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, or_, text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from billing.money import ZERO, Money
from billing.store.schema import Amount, Base, Instant, RowId
from billing.voip.credit import NONE, Credit


class CreditAmount(TypeDecorator[Credit]):
    """Credit as a BIGINT of ten-thousandths."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Credit | None, dialect: Dialect) -> int | None:
        return None if value is None else value.e4

    def process_result_value(self, value: Any, dialect: Dialect) -> Credit | None:
        return None if value is None else Credit(int(value))


class VoipNumber(Base):
    """A telephone number of a contract, with its credit."""

    __tablename__ = "voip_number"
    __table_args__ = (
        CheckConstraint("state IN ('active', 'blocked', 'closed')", name="state"),
        CheckConstraint("reserved >= 0", name="reserved"),
        CheckConstraint("balance - reserved >= 0", name="balance"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    number: Mapped[str] = mapped_column(String(16), unique=True)
    """E.164 with its +."""
    ending: Mapped[str] = mapped_column(String(3), index=True)
    """The last three digits, which log in."""
    contract_id: Mapped[int] = mapped_column(ForeignKey("contract.id"), index=True)
    deck: Mapped[str] = mapped_column(String(40))
    """The name of the price decks that count for it: its tariff."""
    state: Mapped[str] = mapped_column(String(10), default="active", server_default="active")
    """`active`; `blocked`: only free and emergency calls; `closed`: only emergency calls, and no log-in."""
    password_hash: Mapped[str] = mapped_column(String(200), default="", server_default=text("''"))
    balance: Mapped[Credit] = mapped_column(CreditAmount, default=NONE, server_default="0")
    """Top-ups and corrections less what calls were charged."""
    reserved: Mapped[Credit] = mapped_column(CreditAmount, default=NONE, server_default="0")
    """The open holds: what calls that are going on may cost."""
    low_since_at: Mapped[datetime | None] = mapped_column(Instant)
    """Since when the balance is below the threshold; the mail goes out once for each time."""
    stated_until: Mapped[str] = mapped_column(String(7), default="", server_default=text("''"))
    """The last month whose statement of calls is done, like 2026-11."""
    created_at: Mapped[datetime] = mapped_column(Instant)


class VoipDeck(Base):
    """A price list as it was imported. It counts from its day until the next one of the same name; never changes."""

    __tablename__ = "voip_deck"
    __table_args__ = (Index("ix_voip_deck_name_valid_from_at", "name", "valid_from_at"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    version: Mapped[str] = mapped_column(String(32), unique=True)
    """Random: unlike `id` it names one deck in all databases, so a deck in memory can't be mistaken for another."""
    name: Mapped[str] = mapped_column(String(40))
    valid_from_at: Mapped[datetime] = mapped_column(Instant)
    """Midnight of the ISP's zone. Of several with the same instant the one imported last counts."""
    source: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    """Of the file."""
    imported_at: Mapped[datetime] = mapped_column(Instant)
    imported_by: Mapped[str] = mapped_column(String(100))


class VoipRate(Base):
    """The price of calls to one prefix, VAT included."""

    __tablename__ = "voip_rate"
    __table_args__ = (
        UniqueConstraint("deck_id", "prefix"),
        CheckConstraint("price_per_minute >= 0 AND connect >= 0", name="price"),
        CheckConstraint("first_seconds >= 1 AND step_seconds >= 1", name="seconds"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    deck_id: Mapped[int] = mapped_column(ForeignKey("voip_deck.id"))
    prefix: Mapped[str] = mapped_column(String(20))
    """Digits without +; `short:1188` of a national short number."""
    destination: Mapped[str] = mapped_column(String(120))
    price_per_minute: Mapped[Credit] = mapped_column(CreditAmount)
    connect: Mapped[Credit] = mapped_column(CreditAmount)
    first_seconds: Mapped[int]
    step_seconds: Mapped[int]


class VoipHold(Base):
    """Credit set aside for a call that is going on; settled by its record, or freed when it expires."""

    __tablename__ = "voip_hold"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'settled', 'expired')", name="state"),
        CheckConstraint("amount >= 0", name="amount"),
        Index(
            "ix_voip_hold_open",
            "expires_at",
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        Index("ix_voip_hold_number_id", "number_id"),
        Index("ix_voip_hold_ended_at", "ended_at"),
    )

    call_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    """As the exchange names the call, and its record later."""
    number_id: Mapped[int] = mapped_column(ForeignKey("voip_number.id"))
    called: Mapped[str] = mapped_column(String(20))
    rate_id: Mapped[int | None] = mapped_column(ForeignKey("voip_rate.id"))
    amount: Mapped[Credit] = mapped_column(CreditAmount)
    seconds_max: Mapped[int]
    """What the exchange was told; 0 = no limit."""
    state: Mapped[str] = mapped_column(String(10))
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)


class VoipCall(Base):
    """A call record, kept for ever, counted once."""

    __tablename__ = "voip_call"
    __table_args__ = (
        UniqueConstraint("source", "uid"),
        CheckConstraint("state IN ('rated', 'waiting', 'ignored')", name="state"),
        CheckConstraint("charged >= 0 AND charged <= price", name="charged"),
        Index("ix_voip_call_number_id_started_at", "number_id", "started_at"),
        Index(
            "ix_voip_call_waiting",
            "id",
            sqlite_where=text("state = 'waiting' OR dispute <> ''"),
            postgresql_where=text("state = 'waiting' OR dispute <> ''"),
        ),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    source: Mapped[str] = mapped_column(String(40))
    """Which exchange wrote it."""
    uid: Mapped[str] = mapped_column(String(128))
    """The exchange's own id of the record."""
    call_id: Mapped[str] = mapped_column(String(128), default="", server_default=text("''"))
    """What it asked with whether the call may begin: the id of its hold."""
    caller: Mapped[str] = mapped_column(String(80))
    called: Mapped[str] = mapped_column(String(80))
    """Both as the exchange wrote them."""
    started_at: Mapped[datetime] = mapped_column(Instant)
    answered_at: Mapped[datetime | None] = mapped_column(Instant)
    billed_seconds: Mapped[int]
    state: Mapped[str] = mapped_column(String(10))
    """`rated`: it is `number_id`'s, and charged; `waiting`: a person must look; `ignored`: somebody said: nobody's."""
    why: Mapped[str] = mapped_column(Text, default="", server_default=text("''"))
    """Why it is in that state, when that is not plain."""
    number_id: Mapped[int | None] = mapped_column(ForeignKey("voip_number.id"))
    """Whose call it is; of an incoming one, who was called."""
    is_incoming: Mapped[bool] = mapped_column(default=False)
    destination: Mapped[str] = mapped_column(String(120), default="", server_default=text("''"))
    rate_id: Mapped[int | None] = mapped_column(ForeignKey("voip_rate.id"))
    """None of what is free without any deck."""
    price: Mapped[Credit] = mapped_column(CreditAmount, default=NONE, server_default="0")
    charged: Mapped[Credit] = mapped_column(CreditAmount, default=NONE, server_default="0")
    """What of the price the credit covered; the rest is the ISP's loss, because credit is never negative."""
    dispute: Mapped[str] = mapped_column(Text, default="", server_default=text("''"))
    """Another record came under the same id with other content, which was not counted: what it said."""
    recorded_at: Mapped[datetime] = mapped_column(Instant)


IS_WAITING = or_(VoipCall.state == "waiting", VoipCall.dispute != "")
"""A person must look at the call: it could not be charged, or another record disputes it."""


class VoipTopUp(Base):
    """Credit that was bought, with its invoice. The browser's key makes it unrepeatable."""

    __tablename__ = "voip_top_up"
    __table_args__ = (CheckConstraint("amount > 0", name="amount"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    number_id: Mapped[int] = mapped_column(ForeignKey("voip_number.id"), index=True)
    amount: Mapped[Money] = mapped_column(Amount)
    """With VAT."""
    month: Mapped[str] = mapped_column(String(7))
    """Whose cap it counts for, like 2026-11, in the ISP's zone."""
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoice.id"), unique=True)
    at: Mapped[datetime] = mapped_column(Instant)
    actor: Mapped[str] = mapped_column(String(100))


class VoipCorrection(Base):
    """Credit that an admin gave or took, without an invoice."""

    __tablename__ = "voip_correction"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    number_id: Mapped[int] = mapped_column(ForeignKey("voip_number.id"), index=True)
    amount: Mapped[Credit] = mapped_column(CreditAmount)
    why: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Instant)
    actor: Mapped[str] = mapped_column(String(100))


class VoipMonth(Base):
    """How much a number topped up in a calendar month, and how much it may."""

    __tablename__ = "voip_month"
    __table_args__ = (CheckConstraint("topped_up >= 0 AND topped_up <= cap", name="cap"),)

    number_id: Mapped[int] = mapped_column(ForeignKey("voip_number.id"), primary_key=True)
    month: Mapped[str] = mapped_column(String(7), primary_key=True)
    topped_up: Mapped[Money] = mapped_column(Amount, default=ZERO, server_default="0")
    cap: Mapped[Money] = mapped_column(Amount, default=ZERO, server_default="0")
    """As it counted at the last top-up: the setting, and `raised_by`."""
    raised_by: Mapped[Money] = mapped_column(Amount, default=ZERO, server_default="0")
    """What an admin allowed above the setting, in this month alone."""
