"""What the page says: everything the law and the payer need, in the buyer's language, and nothing that is not so."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.invoicing.documents.document import Document
from billing.invoicing.documents.page import content, payment_code
from billing.money import Money
from tests.billing.invoicing.documents.examples import (
    BUYER,
    IBAN,
    INSURANCE,
    INTERNET,
    ROUTER,
    SELLER,
    VOIP,
    credit_note,
    invoice,
    line,
    without_vat,
)

FOUR = (INTERNET, VOIP, INSURANCE, ROUTER)


def words(document: Document) -> str:
    """Everything that is shown, as one text with plain spaces; the picture left out."""
    page = content(document)
    page["payment"] = {**page["payment"], "qr": ""}
    return json.dumps(page, ensure_ascii=False).replace("\N{NO-BREAK SPACE}", " ")


def test_an_invoice_names_both_sides_the_dates_and_the_sum() -> None:
    said = words(invoice(FOUR))

    for part in (
        "Faktura 2600000123",
        "daňový doklad",
        "Údolní síť s.r.o.",
        "27082440",
        "CZ27082440",
        "Božena Němcová",
    ):
        assert part in said
    for part in ("1. 11. 2026", "15. 11. 2026", "3 617,00 Kč", "1. 11. 2026 – 30. 11. 2026", "HD208YT3XQ9"):
        assert part in said


def test_it_says_how_to_pay_in_the_domestic_form_and_as_iban() -> None:
    facts = dict(content(invoice())["payment"]["facts"])

    assert facts["Číslo účtu"] == "19-2000145399/0800"
    assert facts["IBAN"].replace("\N{NO-BREAK SPACE}", " ") == "CZ65 0800 0000 1920 0014 5399"
    assert (facts["Variabilní symbol"], facts["Specifický symbol"], facts["BIC"]) == ("1001", "2600000123", "GIBACZPX")


def test_every_rate_has_its_row_in_the_recapitulation() -> None:
    rows = [[cell.replace("\N{NO-BREAK SPACE}", " ") for cell in row] for row in content(invoice(FOUR))["vat"]]

    assert rows == [["21 %", "2 948,76", "619,24", "3 568,00"], ["osvob.", "49,00", "0,00", "49,00"]]


def test_an_english_buyer_reads_english() -> None:
    said = words(invoice(FOUR, language="en"))

    for part in ("Invoice 2600000123", "tax document", "CZK 3,617.00", "Due date", "15 November 2026", "21%", "exempt"):
        assert part in said
    assert "Splatnost" not in said


def test_a_seller_without_vat_says_so_and_names_no_rate() -> None:
    page = content(without_vat())
    said = words(without_vat())

    assert "není plátcem DPH" in said
    assert "není daňovým dokladem" in said
    assert page["vat"] == []
    assert page["columns"] == ["Položka", "Množství", "Jedn. cena", "Celkem"]
    assert "Datum uskutečnění plnění" not in said


def test_a_payer_of_vat_whose_lines_are_all_exempt_still_issues_a_tax_document() -> None:
    assert invoice([INSURANCE]).is_taxed
    assert not without_vat().is_taxed
    assert not replace(without_vat(), seller=SELLER).is_taxed


def test_a_credit_note_names_the_invoice_and_the_reason_and_asks_for_nothing() -> None:
    page = content(credit_note())
    said = words(credit_note())

    assert "opravný daňový doklad" in said
    assert page["correction"] == [
        ("Opravuje fakturu č.:", "2600000123"),
        ("Důvod opravy:", "Výpadek služby od 3. do 8. listopadu 2026"),
    ]
    assert page["payment"]["amount"].replace("\N{NO-BREAK SPACE}", " ") == "119,80 Kč"
    assert (page["payment"]["facts"], page["payment"]["qr"], page["payment"]["until"]) == ([], "", "")
    assert "\N{MINUS SIGN}119,80" in said


def test_a_unit_price_is_without_vat_as_the_law_wants_it() -> None:
    two = line("Router", 3_980_00, quantity=2)
    cells = content(invoice([two]))["lines"][0]["cells"]

    assert content(invoice([two]))["columns"][2] == "Jedn. cena bez DPH"
    assert [cell.replace("\N{NO-BREAK SPACE}", " ") for cell in cells] == [
        "2",
        "1 644,63",
        "21 %",
        "3 289,26",
        "3 980,00",
    ]


def test_what_credit_has_paid_is_named_and_not_asked_for_again() -> None:
    document = replace(invoice(), settled=Money(401_50))
    page = content(document)

    assert page["payment"]["amount"].replace("\N{NO-BREAK SPACE}", " ") == "197,50 Kč"
    assert [(name, amount.replace("\N{NO-BREAK SPACE}", " ")) for name, amount in page["settled"]] == [
        ("Uhrazeno z přeplatku", "\N{MINUS SIGN}401,50 Kč"),
        ("Částka k úhradě", "197,50 Kč"),
    ]
    assert "*AM:197.50*" in payment_code(document)


def test_an_invoice_that_credit_has_paid_whole_asks_for_nothing_and_says_why() -> None:
    document = replace(invoice(), settled=invoice().total)
    payment = content(document)["payment"]

    assert (payment["note"], payment["facts"], payment["qr"]) == (
        "Uhrazeno z vašeho přeplatku, nemusíte nic platit.",
        [],
        "",
    )
    assert payment_code(document) == ""


def test_an_invoice_over_nothing_asks_for_nothing() -> None:
    payment = content(invoice([line("Zkušební měsíc", 0)]))["payment"]

    assert payment["note"] == "Nic není k zaplacení."
    assert (payment["facts"], payment["qr"], payment["until"]) == ([], "", "")


def test_without_an_account_there_is_no_code_but_still_the_symbols() -> None:
    payment = content(invoice(iban=""))["payment"]

    assert payment["qr"] == ""
    assert dict(payment["facts"])["Variabilní symbol"] == "1001"
    assert "15." in payment["until"]


def test_the_code_pays_this_invoice() -> None:
    assert payment_code(invoice()) == (
        f"SPD*1.0*ACC:{IBAN}*AM:599.00*CC:CZK*MSG:UDOLNI SIT S.R.O. 2600000123*X-VS:1001*X-SS:2600000123"
    )


def test_many_serial_numbers_are_all_there() -> None:
    three = line("Telefon", 300000, quantity=3, serial_number="A1 B2 C3")
    (shown,) = content(invoice([three]))["lines"]

    assert shown["details"] == ["Výrobní čísla: A1, B2, C3"]


@pytest.mark.parametrize("language", ["cs", "en"])
@given(minor=st.integers(-(10**12), 10**12))
def test_no_amount_changes_on_its_way_to_the_page(language: str, minor: int) -> None:
    shown = content(invoice([replace(INTERNET, total=Money(minor))], language=language))["lines"][0]["cells"][-1]
    plain = shown.replace("\N{MINUS SIGN}", "-").replace("\N{NO-BREAK SPACE}", "")
    plain = plain.replace(",", ".") if language == "cs" else plain.replace(",", "")

    assert Decimal(plain) * 100 == minor


@given(st.text(max_size=60))
def test_no_name_breaks_out_of_its_place(name: str) -> None:
    page: dict[str, Any] = content(invoice(buyer=replace(BUYER, name=name), seller=replace(SELLER, name=name or "x")))

    assert "\n" not in page["buyer"]["name"]
    assert json.loads(json.dumps(page)) is not None
