"""`hradlo bill` and what belongs to it, as an admin types it."""

from datetime import timedelta

import pytest

from billing.store.journal import Mark
from config.clock import OffsetClock
from daemon.engine_lock import only_engine
from daemon.witness import FILE_NAME, Sight
from tests.daemon.admin import Admin


@pytest.fixture
def isp(admin: Admin) -> Admin:
    """Two services at 599 a month, from 2026-03-16 on (the day of the clock)."""
    admin.import_all()
    admin.sql("UPDATE service SET billed_until_on = '2026-02-28'")
    return admin


def test_a_dry_run_shows_totals_and_writes_nothing(isp: Admin) -> None:
    ran = isp.run("bill", "--dry-run")

    assert ran.code == 0
    assert "2 invoices would be issued, 1198.00 in all" in ran.out
    assert isp.run("bill", "--dry-run").out == ran.out


def test_a_run_issues_once_and_says_it_in_json(isp: Admin) -> None:
    first = isp.run("bill", "--json").json
    again = isp.run("bill", "--json").json

    assert (first["invoices"], first["total"]) == (2, "1198.00")
    assert first["total_by_rate"] == {"standard 21 %": "1198.00"}
    assert again["invoices"] == 0


def test_nothing_is_invoiced_by_a_clock_that_the_running_engine_does_not_believe(isp: Admin) -> None:
    clock = OffsetClock(isp.folder / "offset")
    before = Sight(clock.now() - timedelta(days=40), clock.boottime_seconds(), Mark(0, ""))
    (isp.folder / FILE_NAME).write_text(before.as_text(), encoding="utf-8")
    with only_engine(isp.folder / "run"):
        refused = isp.run("bill")
        isp.run("brake", "release", isp.run("brake", "show", "--json").json["checksum"], "--why", "it is right")
        made = isp.run("bill", "--json")

    assert refused.code == 1
    assert "The clock was set by 40 days" in refused.err
    assert made.json["invoices"] == 2


def test_the_invoices_are_mailed_and_in_the_contracts_report(isp: Admin) -> None:
    isp.run("bill")

    report = isp.run("show", "1001", "--json").json
    assert "2600000001" in [each["number"] for each in report["invoices"]]
    assert "invoice" in [each["kind"] for each in report["mails"]]


def test_what_another_program_invoiced_is_told_from_what_is_due(admin: Admin) -> None:
    admin.import_all()  # services since 2024, and nobody said until when they are invoiced
    refused = admin.run("bill", "--dry-run")
    service = admin.run("service", "list", "1001", "--json").json[0]["id"]
    assert admin.run("service", "billed", service, "--until", "2026-02-28").code == 0

    assert (refused.code, "2 services would be invoiced for days more than 100 days ago" in refused.err) == (1, True)
    assert "1 service would be" in admin.run("bill", "--dry-run").err
    assert admin.run("bill", "--far", "--json").json["from_on"] == "2024-01-01"
    assert admin.run("service", "list", "1001", "--json").json[0]["invoiced_until_on"] == "2026-03-31"


def test_a_date_that_is_none_is_named(isp: Admin) -> None:
    ran = isp.run("bill", "--date", "1.4.2026")

    assert ran.code == 1
    assert "--date" in ran.err


def test_a_credit_note_gives_an_invoice_back(isp: Admin) -> None:
    isp.run("bill")

    ran = isp.run("credit", "2600000001", "--why", "never installed")

    assert ran.out.strip() == "Credit note 9260000001: -599.00."
    assert isp.run("audit", "verify").code == 0
    assert isp.run("credit", "2600000001", "--why", "again").code == 1


def test_goods_are_sold_at_the_products_price(isp: Admin) -> None:
    assert isp.run("product", "set", "goods", "Router", "--price", "990").code == 0
    assert isp.run("sell", "1001", "Router", "--serial-number", "SN1").code == 0

    assert isp.run("bill", "--json").json["total"] == "2188.00"


