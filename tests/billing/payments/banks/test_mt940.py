"""MT940: fields, Czech symbols in them, pages, and what the library forgives but we don't."""

import logging
from datetime import date
from pathlib import Path

import pytest

from billing.money import Money
from billing.payments.banks import mt940
from billing.payments.banks.mt940 import parse
from billing.payments.banks.statement import Statement, StatementLine
from config.errors import StatementRejected
from tests.billing.payments.banks.bank_files import amounts

CREDIT = (
    ":61:2611031103C599,00NTRF0000001001//2611030000123\n"
    ":86:020?00BEZHOTOVOSTNI PRIJEM?20VS:0000001001?21 SS:26000001 KS:0308?22 Pla\n"
    "tba?30 0800?31000019-2000145399?32NOVAK JAN\n"
)
CHARGE = ":61:2611031103D100,5NMSCNONREF//2611030000124\n:86:Poplatek\n"


def statement(*movements: str, old: str = "C261102CZK1000,00", new: str, more: str = "", number: str = "15/1") -> bytes:
    text = f":20:VYPIS\n:25:0100/19-2000145399\n:28C:{number}\n:60F:{old}\n{''.join(movements)}:62F:{new}\n{more}-\n"
    return text.replace("\n", "\r\n").encode("cp852")


def _refusal(data: bytes) -> str:
    with pytest.raises(StatementRejected) as refusal:
        parse(data)
    return str(refusal.value)


def _line(movement: str, new: str = "C261103CZK1001,00") -> StatementLine:
    [found] = parse(statement(movement, new=new))
    [line] = found.lines
    return line


def test_a_statement_is_read_whole() -> None:
    assert parse(statement(CREDIT, CHARGE, new="C261103CZK1498,50")) == [
        Statement(
            account="19-2000145399/0100",
            number="15",
            opened_on=date(2026, 11, 2),
            closed_on=date(2026, 11, 3),
            old_balance=Money(100000),
            new_balance=Money(149850),
            currency="CZK",
            lines=(
                StatementLine(
                    bank_ref="mt940-20261103-2611030000123-59900-C-1001-1",
                    booked_on=date(2026, 11, 3),
                    amount=Money(59900),
                    variable_symbol="1001",
                    specific_symbol="26000001",
                    constant_symbol="308",
                    counter_account="19-2000145399/0800",
                    message="NOVAK JAN VS:0000001001 SS:26000001 KS:0308 Platba",
                ),
                StatementLine(
                    bank_ref="mt940-20261103-2611030000124-10050-D-0-1",
                    booked_on=date(2026, 11, 3),
                    amount=Money(-10050),
                    message="Poplatek",
                ),
            ),
        )
    ]


@pytest.mark.parametrize(
    "details",
    [
        "020?20VS:1001?21SS:26000001",
        "?20/VS/0000001001?21/SS/26000001?22dekuji",
        "020?20/VS/1001/SS/2600?210001/KS/0558Platba za internet",
        "/VS/1001/SS/26000001",
        "PLATBA VS 1001 SS 26000001",
    ],
)
def test_the_symbols_are_found_wherever_banks_put_them(details: str) -> None:
    line = _line(f":61:2611031103C1,00NTRFNONREF//2611030000123\n:86:{details}\n")

    assert (line.variable_symbol, line.specific_symbol) == ("1001", "26000001")


def test_a_mark_that_names_nothing_does_not_take_a_number_from_the_next_words() -> None:
    line = _line(":61:2611031103C1,00NTRFNONREF//2611030000123\n:86:020?20KS:0308?21 VS:?22 2026 internet\n")

    assert (line.variable_symbol, line.constant_symbol) == ("", "308")


@pytest.mark.parametrize(("reference", "symbol"), [("0000001001", "1001"), ("NONREF", ""), ("A1001", "")])
def test_the_customer_reference_is_the_variable_symbol_if_it_can_be_one(reference: str, symbol: str) -> None:
    assert _line(f":61:2611031103C1,00NTRF{reference}//2611030000123\n:86:dekuji\n").variable_symbol == symbol


@pytest.mark.parametrize("name", ["Dvořák Šťastný", "ŽÁČEK ĚŘÍM", "Petřek"])
def test_names_are_those_of_cp852(name: str) -> None:
    assert _line(f":61:2611031103C1,00NTRFNONREF\n:86:020?20dar?32{name}\n").message == f"{name} dar"


@pytest.mark.parametrize(
    ("mark", "amount", "reverses"),
    [("C", "50.00", ""), ("D", "-50.00", ""), ("RC", "-50.00", "credit"), ("RD", "50.00", "debit")],
)
def test_a_storno_says_what_it_takes_back(mark: str, amount: str, reverses: str) -> None:
    new = f"C261103CZK{1050 if amount == '50.00' else 950},00"

    line = _line(f":61:2611031103{mark}50,00NTRFNONREF\n", new)

    assert (str(line.amount), line.reverses) == (amount, reverses)


