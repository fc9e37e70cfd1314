"""A document as a value: everything that its PDF and its ISDOC say, and nothing that they look up.

It is read once from issued, immutable rows (`operations.documents`), so the same number always gives the same
content, whenever and however often it is rendered.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from billing.money import ZERO, Money

Kind = Literal["invoice", "credit_note"]

EXEMPT = "exempt"
"""The VAT category whose lines name no rate."""


@dataclass(frozen=True, slots=True)
class Party:
    """Seller or buyer. Frozen with the document (table `party`)."""

    name: str
    street: str = ""
    city: str = ""
    postal_code: str = ""
    country: str = "CZ"
    company_id: str = ""
    """IČO."""
    vat_id: str = ""
    """DIČ."""
    email: str = ""
    phone: str = ""
    number: str = ""
    """The customer's number; empty of the seller."""
    note: str = ""
    """Of the seller: where it is registered, as the law wants it printed."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line; amounts of a credit note are negative."""

    text: str
    quantity: int
    unit_price: Money
    """With VAT."""
    total: Money
    """With VAT; base + vat."""
    base: Money
    vat: Money
    vat_category: str
    vat_basis_points: int
    """2100 is 21 %."""
    from_on: date | None = None
    until_on: date | None = None
    serial_number: str = ""


@dataclass(frozen=True, slots=True)
class VatGroup:
    """The sum of one rate, from which its VAT was computed."""

    vat_category: str
    vat_basis_points: int
    base: Money
    vat: Money


@dataclass(frozen=True, slots=True)
class Document:
    """An issued invoice or credit note."""

    kind: Kind
    number: str
    """Also the specific symbol of its payment."""
    contract_number: str
    """Also the variable symbol."""
    issued_on: date
    supplied_on: date
    """DUZP."""
    due_on: date
    seller: Party
    buyer: Party
    lines: tuple[Line, ...]
    vat_groups: tuple[VatGroup, ...]
    base: Money
    vat: Money
    total: Money
    currency: str
    language: str
    """cs or en: the buyer's."""
    iban: str = ""
    """The seller's account; empty: nothing to pay to, so no QR code."""
    bic: str = ""
    settled: Money = ZERO
    """What credit of the contract paid of it while it was issued; later payments are no part of the document."""
    corrects_number: str = ""
    """Of a credit note: the invoice that it corrects …"""
    why: str = ""
    """… and why."""

    @property
    def is_taxed(self) -> bool:
        """Whether the seller pays VAT: who does not has a rate of 0 on what is not exempt, and says nothing of VAT."""
        is_all_exempt = all(group.vat_category == EXEMPT for group in self.vat_groups)
        return any(group.vat_basis_points for group in self.vat_groups) or (bool(self.seller.vat_id) and is_all_exempt)

    @property
    def to_pay(self) -> Money:
        """What it asks for; nothing of a credit note."""
        return self.total - self.settled if self.kind == "invoice" else ZERO

    @property
    def is_payable(self) -> bool:
        """Whether there is something to pay, and an account to pay it to."""
        return self.to_pay > ZERO and bool(self.iban)
