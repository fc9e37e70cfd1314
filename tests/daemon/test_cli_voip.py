"""What an admin does with telephone numbers: decks, numbers, prices, credit, calls that wait."""

import re
from datetime import date
from pathlib import Path

import pytest

from tests.billing.voip.world import DECK, HEADER
from tests.daemon.admin import Admin

DAY = date(2026, 3, 16)
NUMBER = "910 123 456"


@pytest.fixture
def isp(admin: Admin) -> Admin:
    """Two contracts, a deck, and a number of the first contract."""
    admin.import_all()
    admin.move_clock_to(DAY)
    assert import_deck(admin, DECK, "2026-03-01").code == 0
    assert admin.run("voip", "number", "add", NUMBER, "1001").code == 0
    return admin


def import_deck(admin: Admin, text: str, valid_from: str, *options: str):  # type: ignore[no-untyped-def]
    path = Path(admin.folder, "deck.csv")
    path.write_text(text, encoding="utf-8")
    return admin.run("voip", "deck", "import", str(path), "--valid-from", valid_from, *options)


def test_a_number_is_added_with_a_password_that_is_printed_once(isp: Admin) -> None:
    ran = isp.run("voip", "number", "add", "+420 910 123 457", "1001")

    assert re.fullmatch(
        r"\+420910123457 belongs to contract 1001\. Its password for the telephone zone: [0-9a-hjkmnp-z]{12}\n", ran.out
    )
    rows = isp.run("voip", "number", "list", "--json").json
    assert [(row["number"], row["credit"], row["password"]) for row in rows] == [
        ("+420910123456", "0.00", "set"),
        ("+420910123457", "0.00", "set"),
    ]


@pytest.mark.parametrize(
    ("number", "contract", "error"),
    [
        (NUMBER, "1002", "+420910123456 is somebody's already"),
        ("1188", "1001", "short number"),
        ("910123", "1001", "no telephone number"),
        ("910123457", "9", "There is no contract 9"),
    ],
)
def test_a_number_that_cannot_be_added_says_why(isp: Admin, number: str, contract: str, error: str) -> None:
    ran = isp.run("voip", "number", "add", number, contract)

    assert ran.code == 1
    assert error in ran.err


def test_a_deck_says_what_it_changes_and_a_dry_run_changes_nothing(isp: Admin) -> None:
    text = DECK.replace("49,Německo,3.0105", "49,Německo,3.5").replace(
        "420601,Česko mobil,2.40", "420601,Česko mobil,2"
    )
    text = text.replace("1,USA a Kanada,6,0,1,1\n", "44,Británie,4,0,60,1\n")

    ran = import_deck(isp, text, "2026-04-01", "--dry-run", "--json")
    changes = ran.json["changes"]

    assert [(c["prefix"], c["before"], c["after"]) for c in changes["raised"]] == [
        ("49", "3.0105/min + 0.50, 60/60", "3.50/min + 0.50, 60/60")
    ]
    assert [c["prefix"] for c in changes["lowered"]] == ["420601"]
    assert ([c["prefix"] for c in changes["new"]], [c["prefix"] for c in changes["gone"]]) == (["44"], ["1"])
    assert len(isp.run("voip", "deck", "list", "--json").json) == 1
    assert "1 raised, 1 lowered, 0 changed, 1 new, 1 gone" in import_deck(isp, text, "2026-04-01").out
    assert isp.run("voip", "price", "+49 30 123", "--json").json["price_per_minute"] == "3.0105"
    assert isp.run("voip", "price", "+49 30 123", "--at", "2026-04-01", "--json").json["price_per_minute"] == "3.50"


def test_a_bad_deck_is_refused_whole_with_every_bad_cell_named(isp: Admin) -> None:
    bad = HEADER + (
        "00420,Česko,1.2,0,60,1\n49,Německo,3000,0,60,60\n49,Německo,3,0,60,60\n"
        "44,,1,0,0,x\nshort:112,SOS,1,0,60,60\n43,Rakousko,1,-1\n"
    )

    ran = import_deck(isp, bad, "2026-04-01")

    assert ran.code == 1
    for line in (
        "line 1, column prefix: 420 is missing",
        "line 2, column prefix: '00420' begins with 0",
        "line 3, column price_per_minute: 3000.00 a minute is absurd",
        "line 5, column destination: is empty",
        "line 5, column first_seconds: '0' is not a number of seconds",
        "line 5, column step_seconds: 'x' is not a number of seconds",
        "line 6, column prefix: 112 is free (emergency)",
        "line 7: has 4 cells",
    ):
        assert line in ran.err
    assert len(isp.run("voip", "deck", "list", "--json").json) == 1


def test_numbers_that_nobody_could_call_are_named_when_a_deck_is_imported(isp: Admin) -> None:
    ran = import_deck(isp, HEADER + "420,Česko,1.20,0,60,1\n", "2026-04-01")

    assert ran.code == 0
    assert "Odd: 1188: has no price, so nobody can call it or numbers like it" in ran.out
    assert "Odd: +420900123456: has no price" in ran.out


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("601 123 456", "+420601123456 Česko mobil (prefix 420601): 2.40/min, 60/1; 1 min 2.40, 10 min 24.00."),
        ("1188", "1188 Informace (prefix short:118): 30.00/min + 15.00, 60/60; 1 min 45.00, 10 min 315.00."),
        ("112", "112 is free (emergency)."),
        ("800 123 456", "+420800123456 is free (free)."),
        ("+999 123 456", "+999123456 can't be called: the deck has no price for it."),
    ],
)
def test_the_price_of_a_call_is_told_in_a_line(isp: Admin, number: str, words: str) -> None:
    assert isp.run("voip", "price", number).out == words + "\n"


