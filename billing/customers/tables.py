"""Customers and their contracts. A contract's number is its variable symbol."""

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
