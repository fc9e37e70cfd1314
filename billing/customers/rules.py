"""What may stand in customers.csv."""

import re
from dataclasses import dataclass, field

from billing.customers.mail_address import sendable
from billing.importing import Row, Sheet, read
from config.i18n import LANGUAGES

COLUMNS = ("customer_number", "name", "email", "phone", "street", "city", "postal_code", "language", "password")
OPTIONAL_COLUMNS = ("company_id", "vat_id")
PASSWORD_LENGTH_MIN = 8
_NUMBER = re.compile(r"\S{1,20}")
_BETWEEN_EMAILS = re.compile(r"[,;\s]+")


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """One customer of the file; fields are named as the columns of the table."""

    line: int
    number: str
    name: str
    email: str
    phone: str
    street: str
    city: str
    postal_code: str
    language: str | None
    """None: the file does not say, so what the customer chose stays."""
    password: str = field(repr=False)
    """Used while the customer has none: an import never takes away the one that somebody chose."""
    company_id: str | None = None
    """IČO; None: the file does not say, so what is known stays."""
    vat_id: str | None = None
    """DIČ; likewise."""
    more_emails: tuple[str, ...] = ()
    """What else stood in the e-mail column; mail goes to the first alone."""


def read_customers(data: bytes, source: str) -> Sheet[CustomerRow]:
    """Parses customers.csv; raises `InputRejected` when not even its header can be read."""
    sheet = read(data, source, COLUMNS, _customer, optional=OPTIONAL_COLUMNS)
    sheet.refuse_repeated("customer_number", lambda row: row.number)
    return sheet


def _customer(row: Row) -> CustomerRow:
    emails: tuple[str, ...] = row.read("email", _emails, ())
    return CustomerRow(
        line=row.line,
        number=row.read("customer_number", customer_number, ""),
        name=row.text("name", 200, is_needed=True),
        email=emails[0] if emails else "",
        phone=row.text("phone", 40),
        street=row.text("street", 200),
        city=row.text("city", 100),
        postal_code=row.text("postal_code", 20),
        language=row.choice_or_none("language", LANGUAGES),
        password=row.read("password", _password, ""),
        company_id=row.text("company_id", 20) if row.has("company_id") else None,
        vat_id=row.text("vat_id", 20) if row.has("vat_id") else None,
        more_emails=emails[1:],
    )


def customer_number(text: str) -> str:
    """1 to 20 characters without spaces."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not 1 to 20 characters without spaces")
    return text


def _emails(text: str) -> tuple[str, ...]:
    """One address, or several with commas, semicolons or spaces between them, as other systems export them."""
    found = tuple(part for part in _BETWEEN_EMAILS.split(text) if part)
    for part in found:
        if sendable(part) is None:
            raise ValueError(f"{part!r} is not an e-mail address")
    return found


def _password(text: str) -> str:
    if text and not PASSWORD_LENGTH_MIN <= len(text) <= 200:
        # the password itself must not reach a log
        raise ValueError(f"has {len(text)} characters, {PASSWORD_LENGTH_MIN} to 200 are allowed")
    return text
