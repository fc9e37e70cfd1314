"""A document as ISDOC 6.0.2, the Czech national standard that accounting programs read. Pure.

The schema is the form; these are the standard's rules beyond it that matter here:

- a credit note (type 2) states positive amounts: its type says that they are to be taken off, and it names the
  document that it corrects, and no day of supply;
- a document without VAT says so of each of its lines, too;
- serial numbers sum up to the line's quantity, so they are listed only when there is one for each piece;
- the UUID is unique in the world, and the same whenever the document is written.
"""

import uuid
from datetime import date
from decimal import Decimal

from babel import Locale
from lxml import etree

from billing.customers.mail_address import one_line
from billing.invoicing.documents.document import Document, Line, Party, VatGroup
from billing.money import MINOR_PER_UNIT, ZERO, Money
from billing.payments.banks.account import plain

NAMESPACE = "http://isdoc.cz/namespace/2013"
VERSION = "6.0.2"
_UUIDS = uuid.UUID("5b1f3b52-6a0c-5d5e-9c53-0c6f5f1d2b7a")
"""Chosen once, for good: the UUIDs of all documents follow from it."""
_TYPES = {"invoice": "1", "credit_note": "2"}
_TRANSFER = "42"
_FROM_THE_TOP = "1"
"""VAT computed from the price with VAT."""
_UNIT = "ks"


def isdoc(document: Document) -> bytes:
    """The XML file."""
    root = etree.Element(f"{{{NAMESPACE}}}Invoice", nsmap={None: NAMESPACE}, version=VERSION)
    _Writer(document, root).write()
    xml: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return xml


def document_uuid(seller: Party, number: str) -> str:
    """Two sellers may use the same number, so the seller belongs to it."""
    return str(uuid.uuid5(_UUIDS, f"{seller.company_id or seller.name}:{number}")).upper()


