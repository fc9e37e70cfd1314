"""Invoices as dunning and payments need them; lines, VAT and documents come with the billing run."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from billing.money import Money
from billing.store.schema import Amount, Base, Instant, RowId


class Invoice(Base):
    """What is to be paid. `number` has at most 10 digits, so that it can be the specific symbol.

    Dates and amounts are stored as they come, even absurd ones: dunning parks the contract and says so,
    which is better than a silent correction.
    """

    __tablename__ = "invoice"
    __table_args__ = (
        CheckConstraint("number NOT LIKE '0%'", name="no_leading_zero"),
        Index(
            "ix_invoice_unpaid",
            "contract_id",
            "due_on",
            sqlite_where=text("open <> 0"),
            postgresql_where=text("open <> 0"),
        ),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    number: Mapped[str] = mapped_column(String(10), unique=True)
    contract_id: Mapped[int] = mapped_column(ForeignKey("contract.id"), index=True)
    issued_on: Mapped[date]
    due_on: Mapped[date]
    total: Mapped[Money] = mapped_column(Amount)
    open: Mapped[Money] = mapped_column(Amount)
    """What is still to be paid; only allocations and credit notes lower it."""
    created_at: Mapped[datetime] = mapped_column(Instant)
