"""Invoices and credit notes with their lines and VAT, the series that number them, and goods to be invoiced.

What Hradlo issued (`series_id` is set) never changes again: triggers let only `open`, `credit` and a line's
`released_at` move. An invoice of another program has no series and no lines; its next import may correct it.
"""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from billing.money import ZERO, Money
from billing.store.schema import Amount, Base, Instant, RowId


class Invoice(Base):
    """What is to be paid, or (a credit note) what is given back of it.

    `number` has at most 10 digits, so that it can be the specific symbol.

    Dates and amounts are stored as they come, even absurd ones: dunning parks the contract and says so,
    which is better than a silent correction.
    """

    __tablename__ = "invoice"
    __table_args__ = (
        CheckConstraint("number NOT LIKE '0%'", name="no_leading_zero"),
        CheckConstraint("kind IN ('invoice', 'credit_note')", name="kind"),
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
    """What is still to be paid; only allocations lower it. Always zero of a credit note."""
    created_at: Mapped[datetime] = mapped_column(Instant)
    kind: Mapped[str] = mapped_column(String(12), default="invoice", server_default="invoice")
    """`invoice`, or `credit_note`: its amounts are negative, its lines name the lines that they correct."""
    series_id: Mapped[int | None] = mapped_column(ForeignKey("number_series.id"))
    supplied_on: Mapped[date | None]
    """The day of taxable supply (DUZP)."""
    base: Mapped[Money] = mapped_column(Amount, default=ZERO, server_default="0")
    vat: Mapped[Money] = mapped_column(Amount, default=ZERO, server_default="0")
    credit: Mapped[Money] = mapped_column(Amount, default=ZERO, server_default="0")
    """Of a credit note: what no invoice has used yet, a positive amount; it is credit of the contract."""
    corrects_id: Mapped[int | None] = mapped_column(ForeignKey("invoice.id"), index=True)
    seller_id: Mapped[int | None] = mapped_column(ForeignKey("party.id"))
    buyer_id: Mapped[int | None] = mapped_column(ForeignKey("party.id"))
    why: Mapped[str] = mapped_column(Text, default="", server_default=text("''"))
    """Why a credit note was issued; printed on it."""


class InvoiceLine(Base):
    """One line. A service is invoiced once per period: the index refuses the second one.

    A credit note that takes a period back may release the line it corrects, so that it can be invoiced anew.
    """

    __tablename__ = "invoice_line"
    __table_args__ = (
        UniqueConstraint("invoice_id", "position"),
        Index(
            "uq_invoice_line_period",
            "service_id",
            "from_on",
            unique=True,
            sqlite_where=text("service_id IS NOT NULL AND released_at IS NULL"),
            postgresql_where=text("service_id IS NOT NULL AND released_at IS NULL"),
        ),
        Index(
            "uq_invoice_line_corrects",
            "corrects_line_id",
            unique=True,
            sqlite_where=text("corrects_line_id IS NOT NULL"),
            postgresql_where=text("corrects_line_id IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoice.id"))
    position: Mapped[int]
    text: Mapped[str] = mapped_column(Text)
    product_id: Mapped[int | None] = mapped_column(ForeignKey("product.id"))
    service_id: Mapped[int | None] = mapped_column(ForeignKey("service.id"))
    """Set on an invoice's line for a period of a service; never on a credit note's."""
    from_on: Mapped[date | None]
    until_on: Mapped[date | None]
    quantity: Mapped[int] = mapped_column(default=1)
    unit_price: Mapped[Money] = mapped_column(Amount)
    """With VAT."""
    total: Mapped[Money] = mapped_column(Amount)
    """With VAT; base + vat."""
    base: Mapped[Money] = mapped_column(Amount)
    vat: Mapped[Money] = mapped_column(Amount)
    vat_category: Mapped[str] = mapped_column(String(20))
    vat_basis_points: Mapped[int]
    """The rate in hundredths of a per cent: 2100 is 21 %."""
    serial_number: Mapped[str] = mapped_column(String(100), default="")
    """Of goods, for warranty claims; several are separated by spaces."""
    corrects_line_id: Mapped[int | None] = mapped_column(ForeignKey("invoice_line.id"))
    """Of a credit note's line: what it gives back. The index lets nothing be given back twice."""
    released_at: Mapped[datetime | None] = mapped_column(Instant)


class InvoiceVat(Base):
    """The VAT of one rate on one document: what the lines' VAT sums up to, computed once, from the sum."""

    __tablename__ = "invoice_vat"

    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoice.id"), primary_key=True)
    vat_category: Mapped[str] = mapped_column(String(20), primary_key=True)
    vat_basis_points: Mapped[int] = mapped_column(primary_key=True)
    base: Mapped[Money] = mapped_column(Amount)
    vat: Mapped[Money] = mapped_column(Amount)


class NumberSeries(Base):
    """Numbers without a gap: `next` grows in the transaction that issues the documents."""

    __tablename__ = "number_series"
    __table_args__ = (UniqueConstraint("kind", "year"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))
    """As `Invoice.kind`."""
    year: Mapped[int]
    prefix: Mapped[str] = mapped_column(String(9))
    digits: Mapped[int]
    """After the prefix, padded with zeros; with it at most 10."""
    next: Mapped[int] = mapped_column(BigInteger, default=1)


class Party(Base):
    """The seller or a buyer as issued documents name them: a person moves, the document stays as it is."""

    __tablename__ = "party"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    content: Mapped[str] = mapped_column(Text)
    """JSON of `documents.document.Party`."""


class Sale(Base):
    """Goods or work sold once, to be invoiced with the contract's next invoice."""

    __tablename__ = "sale"
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    contract_id: Mapped[int] = mapped_column(ForeignKey("contract.id"), index=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    text: Mapped[str] = mapped_column(Text, default="")
    serial_number: Mapped[str] = mapped_column(String(100), default="")
    quantity: Mapped[int] = mapped_column(default=1)
    unit_price: Mapped[Money] = mapped_column(Amount)
    """With VAT."""
    supplied_on: Mapped[date]
    line_id: Mapped[int | None] = mapped_column(ForeignKey("invoice_line.id"), unique=True)
    """The line that invoices it; none while it waits for the next run."""