class _Writer:
    """Writes one document into its root, in the schema's order."""

    def __init__(self, document: Document, root: etree._Element) -> None:
        self._document = document
        self._root = root
        self._sign = -1 if document.kind == "credit_note" else 1

    def write(self) -> None:
        self._head()
        self._party(_add(self._root, "AccountingSupplierParty"), self._document.seller)
        self._party(_add(self._root, "AccountingCustomerParty"), self._document.buyer)
        self._original()
        lines = _add(self._root, "InvoiceLines")
        for position, line in enumerate(self._document.lines, start=1):
            self._line(_add(lines, "InvoiceLine"), position, line)
        self._vat()
        self._totals()
        if self._document.is_payable:
            self._payment()

    def _head(self) -> None:
        document = self._document
        _add(self._root, "DocumentType", _TYPES[document.kind])
        _add(self._root, "ID", document.number)
        _add(self._root, "UUID", document_uuid(document.seller, document.number))
        _add(self._root, "IssuingSystem", "Hradlo")
        _add(self._root, "IssueDate", document.issued_on.isoformat())
        if document.is_taxed and document.kind == "invoice":
            _add(self._root, "TaxPointDate", document.supplied_on.isoformat())
        _add(self._root, "VATApplicable", _truth(document.is_taxed))
        _add(self._root, "ElectronicPossibilityAgreementReference")
        if document.why:
            _add(self._root, "Note", one_line(document.why))
        _add(self._root, "LocalCurrencyCode", document.currency)
        _add(self._root, "CurrRate", "1")
        _add(self._root, "RefCurrRate", "1")

    def _party(self, parent: etree._Element, party: Party) -> None:
        element = _add(parent, "Party")
        identification = _add(element, "PartyIdentification")
        _add_if(identification, "UserID", party.number)
        _add(identification, "ID", party.company_id)
        _add(_add(element, "PartyName"), "Name", party.name)
        address = _add(element, "PostalAddress")
        street, building_number = _street(party.street)
        _add(address, "StreetName", street)
        _add(address, "BuildingNumber", building_number)
        _add(address, "CityName", party.city)
        _add(address, "PostalZone", party.postal_code.replace(" ", ""))
        country = _add(address, "Country")
        _add(country, "IdentificationCode", party.country)
        _add(country, "Name", _country(party.country))
        if party.vat_id:
            scheme = _add(element, "PartyTaxScheme")
            _add(scheme, "CompanyID", party.vat_id)
            _add(scheme, "TaxScheme", "VAT")
        if party.note:
            _add(_add(element, "RegisterIdentification"), "Preformatted", party.note)
        if party.phone or party.email:
            contact = _add(element, "Contact")
            _add_if(contact, "Telephone", party.phone)
            _add_if(contact, "ElectronicMail", party.email)

    def _original(self) -> None:
        if not self._document.corrects_number:
            return
        reference = _add(_add(self._root, "OriginalDocumentReferences"), "OriginalDocumentReference")
        _add(reference, "ID", self._document.corrects_number)
        _add(reference, "UUID", document_uuid(self._document.seller, self._document.corrects_number))

    def _line(self, element: etree._Element, position: int, line: Line) -> None:
        _add(element, "ID", str(position))
        _add(element, "InvoicedQuantity", str(line.quantity), unitCode=_UNIT)
        self._amount(element, "LineExtensionAmount", line.base)
        self._amount(element, "LineExtensionAmountTaxInclusive", line.total)
        self._amount(element, "LineExtensionTaxAmount", line.vat)
        _add(element, "UnitPrice", _per_piece(line.base, line.quantity, self._sign))
        self._amount(element, "UnitPriceTaxInclusive", line.unit_price)
        category = _add(element, "ClassifiedTaxCategory")
        _add(category, "Percent", _percent(line.vat_basis_points))
        _add(category, "VATCalculationMethod", _FROM_THE_TOP)
        _add(category, "VATApplicable", _truth(self._document.is_taxed))
        if line.from_on and line.until_on:
            _add(element, "Note", f"{_day(line.from_on)} – {_day(line.until_on)}")
        self._item(_add(element, "Item"), line)

    def _item(self, element: etree._Element, line: Line) -> None:
        _add(element, "Description", line.text)
        serials = line.serial_number.split()
        if not serials or len(serials) != line.quantity:
            return
        batches = _add(element, "StoreBatches")
        for serial in serials:
            batch = _add(batches, "StoreBatch")
            _add(batch, "Name", serial)
            _add(batch, "Quantity", "1", unitCode=_UNIT)
            _add(batch, "BatchOrSerialNumber", "S")

    def _vat(self) -> None:
        element = _add(self._root, "TaxTotal")
        for group in self._document.vat_groups:
            self._vat_group(_add(element, "TaxSubTotal"), group)
        self._amount(element, "TaxAmount", self._document.vat)

    def _vat_group(self, element: etree._Element, group: VatGroup) -> None:
        claimed = (ZERO, ZERO, ZERO)
        amounts = (group.base, group.vat, group.base + group.vat)
        for prefix, three in (("", amounts), ("AlreadyClaimed", claimed), ("Difference", amounts)):
            for name, amount in zip(("TaxableAmount", "TaxAmount", "TaxInclusiveAmount"), three, strict=True):
                self._amount(element, f"{prefix}{name}", amount)
        category = _add(element, "TaxCategory")
        _add(category, "Percent", _percent(group.vat_basis_points))
        _add(category, "TaxScheme", "VAT")
        _add(category, "VATApplicable", _truth(self._document.is_taxed))

    def _totals(self) -> None:
        element = _add(self._root, "LegalMonetaryTotal")
        base, total = self._document.base, self._document.total
        for prefix, two in (("", (base, total)), ("AlreadyClaimed", (ZERO, ZERO)), ("Difference", (base, total))):
            self._amount(element, f"{prefix}TaxExclusiveAmount", two[0])
            self._amount(element, f"{prefix}TaxInclusiveAmount", two[1])
        self._amount(element, "PaidDepositsAmount", self._document.settled)
        self._amount(element, "PayableAmount", total - self._document.settled)

    def _payment(self) -> None:
        document = self._document
        payment = _add(_add(self._root, "PaymentMeans"), "Payment")
        self._amount(payment, "PaidAmount", document.total - document.settled)
        _add(payment, "PaymentMeansCode", _TRANSFER)
        details = _add(payment, "Details")
        _add(details, "PaymentDueDate", document.due_on.isoformat())
        account, _, bank = plain(document.iban).partition("/")
        _add(details, "ID", account if bank else "")
        _add(details, "BankCode", bank)
        _add(details, "Name")
        _add(details, "IBAN", document.iban)
        _add(details, "BIC", document.bic)
        _add(details, "VariableSymbol", document.contract_number)
        _add(details, "SpecificSymbol", document.number)

    def _amount(self, parent: etree._Element, name: str, amount: Money) -> None:
        _add(parent, name, str(Money(self._sign * amount.minor)))


def _add(parent: etree._Element, name: str, text: str = "", **attributes: str) -> etree._Element:
    element = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}", attributes)
    if text:
        element.text = one_line(text)
    return element


def _add_if(parent: etree._Element, name: str, text: str) -> None:
    if text:
        _add(parent, name, text)


def _street(street: str) -> tuple[str, str]:
    """``Nábřežní 1024/7`` as the name and the number, which the standard wants apart."""
    name, _, number = street.strip().rpartition(" ")
    return (name, number) if name and number[:1].isdigit() else (street.strip(), "")


def _country(code: str) -> str:
    """Its Czech name, as the standard's readers show it."""
    return str(Locale.parse("cs").territories.get(code, code))


def _per_piece(base: Money, quantity: int, sign: int) -> str:
    """Of many pieces, to four places: the standard lets the line's total win."""
    exact = Decimal(sign * base.minor) / MINOR_PER_UNIT / quantity
    return str(exact.quantize(Decimal("0.01") if quantity == 1 else Decimal("0.0001")))


def _percent(basis_points: int) -> str:
    return f"{Decimal(basis_points) / 100:f}"


def _truth(is_true: bool) -> str:
    return "true" if is_true else "false"


def _day(day: date) -> str:
    return f"{day.day}. {day.month}. {day.year}"
