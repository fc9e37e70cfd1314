"""The brake at the command line: what an admin sees, releases, stops and undoes."""

import json
from datetime import date

import pytest

from billing.dunning import brake
from billing.dunning.brake import HoldReason
from billing.store.engine import Store
from config.settings import parse
from daemon.braking import held_for
from daemon.cli import brake as cli_brake
from daemon.cli.context import Context
from daemon.deciding import Known
from enforcement.brake import Reason, Why
from tests.daemon.admin import Admin

NOTICE_ON = date(2026, 3, 16)


@pytest.fixture
def isp(admin: Admin) -> Admin:
    """1001 is ripe for the notice; one notice a day is one too many here, so it is held."""
    admin.import_all()
    admin.add_setting("brake", "notices_per_day = 0\nnotices_percent = 0")
    return admin


def shown(isp: Admin) -> dict[str, object]:
    found: dict[str, object] = isp.run("brake", "show", "--json").json
    return found


def reasons(isp: Admin) -> list[str]:
    found = isp.run("brake", "show", "--json").json
    return [each["reason"] for each in found["reasons"]]


def release(isp: Admin) -> None:
    ran = isp.run("brake", "release", str(shown(isp)["checksum"]), "--why", "I looked")
    assert ran.code == 0, ran.err


def line(isp: Admin) -> str:
    found: str = isp.run("show", "1001", "--json").json["line"]
    return found


def test_what_is_held_names_whose_line_how_much_and_why(isp: Admin) -> None:
    found = isp.run("brake", "show", "--json").json

    assert found["state"] == "held"
    assert [each["reason"] for each in found["reasons"]] == ["policy", "volume"]
    assert found["contracts"] == [
        {"contract": "1001", "line": "notice", "debt": "599.00", "why": found["contracts"][0]["why"]}
    ]
    assert "held: volume: 1 new notice" in isp.run("brake", "show").out


def test_the_sums_and_the_reasons_stand_below_the_names_where_one_still_reads_them(isp: Admin) -> None:
    isp.move_clock_to(date(2026, 3, 24))
    isp.run("apply")

    said = isp.run("brake", "show").out

    assert "2 contracts: 2 notices and 0 suspensions, owing 1198.00 in all." in said
    assert said.index("1002") < said.index("2 contracts:") < said.index("held: policy") < said.index("Let it happen")


def test_who_looks_is_told_to_import_before_they_release_when_payments_may_be_missing(isp: Admin) -> None:
    advice = "First import what the bank has to say"
    assert advice not in isp.run("brake", "show").out

    strict = isp.config.read_text("utf-8").replace("statement_age_days = 0", "statement_age_days = 1")
    isp.config.write_text(strict, "utf-8")

    said = isp.run("brake", "show").out
    assert 0 < said.index("held: stale") < said.index(advice) < said.index("Let it happen")


def test_who_looks_is_told_to_set_the_clock_before_they_release_what_it_holds() -> None:
    first, then = cli_brake._what_next(held_for([Reason(Why.CLOCK, "the clock was set by 2 h")]), parse(""))

    assert first.startswith("First set the clock (timedatectl)")
    assert then.startswith("Let it happen")


def test_who_looks_after_a_restore_is_told_to_import_before_they_release(isp: Admin) -> None:
    isp.run("apply")
    note = isp.folder / "witness.json"
    seen = json.loads(note.read_text("utf-8"))
    note.write_text(json.dumps(seen | {"journal_id": seen["journal_id"] + 9}), encoding="utf-8")

    said = isp.run("brake", "show").out

    assert 0 < said.index("held: restored") < said.index("First import every statement") < said.index("Let it happen")


def test_a_plan_shows_what_is_held_and_apply_does_not_do_it(isp: Admin) -> None:
    plan = isp.run("plan", "--json")
    applied = isp.run("apply")

    assert [each["contract"] for each in plan.json["brake"]["contracts"]] == ["1001"]
    assert plan.json["changes"] == []
    assert applied.code == 0
    assert line(isp) == "open"
    assert "held" in isp.run("plan").out
    assert "policy, volume" in isp.run("status", "--json").json["brake"]


def test_a_release_lets_it_happen_once_and_stands_in_the_journal_with_who_and_why(isp: Admin) -> None:
    release(isp)
    isp.run("apply")

    assert line(isp) == "notice"
    entries = isp.run("audit", "--json").json
    [released] = [entry for entry in entries if entry["action"] == "brake.released" and entry["why"]]
    assert (released["why"], json.loads(released["detail"])["notices"]) == ("I looked", 1)
    assert str(released["actor"]).startswith("admin:")
    assert isp.run("brake", "show", "--json").json["state"] == "go"


def test_a_release_is_refused_when_what_is_held_has_changed_since(isp: Admin) -> None:
    checksum = str(shown(isp)["checksum"])
    isp.run("import", "invoices", isp.write("more.csv", (
        "number,contract_number,issued_on,due_on,total,open\n26000009,1002,2026-02-10,2026-02-24,100.00,100.00\n"
    )))  # fmt: skip

    ran = isp.run("brake", "release", checksum, "--why", "I looked")

    assert ran.code == 1
    assert "facts or reasons changed since" in ran.err
    isp.run("apply")
    assert line(isp) == "open"


