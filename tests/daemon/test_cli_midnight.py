"""Just after midnight it is the ISP's day that counts: UTC still has yesterday, in another month here."""

from datetime import date

import pytest

from billing.money import Money
from daemon.demo.bank import Movement, gpc_statement
from tests.daemon.admin import INVOICES, SERVICES, Admin

YESTERDAY, TODAY = date(2026, 3, 31), date(2026, 4, 1)


@pytest.fixture
def isp(admin: Admin) -> Admin:
    admin.import_all()
    admin.move_clock_to(YESTERDAY)
    movements = [Movement(Money.parse(paid), variable_symbol="1001") for paid in ("699.00", "50.00")]
    statement = {"account": "2000000005", "account_name": "ISP", "number": 1, "old_balance": Money(), "on": YESTERDAY}
    (admin.folder / "bank.gpc").write_bytes(gpc_statement(movements=movements, **statement))
    assert admin.run("payments", "import", str(admin.folder / "bank.gpc")).code == 0
    admin.move_clock_to(TODAY, hour=0)
    return admin


def days(admin: Admin, query: str) -> set[str]:
    return {row[0] for row in admin.sql(query)}


def newest_fact(admin: Admin, key: str) -> set[str]:
    return days(admin, f"SELECT effective_on FROM ledger_transaction WHERE key LIKE '{key}' ORDER BY id DESC LIMIT 1")


def test_a_price_that_is_imported_counts_from_it(isp: Admin) -> None:
    isp.run("import", "services", isp.write("dearer.csv", SERVICES.replace("599.00", "649.00")))

    assert days(isp, "SELECT valid_from_on FROM service_price WHERE price = 64900") == {str(TODAY)}


def test_an_invoice_that_an_import_corrects_is_corrected_on_it(isp: Admin) -> None:
    isp.run(
        "import",
        "invoices",
        isp.write("less.csv", INVOICES.splitlines()[0] + "\n" + INVOICES.splitlines()[2].replace("599.00", "499.00")),
    )

    assert newest_fact(isp, "invoice:26000002:corrected:%") == {str(TODAY)}


def test_credit_pays_a_new_invoice_on_it(isp: Admin) -> None:
    row = "26000003,1001,2026-04-01,2026-04-15,599.00,599.00\n"
    isp.run("import", "invoices", isp.write("next.csv", INVOICES.splitlines()[0] + "\n" + row))

    assert newest_fact(isp, "credit:%") == {str(TODAY)}


def test_an_assignment_is_taken_back_on_it(isp: Admin) -> None:
    assert isp.run("payments", "unassign", "1", "--why", "not hers").code == 0

    assert newest_fact(isp, "payment%") == {str(TODAY)}