def test_payments_alike_in_every_field_are_two() -> None:
    alike = ":61:2611031103C1,00NTRF1001//NONREF\n"

    [found] = parse(statement(alike, alike, new="C261103CZK1002,00"))

    assert [line.bank_ref for line in found.lines] == [
        "mt940-20261103-NONREF-100-C-1001-at100000-1",
        "mt940-20261103-NONREF-100-C-1001-at100100-1",
    ]


def test_an_entry_date_may_lie_in_the_year_before_the_value_date() -> None:
    movement = ":61:2701011231C1,00NTRFNONREF\n"

    [found] = parse(statement(movement, old="C261230CZK0,", new="C261231CZK1,00"))

    assert found.lines[0].booked_on == date(2026, 12, 31)


def test_the_envelope_of_swift_is_taken_off() -> None:
    plain = statement(CHARGE, new="C261103CZK899,50")
    wrapped = b"{1:F01KOMBCZPPAXXX0000000000}{2:O940}{4:\r\n" + plain.removesuffix(b"-\r\n") + b"-}{5:{CHK:0}}\r\n"

    assert parse(wrapped) == parse(plain)


def _page(data: bytes, *, first: bool = False, last: bool = False) -> bytes:
    data = data if first else data.replace(b":60F:", b":60M:")
    return data if last else data.replace(b":62F:", b":62M:")


FIRST = _page(statement(CREDIT, new="C261103CZK1599,00"), first=True)
SECOND = _page(statement(CHARGE, old="C261103CZK1599,00", new="C261103CZK1498,50", number="15/2"), last=True)


def test_pages_are_one_statement() -> None:
    [found] = parse(FIRST + SECOND)

    assert (found.old_balance, found.new_balance) == (Money(100000), Money(149850))
    assert amounts([found]) == ["599.00", "-100.50"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (FIRST, "its last page is missing"),
        (SECOND, "begins in the middle (:60M:); a page is missing"),
        (FIRST + FIRST, "follows a page that has no end"),
        (FIRST + SECOND.replace(b"2000145399\r\n:28", b"2000145400\r\n:28"), "its account is 19-2000145400/0100"),
        (FIRST + SECOND.replace(b":60M:C261103CZK1599", b":60M:C261103CZK1598"), "its old balance is 1598.00"),
        (FIRST + SECOND.replace(b"15/2", b"16/2"), "its number is 16, but on the page before it is 15"),
    ],
)
def test_pages_that_do_not_belong_together_are_refused(data: bytes, message: str) -> None:
    assert message in _refusal(data)


GOOD = statement(CREDIT, CHARGE, new="C261103CZK1498,50")


def _summed(stated: str) -> bytes:
    return statement(CREDIT, new="C261103CZK1599,00", more=f":90D:0CZK0,00\n:90C:{stated}\n")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (GOOD.replace(b"599,00NTRF", b"598,00NTRF"), "new balance is 1498.50"),
        (GOOD.replace(b":62F:", b":63F:"), ":62: the new balance must be there once"),
        (GOOD.replace(b":25:", b":26:"), ":25: the account must be there once"),
        (GOOD.replace(b"C599,00", b"X599,00"), "message 1 (line 1): :61: can't be read: '2611031103X599"),
        (GOOD.replace(b"C599,00NTRF", b"C599,00"), ":61: of 2 movements only 1 can be read"),
        (GOOD.replace(b"2611031103C", b"2613031103C"), "can't be read: month must be in 1..12"),
        (GOOD.replace(b"599,00NTRF", b"59,9,00NTRF"), "message 1 (line 1): can't be read"),
        (GOOD.replace(b"C599,00", b"C599,001"), ":61: number 1 is not a whole number of hal"),
        (GOOD.replace(b"CZK1498", b"EUR1498"), "two currencies: CZK and EUR"),
        (GOOD[:60], "the new balance must be there once"),
        (b"hello\n" + GOOD, "line 1: a statement of MT940 begins with :20:"),
        (b"", "begins with :20:"),
        (
            statement(CREDIT, new="C261103CZK1599,00", more=":90D:0CZK0,00\n:90C:2CZK599,00\n"),
            "says that it has 2 movements",
        ),
        (
            statement(CREDIT, new="C261103CZK1599,00", more=":90D:0CZK0,00\n:90C:1CZK600,00\n"),
            "credits are 599.00 in sum",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(data: bytes, message: str) -> None:
    assert message in _refusal(data)


def test_a_file_with_more_movements_than_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mt940, "MOVEMENTS_MAX", 1)

    assert "has more than 1 movements" in _refusal(GOOD)


def test_a_field_without_an_end_is_refused() -> None:
    movement = f":61:2611031103C1,00NTRFNONREF\n:86:{'VS00000000' * 10_000}\n"

    assert "a field is longer than 65536 characters" in _refusal(statement(movement, new="C261103CZK1001,00"))


def test_text_that_is_the_name_of_a_file_does_not_open_it(tmp_path: Path) -> None:
    """The library reads a file if it is given the name of one."""
    path = tmp_path / "statement.sta"
    path.write_bytes(GOOD)

    assert "begins with :20:" in _refusal(str(path).encode())


def test_nobodys_payment_is_written_into_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    _refusal(GOOD.replace(b"C599,00", b"X599,00"))

    assert "0000001001" not in caplog.text