def test_before_the_first_deck_a_number_is_not_said_to_lack_a_price(isp: Admin) -> None:
    ran = isp.run("voip", "price", NUMBER, "--at", "2026-02-28")

    assert ran.code == 1
    assert "No deck standard counts then" in ran.err
    assert isp.run("voip", "price", "112", "--at", "2026-02-28").out == "112 is free (emergency).\n"


def test_credit_is_given_and_taken_with_a_reason_and_the_books_stay_right(isp: Admin) -> None:
    assert isp.run("voip", "credit", NUMBER, "12.3456", "--why", "a complaint").code == 0
    assert isp.run("voip", "credit", "--why", "a slip", "--", NUMBER, "-2").code == 0
    too_much = isp.run("voip", "credit", "--why", "a slip", "--", NUMBER, "-20")

    assert "has 10.3456 of free credit, 20.00 can't be taken" in too_much.err
    shown = isp.run("voip", "number", "show", NUMBER, "--json").json
    assert (shown["credit"], shown["this_month"]["left"]) == ("10.3456", "1000.00")
    assert isp.run("audit", "verify").code == 0
    assert "+420910123456" in isp.run("show", "1001").out
    assert isp.run("show", "1001", "--json").json["telephones"][0]["credit"] == "10.3456"


def test_the_cap_of_a_month_is_raised_once(isp: Admin) -> None:
    assert isp.run("voip", "allow", NUMBER, "500", "--month", "2026-03").code == 0
    assert isp.run("voip", "allow", NUMBER, "300").out == "+420910123456 may top up 300 above the cap this month.\n"

    assert isp.run("voip", "number", "show", NUMBER, "--json").json["this_month"]["cap"] == "1300.00"
    assert "'03' is no month" in isp.run("voip", "allow", NUMBER, "1", "--month", "03").err


def test_a_number_gets_another_tariff_that_must_exist(isp: Admin) -> None:
    assert "There is no deck cheap" in isp.run("voip", "number", "deck", NUMBER, "cheap").err
    assert import_deck(isp, DECK.replace("2.40", "1.20"), "2026-03-01", "--name", "cheap").code == 0

    assert isp.run("voip", "number", "deck", NUMBER, "cheap").out == "+420910123456 is charged by deck cheap.\n"
    assert isp.run("voip", "number", "list", "--json").json[0]["deck"] == "cheap"
    assert isp.run("voip", "price", "601123456", "--deck", "cheap", "--json").json["price_per_minute"] == "1.20"


def test_a_number_is_blocked_and_unblocked(isp: Admin) -> None:
    assert isp.run("voip", "number", "block", NUMBER, "--why", "stolen").out == "+420910123456 is blocked.\n"
    assert isp.run("voip", "number", "show", NUMBER, "--json").json["state"] == "blocked"
    assert isp.run("voip", "number", "unblock", NUMBER).code == 0
    assert isp.run("voip", "number", "list", "--contract", "1001", "--json").json[0]["state"] == "active"


def test_without_calls_lists_are_empty_and_unknown_numbers_are_named(isp: Admin) -> None:
    assert isp.run("voip", "calls", "waiting", "--json").json == []
    assert isp.run("voip", "calls", "list", NUMBER, "--csv").out.startswith("started_at,direction,caller")
    assert "+420910999999 is no number of ours" in isp.run("voip", "calls", "list", "910999999").err
    assert isp.run("voip", "calls", "retry").out == "0 calls are charged, 0 still wait.\n"
    assert "There is no call 7" in isp.run("voip", "calls", "ignore", "7").err


def test_call_records_are_imported_from_a_file_and_charged_once(isp: Admin) -> None:
    isp.run("voip", "credit", NUMBER, "10", "--why", "start")
    line = "1773655200|1773655260|60.250000|1-1|910123456|601123456|1773655199.000000|1773655200.250000\n"
    file = isp.write("hradlo_1.log", line)

    first, again = isp.run("voip", "calls", "import", file), isp.run("voip", "calls", "import", file, "--json")

    assert first.out == "1 call (2.40 charged), 0 waiting, 0 known, 0 disputed.\n"
    assert again.json == {"rated": 0, "waiting": 0, "repeated": 1, "disputed": 0, "charged": "0.00"}
    assert isp.run("voip", "number", "list", "--json").json[0]["credit"] == "7.60"


def test_a_file_of_call_records_with_a_bad_line_is_refused_whole_and_names_it(isp: Admin) -> None:
    ran = isp.run("voip", "calls", "import", isp.write("Master.csv", "torn\n"), "--format", "asterisk")

    assert ran.code == 1
    assert "line 1: has 1 columns" in ran.err
    assert "docs/voip.md" in ran.err
