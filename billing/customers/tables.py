"""Customers and their contracts, and how customers come into the portal.

A contract's number is its variable symbol.
"""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from billing.store.schema import Base, Instant, RowId


class Customer(Base):
    """A person or a firm; logs in with its number."""

    __tablename__ = "customer"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    number: Mapped[str] = mapped_column(String(20), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str] = mapped_column(String(320), default="")
    phone: Mapped[str] = mapped_column(String(40), default="")
    street: Mapped[str] = mapped_column(String(200), default="")
    city: Mapped[str] = mapped_column(String(100), default="")
    postal_code: Mapped[str] = mapped_column(String(20), default="")
    mailing_street: Mapped[str] = mapped_column(String(200), default="", server_default=text("''"))
    """Where letters go, when that is not where the customer lives; all three empty otherwise."""
    mailing_city: Mapped[str] = mapped_column(String(100), default="", server_default=text("''"))
    mailing_postal_code: Mapped[str] = mapped_column(String(20), default="", server_default=text("''"))
    language: Mapped[str] = mapped_column(String(2), default="cs")
    company_id: Mapped[str] = mapped_column(String(20), default="", server_default=text("''"))
    """The register's number of a firm (IČO)."""
    vat_id: Mapped[str] = mapped_column(String(20), default="", server_default=text("''"))
    """DIČ."""
    password_hash: Mapped[str] = mapped_column(String(200), default="")
    password_is_one_time: Mapped[bool] = mapped_column(default=False)


class Contract(Base):
    """What invoices are issued for and what is reminded, noticed and suspended as one."""

    __tablename__ = "contract"
    __table_args__ = (CheckConstraint("number NOT LIKE '0%'", name="no_leading_zero"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    number: Mapped[str] = mapped_column(String(10), unique=True)
    """1 to 10 digits, no leading zero: the variable symbol of every payment."""
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"), index=True)
    hold_since_at: Mapped[datetime | None] = mapped_column(Instant)
    """An admin's "nothing happens until I say so"."""
    exempt_since_at: Mapped[datetime | None] = mapped_column(Instant)
    """Never reminded, noticed or suspended."""
    shield_why: Mapped[str] = mapped_column(Text, default="")
    """The reason given with the hold or the exemption."""


class LoginSession(Base):
    """A browser that is logged in, as a customer or as a telephone number; its token is known to that browser alone,
    here is its hash."""

    __tablename__ = "login_session"
    __table_args__ = (CheckConstraint("(customer_id IS NULL) <> (voip_number_id IS NULL)", name="owner"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customer.id"), index=True)
    voip_number_id: Mapped[int | None] = mapped_column(ForeignKey("voip_number.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    seen_at: Mapped[datetime] = mapped_column(Instant)
    """The last request, to the minute."""
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    source_address: Mapped[str] = mapped_column(String(45))
    user_agent: Mapped[str] = mapped_column(String(300), default="")


class OneTimeLink(Base):
    """A link that was mailed: whoever follows it reads the mail of that address."""

    __tablename__ = "one_time_link"
    __table_args__ = (CheckConstraint("kind IN ('email', 'password')", name="kind"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    """`email` confirms a new address, `password` lets a new one be chosen."""
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"), index=True)
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    email: Mapped[str] = mapped_column(String(320))
    """Where it was sent."""
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    used_at: Mapped[datetime | None] = mapped_column(Instant)


class ChangeRequest(Base):
    """A change of what identifies the contract (name, address), asked for on the portal; a person decides."""

    __tablename__ = "change_request"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"), index=True)
    wanted: Mapped[str] = mapped_column(Text)
    """JSON: columns of the customer and the values wanted."""
    note: Mapped[str] = mapped_column(Text, default="")
    asked_at: Mapped[datetime] = mapped_column(Instant)
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    decided_by: Mapped[str] = mapped_column(String(100), default="")
    is_accepted: Mapped[bool] = mapped_column(default=False)
    why: Mapped[str] = mapped_column(Text, default="")