def test_a_sale_is_taken_back_until_an_invoice_has_it(isp: Admin) -> None:
    isp.run("product", "set", "goods", "Router", "--price", "990")
    said = isp.run("sell", "1001", "Router", "--serial-number", "SN1").out
    isp.run("sell", "1001", "Router", "--serial-number", "SN2")
    assert "`hradlo unsell 1` takes it back" in said
    assert [each["serial_number"] for each in isp.run("show", "1001", "--json").json["sold"]] == ["SN1", "SN2"]

    assert isp.run("unsell", "1", "--why", "the wrong customer").code == 0

    assert [each["sale"] for each in isp.run("show", "1001", "--json").json["sold"]] == ["2"]
    (entry,) = isp.run("audit", "--last", "1", "--json").json
    assert (entry["action"], entry["contract"], entry["why"]) == ("goods.unsold", "1001", "the wrong customer")
    assert "SN1" in entry["detail"]
    assert isp.run("bill", "--json").json["total"] == "2188.00"
    assert "hradlo credit 2600000001 --line 2" in isp.run("unsell", "2").err
    assert "There is no sale 1" in isp.run("unsell", "1").err


def test_goods_that_nobody_knows_are_named_with_the_remedy(isp: Admin) -> None:
    ran = isp.run("sell", "1001", "Roter")

    assert ran.code == 1
    assert "hradlo product set goods" in ran.err


def test_a_service_is_stopped_paused_and_priced_by_its_number(isp: Admin) -> None:
    service = isp.run("service", "list", "1001", "--json").json[0]["id"]

    assert isp.run("service", "pause", service, "--from", "2026-03-01", "--until", "2026-03-31").code == 0
    assert isp.run("bill", "--json").json["total"] == "599.00"
    assert isp.run("service", "price", service, "700", "--from", "2026-04-01").code == 0
    assert isp.run("service", "stop", service, "--on", "2026-04-15").code == 0
    assert isp.run("bill", "--date", "2026-04-01", "--json").json["total"] == "949.00"


def test_a_pause_of_days_that_are_invoiced_is_refused(isp: Admin) -> None:
    isp.run("bill")
    service = isp.run("service", "list", "1001", "--json").json[0]["id"]

    ran = isp.run("service", "pause", service, "--from", "2026-03-20")

    assert ran.code == 1
    assert "invoiced until 2026-03-31" in ran.err


def test_products_are_listed_with_todays_price(isp: Admin) -> None:
    isp.run("product", "set", "internet", "Fiber", "--price", "500", "--from", "2026-01-01")
    isp.run("product", "set", "internet", "Fiber", "--price", "900", "--from", "2027-01-01")

    (fiber,) = isp.run("product", "list", "--json").json
    assert (fiber["name"], fiber["price"]) == ("Fiber", "500.00")


def test_a_price_below_nothing_is_refused_wherever_it_comes_from(isp: Admin) -> None:
    service = isp.run("service", "list", "1001", "--json").json[0]["id"]
    isp.run("product", "set", "goods", "Router", "--price", "990")
    row = "1001,1,internet,Discount,-100.00,2026-03-16,"
    file = isp.write("minus.csv", f"contract_number,customer_number,kind,product,price,starts_on,addresses\n{row}\n")

    for command in (
        ("product", "set", "goods", "Discount", "--price=-100"),
        ("sell", "1001", "Router", "--price=-100"),
        ("service", "price", service, "--from", "2026-04-01", "--", "-100"),
        ("import", "services", file),
    ):
        ran = isp.run(*command)
        assert (ran.code, "lower price" in ran.err) == (1, True), command
    assert [each["product"] for each in isp.run("service", "list", "1001", "--json").json] == ["Fiber"]


def test_a_service_that_has_not_begun_is_listed_with_the_price_of_its_first_day(isp: Admin) -> None:
    row = "1001,1,insurance,Care,49.00,2026-06-01,"
    head = "contract_number,customer_number,kind,product,price,starts_on,addresses"
    isp.run("import", "services", isp.write("later.csv", f"{head}\n{row}\n"))

    assert [each["price"] for each in isp.run("service", "list", "1001", "--json").json] == ["599.00", "49.00"]
