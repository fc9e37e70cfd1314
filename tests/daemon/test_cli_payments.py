"""What an admin does with payments: takes back, sets aside, writes down, and sees whose one may be."""

from datetime import date, timedelta

import pytest

from billing.money import Money
from daemon.demo.bank import Movement, gpc_statement
from tests.daemon.admin import Admin

DAY = date(2026, 3, 16)


@pytest.fixture
def isp(admin: Admin) -> Admin:
    """Two contracts with an invoice of 599.00 each."""
    admin.import_all()
    admin.move_clock_to(DAY)
    return admin


def pay(admin: Admin, amount: str, variable_symbol: str = "", message: str = "") -> None:
    movement = Movement(Money.parse(amount), variable_symbol=variable_symbol, message=message)
    path = admin.folder / "bank.gpc"
    path.write_bytes(
        gpc_statement(
            account="2000000005", account_name="ISP", number=1, old_balance=Money(), movements=[movement], on=DAY
        )
    )
    assert admin.run("payments", "import", str(path)).code == 0


def open_amounts(admin: Admin) -> list[str]:
    return [invoice["open"] for c in ("1001", "1002") for invoice in admin.run("show", c, "--json").json["invoices"]]


def test_what_waits_is_shown_with_whose_it_may_be(isp: Admin) -> None:
    pay(isp, "599.00", "1003", "Jana Novakova internet")
    [waiting] = isp.run("payments", "unmatched", "--json").json

    best = waiting["suggestions"][0]
    assert (best["contract"], best["customer"], best["invoice"]) == ("1001", "Jana Nováková", "26000001")
    assert best["why"] == (
        "its number is 1003 but for one digit; its customer's name is in the message; "
        "exactly what is open of invoice 26000001"
    )
    assert "Jana Nováková" in isp.run("payments", "unmatched").out
    assert open_amounts(isp) == ["599.00", "599.00"]


def test_cash_at_the_desk_is_written_down_and_can_be_taken_back(isp: Admin) -> None:
    ran = isp.run("payments", "record", "1001", "599.00", "--on", "2026-03-15", "--why", "receipt 7")
    assert ran.out.startswith("Contract 1001 paid 599.00: paid in cash, written down by admin:")
    assert open_amounts(isp) == ["0.00", "599.00"]

    assert isp.run("payments", "return", "1", "--on", "2026-03-16", "--why", "a slip of the pen").code == 0
    assert open_amounts(isp) == ["599.00", "599.00"]
    assert isp.run("audit", "verify").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["record", "1001", "0"], "0.00 is no amount that can be paid"),
        (["record", "1001", "5,99"], "'5,99' is not an amount"),
        (["record", "1001", "5", "--on", "2026-03-17"], "2026-03-17 has not come yet"),
        (["record", "4", "5"], "There is no contract 4"),
        (["unassign", "1"], "There is no payment 1"),
        (["ignore", "1", "--why", "mine"], "There is no payment 1"),
        (["ignore", "R1", "--why", "mine"], "There is no return R1"),
        (["ignore", "x", "--why", "mine"], "'x' is no id"),
        (["return", "1", "--movement", "5"], "5 is no return"),
        (["return", "1", "--on", "2026-03-16"], "There is no payment 1"),
    ],
)
def test_what_can_not_be_is_refused_with_the_reason(isp: Admin, arguments: list[str], words: str) -> None:
    ran = isp.run("payments", *arguments)

    assert (ran.code, ran.out) == (1, "")
    assert words in ran.err


def test_a_wrong_assignment_is_taken_back_and_what_is_nobodys_is_set_aside(isp: Admin) -> None:
    pay(isp, "599.00", "777")
    assert isp.run("payments", "assign", "1", "26000001").code == 0
    assert isp.run("payments", "unassign", "1", "--why", "it was Petr's").code == 0
    assert open_amounts(isp) == ["599.00", "599.00"]
    assert len(isp.run("payments", "unmatched", "--json").json) == 1

    assert isp.run("payments", "ignore", "1", "--why", "the owner's own").code == 0
    assert isp.run("payments", "unmatched", "--json").json == []
    assert isp.run("audit", "verify").code == 0


def test_a_missing_statement_is_a_warning_of_the_import_and_a_finding_of_the_doctor(isp: Admin) -> None:
    path = isp.folder / "bank.gpc"
    for number, old in ((1, 0), (3, 500)):
        path.write_bytes(
            gpc_statement(
                account="2000000005",
                account_name="ISP",
                number=number,
                old_balance=Money.parse(str(old)),
                movements=[Movement(Money.parse("100.00"), variable_symbol="1001")],
                on=DAY + timedelta(days=number),
            )
        )
        ran = isp.run("payments", "import", str(path))

    gap = "between 2026-03-17 (100.00) and 2026-03-18 (500.00) movements of 400.00 are missing"
    assert f"warning: account 2000000005: {gap}: import the statements of those days" in ran.out
    assert any(each["found"].endswith(gap) for each in isp.run("doctor", "--json").json)
