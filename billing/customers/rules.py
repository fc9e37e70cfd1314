"""What may stand in customers.csv."""

import re
from dataclasses import dataclass, field

from billing.customers.mail_address import sendable
from billing.importing import Row, Sheet, read

COLUMNS = ("customer_number", "name", "email", "phone", "street", "city", "postal_code", "language", "password")
LANGUAGES = ("cs", "en")
PASSWORD_LENGTH_MIN = 8
_NUMBER = re.compile(r"\S{1,20}")


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
    language: str
    password: str = field(repr=False)
    """Used while the customer has none: an import never takes away the one that somebody chose."""


def read_customers(data: bytes, source: str) -> Sheet[CustomerRow]:
    """Parses customers.csv; raises `InputRejected` when not even its header can be read."""
    sheet = read(data, source, COLUMNS, _customer)
    sheet.refuse_repeated("customer_number", lambda row: row.number)
    return sheet


def _customer(row: Row) -> CustomerRow:
    return CustomerRow(
        line=row.line,
        number=row.read("customer_number", customer_number, ""),
        name=row.text("name", 200, is_needed=True),
        email=row.read("email", _email, ""),
        phone=row.text("phone", 40),
        street=row.text("street", 200),
        city=row.text("city", 100),
        postal_code=row.text("postal_code", 20),
        language=row.choice("language", LANGUAGES, if_empty="cs"),
        password=row.read("password", _password, ""),
    )


def customer_number(text: str) -> str:
    """1 to 20 characters without spaces."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not 1 to 20 characters without spaces")
    return text


def _email(text: str) -> str:
    if text and sendable(text) is None:
        raise ValueError(f"{text!r} is not one e-mail address")
    return text


def _password(text: str) -> str:
    if text and not PASSWORD_LENGTH_MIN <= len(text) <= 200:
        # the password itself must not reach a log
        raise ValueError(f"has {len(text)} characters, {PASSWORD_LENGTH_MIN} to 200 are allowed")
    return text
