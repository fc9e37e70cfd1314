"""ISDOC as the official schema and the standard's rules beyond it want it."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from billing.invoicing.documents.document import Document
from billing.invoicing.documents.isdoc import NAMESPACE, document_uuid, isdoc
from billing.money import Money
from tests.billing.invoicing.documents.examples import (
    BUYER,
    FIRM,
    IBAN,
    INSURANCE,
    INTERNET,
    ROUTER,
    SELLER,
    VOIP,
    credit_note,
    invoice,
    line,
    of_many_lines,
    without_vat,
)

SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent / "schema" / "isdoc-invoice-6.0.2.xsd"))
FOUR = invoice([INTERNET, VOIP, INSURANCE, ROUTER])
THREE_PIECES = invoice([line("Telefon", 100000, quantity=3, serial_number="A1 B2 C3")])
EVERY_SORT = {
    "one line": invoice(),
    "four lines": FOUR,
    "forty lines": of_many_lines(40),
    "a firm": invoice(buyer=FIRM),
    "in English": invoice(language="en"),
    "credit note": credit_note(),
    "without VAT": without_vat(),
    "without an account": invoice(iban="", bic=""),
    "a foreign account": invoice(iban="DE89370400440532013000"),
    "over nothing": invoice([line("Zkušební měsíc", 0)]),
    "serial numbers": THREE_PIECES,
    "goods given away": invoice([INTERNET, line("Router", 0, serial_number="SN1")]),
    "partly paid by credit": replace(invoice(), settled=Money(401_50)),
}


def written(document: Document) -> etree._Element:
    return etree.fromstring(isdoc(document))


def texts(root: etree._Element, path: str) -> list[str]:
    """What stands at a path like ``InvoiceLine/Item/Description``, anywhere."""
    qualified = "/".join(f"{{{NAMESPACE}}}{name}" for name in path.split("/"))
    return [element.text or "" for element in root.iterfind(f".//{qualified}")]


def total(root: etree._Element, path: str) -> Decimal:
    return sum((Decimal(text) for text in texts(root, path)), Decimal())


@pytest.mark.parametrize("name", EVERY_SORT)
def test_every_sort_of_document_passes_the_official_schema(name: str) -> None:
    root = written(EVERY_SORT[name])

    assert SCHEMA.validate(root), SCHEMA.error_log


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_whatever_people_are_called_the_schema_is_met(name: str, street: str, text: str) -> None:
    document = invoice([replace(INTERNET, text=text)], buyer=replace(BUYER, name=name, street=street, city=name))

    assert SCHEMA.validate(written(document)), SCHEMA.error_log


def test_it_is_the_namespace_and_the_version_that_readers_look_for() -> None:
    root = written(invoice())

    assert root.tag == "{http://isdoc.cz/namespace/2013}Invoice"
    assert root.nsmap == {None: "http://isdoc.cz/namespace/2013"}
    assert root.get("version") == "6.0.2"


def test_it_says_what_the_invoice_says() -> None:
    root = written(FOUR)

    assert texts(root, "DocumentType") == ["1"]
    assert texts(root, "TaxPointDate") == ["2026-11-01"]
    assert texts(root, "PartyTaxScheme/CompanyID") == ["CZ27082440"]
    assert texts(root, "InvoiceLine/Item/Description") == [each.text for each in FOUR.lines]
    assert texts(root, "LegalMonetaryTotal/PayableAmount") == ["3617.00"]


def test_what_credit_has_paid_is_no_longer_payable() -> None:
    root = written(replace(invoice(), settled=Money(401_50)))

    assert texts(root, "LegalMonetaryTotal/PaidDepositsAmount") == ["401.50"]
    assert texts(root, "LegalMonetaryTotal/PayableAmount") == ["197.50"]
    assert texts(root, "Payment/PaidAmount") == ["197.50"]


def test_lines_groups_and_total_agree() -> None:
    root = written(FOUR)

    assert total(root, "InvoiceLine/LineExtensionAmount") == total(root, "TaxSubTotal/TaxableAmount")
    assert total(root, "InvoiceLine/LineExtensionTaxAmount") == total(root, "TaxSubTotal/TaxAmount")
    assert total(root, "TaxTotal/TaxAmount") == total(root, "TaxSubTotal/TaxAmount")
    assert total(root, "TaxSubTotal/TaxInclusiveAmount") == Decimal("3617.00")


def test_it_says_how_to_pay() -> None:
    root = written(invoice())
    details = {name: texts(root, f"Payment/Details/{name}") for name in ("ID", "BankCode", "IBAN", "BIC")}

    assert texts(root, "PaymentMeansCode") == ["42"]
    assert details == {"ID": ["19-2000145399"], "BankCode": ["0800"], "IBAN": [IBAN], "BIC": ["GIBACZPX"]}
    assert texts(root, "Details/VariableSymbol") == ["1001"]
    assert texts(root, "Details/SpecificSymbol") == ["2600000123"]
    assert texts(root, "Details/PaymentDueDate") == ["2026-11-15"]


def test_a_credit_note_is_positive_and_names_what_it_corrects() -> None:
    root = written(credit_note())

    assert texts(root, "DocumentType") == ["2"]
    assert texts(root, "OriginalDocumentReference/ID") == ["2600000123"]
    assert texts(root, "OriginalDocumentReference/UUID") == [document_uuid(SELLER, "2600000123")]
    assert texts(root, "LegalMonetaryTotal/PayableAmount") == ["119.80"]
    assert texts(root, "InvoiceLine/UnitPrice") == ["99.01"]
    assert texts(root, "TaxPointDate") == []
    assert texts(root, "PaymentMeans") == []


def test_without_vat_no_line_claims_any() -> None:
    root = written(without_vat())

    assert set(texts(root, "VATApplicable")) == {"false"}
    assert texts(root, "TaxPointDate") == []


def test_nothing_is_said_in_a_foreign_currency() -> None:
    for document in EVERY_SORT.values():
        root = written(document)
        assert [element for element in root.iter() if str(element.tag).endswith("Curr")] == []
        assert (texts(root, "CurrRate"), texts(root, "RefCurrRate")) == (["1"], ["1"])


def test_serial_numbers_stand_with_their_pieces() -> None:
    root = written(THREE_PIECES)

    assert texts(root, "StoreBatch/Name") == ["A1", "B2", "C3"]
    assert total(root, "StoreBatch/Quantity") == total(root, "InvoicedQuantity")
    assert texts(root, "UnitPrice") == ["275.4833"]


def test_two_numbers_for_three_pieces_are_no_batch() -> None:
    root = written(invoice([line("Telefon", 90000, quantity=3, serial_number="A1 B2")]))

    assert texts(root, "StoreBatch/Name") == []


def test_the_uuid_is_the_same_for_ever_and_another_sellers_is_another() -> None:
    assert texts(written(invoice()), "UUID") == texts(written(invoice(language="en")), "UUID")
    assert document_uuid(SELLER, "1") != document_uuid(replace(SELLER, company_id="00006947"), "1")
    assert document_uuid(SELLER, "1") != document_uuid(SELLER, "2")


def test_the_same_document_is_the_same_bytes() -> None:
    assert isdoc(FOUR) == isdoc(invoice([INTERNET, VOIP, INSURANCE, ROUTER]))


def test_the_number_of_a_house_stands_apart() -> None:
    root = written(invoice(buyer=replace(BUYER, street="tř. 17. listopadu 12/3a")))

    assert texts(root, "AccountingCustomerParty/Party/PostalAddress/StreetName") == ["tř. 17. listopadu"]
    assert texts(root, "AccountingCustomerParty/Party/PostalAddress/BuildingNumber") == ["12/3a"]
