"""Bank statements, payments, what they paid, and the double-entry ledger."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text, true
from sqlalchemy.orm import Mapped, mapped_column

from billing.money import Money
from billing.store.schema import Amount, Base, Instant, RowId


class BankStatement(Base):
    """A statement that was imported whole."""

    __tablename__ = "bank_statement"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    account: Mapped[str] = mapped_column(String(40))
    number: Mapped[str] = mapped_column(String(40), default="")
    opened_on: Mapped[date | None]
    closed_on: Mapped[date]
    old_balance: Mapped[Money] = mapped_column(Amount)
    new_balance: Mapped[Money] = mapped_column(Amount)
    has_balances: Mapped[bool] = mapped_column(default=True, server_default=true())
    """False of a notification that tells movements only."""
    source: Mapped[str] = mapped_column(Text)
    """The file's name, as an admin would look for it."""
    imported_at: Mapped[datetime] = mapped_column(Instant)


class Payment(Base):
    """A credit line of a statement; kept for ever, counted once."""

    __tablename__ = "payment"
    __table_args__ = (
        UniqueConstraint("account", "bank_ref"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("unallocated >= 0 AND unallocated <= amount", name="unallocated"),
        Index(
            "ix_payment_waiting",
            "state",
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
        Index(
            "ix_payment_assigned",
            "counter_account",
            sqlite_where=text("assigned_by <> ''"),
            postgresql_where=text("assigned_by <> ''"),
        ),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    statement_id: Mapped[int | None] = mapped_column(ForeignKey("bank_statement.id"))
    """None of what no statement brought: cash, and credit from before Hradlo."""
    account: Mapped[str] = mapped_column(String(40))
    bank_ref: Mapped[str] = mapped_column(String(120))
    """The bank's stable id of the movement, or what stands for one (`banks/`)."""
    booked_on: Mapped[date] = mapped_column(index=True)
    amount: Mapped[Money] = mapped_column(Amount)
    variable_symbol: Mapped[str] = mapped_column(String(10), default="")
    specific_symbol: Mapped[str] = mapped_column(String(10), default="")
    constant_symbol: Mapped[str] = mapped_column(String(10), default="")
    counter_account: Mapped[str] = mapped_column(String(60), default="")
    message: Mapped[str] = mapped_column(Text, default="")
    contract_id: Mapped[int | None] = mapped_column(ForeignKey("contract.id"), index=True)
    state: Mapped[str] = mapped_column(String(10))
    """`matched`: it belongs to `contract_id`; `waiting`: a person must say whose it is; `ignored`: it is nobody's
    who has a contract; `returned`: the bank took it back."""
    why: Mapped[str] = mapped_column(Text)
    """Why it is in that state."""
    unallocated: Mapped[Money] = mapped_column(Amount)
    """Not used for an invoice: credit of the contract, all of it while waiting or ignored, nothing once returned."""
    assigned_by: Mapped[str] = mapped_column(String(100), default="", server_default=text("''"))
    """Who said whose it is; empty when the rules did."""
    times_moved: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """How often a person moved it (assigned, unassigned, ignored): the ordinal of the next move's ledger key."""


class PaymentReturn(Base):
    """A debit by which the bank takes a payment back; a person may write one down, too."""

    __tablename__ = "payment_return"
    __table_args__ = (
        UniqueConstraint("account", "bank_ref"),
        CheckConstraint("amount > 0", name="amount"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    statement_id: Mapped[int | None] = mapped_column(ForeignKey("bank_statement.id"))
    account: Mapped[str] = mapped_column(String(40))
    bank_ref: Mapped[str] = mapped_column(String(120))
    booked_on: Mapped[date]
    amount: Mapped[Money] = mapped_column(Amount)
    """Positive: how much was taken back."""
    variable_symbol: Mapped[str] = mapped_column(String(10), default="")
    specific_symbol: Mapped[str] = mapped_column(String(10), default="")
    counter_account: Mapped[str] = mapped_column(String(60), default="")
    message: Mapped[str] = mapped_column(Text, default="")
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payment.id"), unique=True)
    """Which payment it takes back; none while it waits, or is ignored."""
    state: Mapped[str] = mapped_column(String(10))
    """`returned`, `waiting` for a person, or `ignored`: what it takes back was never a payment here."""
    why: Mapped[str] = mapped_column(Text)


class Allocation(Base):
    """So much of a payment, or of a credit note, paid so much of an invoice."""

    __tablename__ = "allocation"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("(payment_id IS NULL) <> (credit_note_id IS NULL)", name="source"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payment.id"), index=True)
    credit_note_id: Mapped[int | None] = mapped_column(ForeignKey("invoice.id"), index=True)
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoice.id"), index=True)
    amount: Mapped[Money] = mapped_column(Amount)
    at: Mapped[datetime] = mapped_column(Instant)
    reversed_at: Mapped[datetime | None] = mapped_column(Instant)
    """The payment was taken back, or a person took its assignment back: the invoice is open again, and this row
    counts no more."""


class LedgerTransaction(Base):
    """One money fact. `key` makes it unrepeatable; once sealed it is balanced and immutable (triggers)."""

    __tablename__ = "ledger_transaction"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    key: Mapped[str] = mapped_column(String(200), unique=True)
    """For example `invoice:26000001:opened`, `payment:ACCOUNT:REF`."""
    kind: Mapped[str] = mapped_column(String(30))
    effective_on: Mapped[date]
    created_at: Mapped[datetime] = mapped_column(Instant)
    is_sealed: Mapped[bool] = mapped_column(default=False)


class Posting(Base):
    """One side of a money fact; the postings of a transaction sum to zero."""

    __tablename__ = "posting"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount"),
        Index("ix_posting_account", "account", "contract_id"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    transaction_id: Mapped[int] = mapped_column(ForeignKey("ledger_transaction.id"), index=True)
    account: Mapped[str] = mapped_column(String(60))
    """`receivable` and `credit` (per contract), `bank:ACCOUNT`, `suspense`, … (`ledger`)."""
    contract_id: Mapped[int | None] = mapped_column(ForeignKey("contract.id"))
    amount: Mapped[Money] = mapped_column(Amount)
    """Debit positive, credit negative."""