def test_a_checksum_is_released_once_and_the_second_admin_is_told_by_whom_it_was(isp: Admin) -> None:
    checksum = str(shown(isp)["checksum"])
    assert isp.run("brake", "release", checksum, "--why", "I looked").code == 0

    ran = isp.run("brake", "release", checksum, "--why", "I looked, too")

    assert ran.code == 1
    assert f"{checksum} was released already, at 2026-03-16 12:00 by admin:" in ran.err
    assert [entry["why"] for entry in isp.run("audit", "--json").json if entry["action"] == "brake.released"][1:] == [
        "I looked"
    ]


def test_a_release_ends_no_hold_that_began_after_it_looked(isp: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    checksum = str(shown(isp)["checksum"])
    look = cli_brake._look

    async def look_and_be_overtaken(context: Context, store: Store) -> Known:
        known = await look(context, store)
        async with store.transaction() as session:
            reason = HoldReason("manual", "", "somebody stopped it")
            await brake.begin_hold(session, reason, actor="admin:eva", now=context.clock.now())
        return known

    monkeypatch.setattr(cli_brake, "_look", look_and_be_overtaken)
    ran = isp.run("brake", "release", checksum, "--why", "I looked")

    assert ran.code == 1
    assert "facts or reasons changed since" in ran.err
    monkeypatch.undo()
    assert "manual" in reasons(isp)


def test_a_release_needs_a_reason_and_something_to_release(isp: Admin) -> None:
    assert isp.run("brake", "release", "abc").code == 2
    release(isp)
    isp.run("apply")

    ran = isp.run("brake", "release", "abc", "--why", "again")

    assert ran.code == 1
    assert "Nothing is held" in ran.err


def test_an_admin_stops_everything_and_lets_go_again(isp: Admin) -> None:
    release(isp)
    assert isp.run("brake", "hold", "--why", "something is odd").code == 0
    isp.run("apply")
    assert line(isp) == "open"
    assert "manual" in reasons(isp)

    release(isp)
    isp.run("apply")
    assert line(isp) == "notice"


def test_undo_gives_a_run_its_lines_back(isp: Admin) -> None:
    release(isp)
    isp.run("apply")
    run = isp.run("brake", "show", "--json").json["runs"][0]["run"]
    assert isp.run("status", "--json").json["last_run"].startswith(f"{run} (")

    ran = isp.run("undo", str(run), "--why", "a wrong import")
    isp.run("apply")

    said = f"1 contract of run {run} is protected up to and including 2026-03-23.\n"
    assert ran.out == f"{said}No engine runs here, so nothing changes on this gateway yet: systemctl start hradlo\n"
    assert line(isp) == "open"
    assert isp.run("undo", "99", "--why", "x").code == 1
    assert isp.run("undo", str(run), "--why", "x", "--until", "soon").code == 1


def test_a_run_is_undone_once(isp: Admin) -> None:
    release(isp)
    isp.run("apply")
    assert isp.run("undo", "1", "--why", "a wrong import").code == 0
    before = isp.run("audit", "--json").json

    again = isp.run("undo", "1", "--why", "a wrong import", "--until", "2026-12-24")

    assert again.code == 1
    assert "Run 1 was undone already, at 2026-03-16" in again.err
    assert "hradlo promise CONTRACT --until DAY" in again.err
    assert isp.run("audit", "--json").json == before


# ── monitor ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_installation_only_monitors_and_the_first_release_is_the_start(newcomer: Admin) -> None:
    ran = newcomer.run("init", "--data", str(newcomer.folder), "--dryrun", "--address", "127.0.0.1")
    assert "It only monitors" in ran.out
    newcomer.add_setting("brake", "statement_age_days = 0")
    newcomer.move_clock_to(NOTICE_ON)
    newcomer.import_all()
    newcomer.run("apply")

    assert "It only monitors: of this, nothing but the reminders" in newcomer.run("forecast").out
    assert reasons(newcomer) == ["monitor", "first"]
    assert line(newcomer) == "open"
    assert newcomer.run("status", "--json").json["mode"] == "monitor"
    refused = newcomer.run("brake", "release", str(shown(newcomer)["checksum"]), "--why", "go")
    assert (refused.code, "only monitors" in refused.err) == (1, True)

    text = newcomer.config.read_text("utf-8").replace('mode = "monitor"', 'mode = "enforce"')
    newcomer.config.write_text(text, "utf-8")
    newcomer.run("apply")
    assert (reasons(newcomer), line(newcomer)) == (["first"], "open")

    release(newcomer)
    newcomer.run("apply")
    assert line(newcomer) == "notice"


def test_who_monitors_gets_reminded_people_but_mails_nobody_about_what_does_not_happen(newcomer: Admin) -> None:
    newcomer.run("init", "--data", str(newcomer.folder), "--dryrun", "--address", "127.0.0.1")
    newcomer.add_setting("brake", "statement_age_days = 0")
    newcomer.move_clock_to(NOTICE_ON)
    newcomer.import_all()
    for day in (16, 20, 26, 31):
        newcomer.move_clock_to(date(2026, 3, day))
        newcomer.run("apply")

    mails = [mail["kind"] for mail in newcomer.run("show", "1001", "--json").json["mails"]]
    assert set(mails) == {"reminder"}
