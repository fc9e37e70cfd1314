"""`hradlo import` from the exports of another program: a mapping, a dry run, and opening credit."""

from collections.abc import Iterator

import pytest

from tests.daemon.admin import Admin, Ran

MAPPING = """
encoding = "cp1250"
delimiter = ";"
date_format = "%d.%m.%Y"
decimal_comma = true

[customers.columns]
customer_number = "Číslo"
name = ["Jméno", "Příjmení"]
email = "E-mail"
[customers.constants]
language = "cs"

[services.columns]
contract_number = "VS"
customer_number = "Číslo"
kind = "Tarif"
product = "Tarif"
price = "Cena s DPH"
starts_on = "Od"
addresses = "IP"
[services.values.kind]
"Pojištění" = "insurance"
"*" = "internet"

[invoices.columns]
number = "Doklad"
contract_number = "VS"
issued_on = "Vystaveno"
due_on = "Splatnost"
total = "Celkem"
open = "Zbývá"
[invoices.skip]
"Stav" = ["stornováno"]

[credits.columns]
contract_number = "VS"
amount = "Přeplatek"
on = "Ke dni"
"""
CUSTOMERS = "Číslo;Jméno;Příjmení;E-mail;Poznámka\n7;Žofie;Říhová;zofie@isp.example;má psa\n"
SERVICES = "VS;Číslo;Tarif;Cena s DPH;Od;IP\n2001;7;Vlákno 100;599,00;1.3.2024;10.1.0.7\n"
INVOICES = """Doklad;VS;Vystaveno;Splatnost;Celkem;Zbývá;Stav
25000007;2001;16.2.2026;2.3.2026;1 599,00 Kč;599,00;vystaveno
25000008;2001;16.2.2026;2.3.2026;99,00;99,00;stornováno
"""
CUSTOMER_WITH_PASSWORD = """customer_number,name,email,phone,street,city,postal_code,language,password
9,Eva,,,,,,cs,tajemství
"""
CREDITS = "VS;Přeplatek;Ke dni\n2001;0;28.2.2026\n"


@pytest.fixture
def isp(admin: Admin) -> Iterator[Admin]:
    admin.import_all()
    admin.write("map.toml", MAPPING)
    for what, text in (("customers", CUSTOMERS), ("services", SERVICES), ("invoices", INVOICES), ("credits", CREDITS)):
        (admin.folder / f"their-{what}.csv").write_text(text, encoding="cp1250")
    return admin


def bring(admin: Admin, what: str, *options: str) -> Ran:
    file, mapping = str(admin.folder / f"their-{what}.csv"), str(admin.folder / "map.toml")
    return admin.run("import", what, file, "--mapping", mapping, *options)


def test_another_programs_exports_become_customers_services_and_invoices(isp: Admin) -> None:
    for what in ("customers", "services", "invoices"):
        assert bring(isp, what).out == f"{what}: 1 added, 0 changed, 0 unchanged.\n"

    shown = isp.run("show", "2001", "--json").json
    assert shown["name"] == "Žofie Říhová"
    assert [(each["number"], each["total"], each["open"]) for each in shown["invoices"]] == [
        ("25000007", "1599.00", "599.00")
    ]
    assert isp.run("audit", "verify").code == 0


def test_a_dry_run_says_what_would_happen_shows_the_first_rows_and_writes_nothing(isp: Admin) -> None:
    before = isp.run("audit", "verify", "--json").json["journal_entries"]
    ran = bring(isp, "customers", "--dry-run")

    assert "Žofie Říhová" in ran.out
    assert ran.out.endswith("customers: 1 added, 0 changed, 0 unchanged. This was a dry run: nothing was written.\n")
    assert isp.run("audit", "verify", "--json").json["journal_entries"] == before
    assert bring(isp, "customers", "--dry-run", "--json").json == {
        "added": 1,
        "changed": 0,
        "unchanged": 0,
        "is_dry_run": True,
        "warnings": [],
    }


def test_a_dry_run_shows_amounts_and_addresses_as_a_person_writes_them_and_no_password(isp: Admin) -> None:
    bring(isp, "customers")
    shown = bring(isp, "services", "--dry-run").out
    assert "599.00" in shown
    assert "10.1.0.7" in shown
    assert "{" not in shown
    assert "IPv4" not in shown
    customer = isp.write("c.csv", CUSTOMER_WITH_PASSWORD)
    assert "tajemství" not in isp.run("import", "customers", customer, "--dry-run").out


def test_a_dry_run_names_what_would_be_refused_by_their_columns(isp: Admin) -> None:
    ran = bring(isp, "invoices", "--dry-run")

    assert ran.code == 1
    assert "line 2, column VS (contract_number): there is no contract 2001: import services first" in ran.err


def test_credit_that_a_contract_brings_along_pays_its_invoices_once(isp: Admin) -> None:
    credit = isp.write("credits.csv", "contract_number,amount,on\n1001,700.00,2026-02-28\n1002,0,2026-02-28\n")
    first, second = isp.run("import", "credits", credit), isp.run("import", "credits", credit)

    assert first.out == "credits: 1 added, 0 changed, 1 unchanged.\n"
    assert second.out == "credits: 0 added, 0 changed, 2 unchanged.\n"
    assert isp.run("show", "1001", "--json").json["debt"] == "0.00 CZK"
    assert isp.run("audit", "verify").code == 0
