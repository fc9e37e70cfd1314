"""QR Platba: what a banking application reads."""

import shutil
import subprocess
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.money import Money
from billing.payments.spayd import qr_png, qr_svg, spayd

IBAN = "CZ6508000000192000145399"
PAYMENT = spayd(
    iban="CZ65 0800 0000 1920 0014 5399",
    amount=Money.parse("599"),
    currency="CZK",
    variable_symbol="1001",
    specific_symbol="26000001",
    message="Žluťoučký internet, říjen 100 % * rychle",
    due_on=date(2026, 10, 31),
)


def test_a_payment_is_upper_case_ascii_with_its_attributes_in_the_order_of_the_standard() -> None:
    assert (
        f"SPD*1.0*ACC:{IBAN}*AM:599.00*CC:CZK*DT:20261031"
        "*MSG:ZLUTOUCKY INTERNET, RIJEN 100 %25 %2A RYCHLE*X-VS:1001*X-SS:26000001"
    ) == PAYMENT


@pytest.mark.parametrize("amount", [None, Money(0), Money(-1), Money(10_000_000_00)])
def test_an_amount_that_can_not_be_paid_is_left_to_the_payer(amount: Money | None) -> None:
    assert spayd(iban=IBAN, amount=amount, currency="CZK", variable_symbol="1") == (f"SPD*1.0*ACC:{IBAN}*CC:CZK*X-VS:1")


@pytest.mark.parametrize("symbol", ["", "12345678901", "12a", "1*AM:1", "١٢", "1\n"])
def test_what_is_no_variable_symbol_is_refused(symbol: str) -> None:
    with pytest.raises(ValueError, match="is no variable symbol"):
        spayd(iban=IBAN, amount=None, currency="CZK", variable_symbol=symbol)


@pytest.mark.parametrize("iban", ["", "19-2000145399/0800", f"{IBAN}*AM:1.00"])
def test_what_is_no_iban_is_refused(iban: str) -> None:
    with pytest.raises(ValueError, match="is no IBAN"):
        spayd(iban=iban, amount=None, currency="CZK", variable_symbol="1")


@given(st.text(max_size=200), st.text(max_size=5))
def test_no_value_can_bring_an_attribute_of_its_own(message: str, currency: str) -> None:
    text = spayd(iban=IBAN, amount=Money(1), currency=currency, variable_symbol="1", message=message)

    names = [attribute.partition(":")[0] for attribute in text.split("*")[2:]]
    assert names == [name for name in ("ACC", "AM", "CC", "MSG", "X-VS") if name in names]
    assert {"ACC", "AM", "X-VS"} <= set(names)
    assert text.isascii()
    assert text.isprintable()


@given(st.text(alphabet="*%áč x", max_size=200))
def test_a_message_is_cut_to_60_characters_and_never_inside_an_escape(message: str) -> None:
    text = spayd(iban=IBAN, amount=None, currency="CZK", variable_symbol="1", message=message)

    shown = "".join(part[4:] for part in text.split("*") if part.startswith("MSG:"))
    assert shown.count("%") == shown.count("%25") + shown.count("%2A")
    assert len(shown.replace("%2A", "*").replace("%25", "%")) <= 60


def test_the_code_is_an_svg_element_that_a_page_can_size() -> None:
    element = ElementTree.fromstring(qr_svg(PAYMENT))

    assert element.tag.endswith("svg")
    assert "viewBox" in element.attrib
    assert "width" not in element.attrib


def test_a_scanner_reads_the_picture(tmp_path: Path) -> None:
    if shutil.which("zbarimg") is None:
        pytest.skip("zbarimg is missing: apt-get install zbar-tools")
    picture = tmp_path / "payment.png"
    picture.write_bytes(qr_png(PAYMENT))

    scanned = subprocess.run(
        ["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", str(picture)], capture_output=True, text=True
    )

    assert scanned.stdout.strip() == PAYMENT
