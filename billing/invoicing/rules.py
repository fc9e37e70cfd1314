"""What may stand in invoices.csv."""

from dataclasses import dataclass
from datetime import date

from billing.importing import Row, Sheet, read
from billing.money import Money

COLUMNS = ("number", "contract_number", "issued_on", "due_on", "total", "open")
SANE_YEARS = range(2000, 2200)


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """One invoice of the file; fields are named as the columns of the table."""

    line: int
    number: str
    contract_number: str
    issued_on: date
    due_on: date
    total: Money
    open: Money


def read_invoices(data: bytes, source: str) -> Sheet[InvoiceRow]:
    """Parses invoices.csv; raises `InputRejected` when not even its header can be read."""
    sheet = read(data, source, COLUMNS, _invoice)
    sheet.refuse_repeated("number", lambda row: row.number)
    return sheet


def _invoice(row: Row) -> InvoiceRow:
    return InvoiceRow(
        line=row.line,
        number=row.symbol("number"),
        contract_number=row.symbol("contract_number"),
        issued_on=row.date("issued_on"),
        due_on=row.date("due_on"),
        total=row.money("total"),
        open=row.money("open"),
    )


def oddity(row: InvoiceRow) -> str:
    """What is odd about an invoice, in words; empty when nothing is.

    It is imported all the same: dunning parks the contract and asks a person, instead of trusting it.
    """
    if row.due_on < row.issued_on:
        return f"invoice {row.number} is due before it was issued"
    if row.issued_on.year not in SANE_YEARS or row.due_on.year not in SANE_YEARS:
        return f"invoice {row.number} was issued {row.issued_on} and is due {row.due_on}"
    if row.total < Money() or row.open < Money():
        return f"invoice {row.number} has a negative amount"
    if row.open > row.total:
        return f"invoice {row.number} has more open than its total"
    return ""


def file_open_is_news(in_file: Money, stored: Money, allocated: Money) -> bool:
    """The file's open amount says something new.

    It doesn't when it is what is stored, or what was stored before Hradlo's own payments lowered it: then the
    other program does not know of them, and need not.
    """
    return in_file not in (stored, stored + allocated)
