"""What every command of the program promises: JSON that is JSON, errors that are messages, and what it does."""

import contextlib
import os
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from billing.money import Money
from billing.store.journal import Mark
from daemon import doorbell
from daemon.cli.program import app
from daemon.demo.bank import Movement, gpc_statement
from daemon.engine_lock import only_engine
from daemon.witness import FILE_NAME, Sight
from enforcement.dryrun import DryRunDriver
from tests.daemon.admin import INVOICES, Admin
from tests.scenario import at

DAY = date(2026, 3, 16)


def statement(*movements: Movement, number: int = 1) -> bytes:
    return gpc_statement(
        account="2000000005", account_name="ISP", number=number, old_balance=Money(), movements=movements, on=DAY
    )


def pay(admin: Admin, *movements: Movement, more: tuple[str, ...] = ()) -> object:
    path = admin.folder / "bank.gpc"
    path.write_bytes(statement(*movements))
    return admin.run("payments", "import", str(path), *more)


@pytest.fixture
def isp(admin: Admin) -> Admin:
    """Two contracts: 1001 is ripe for the notice, 1002 for the first reminder."""
    admin.import_all()
    return admin


# ── JSON ────────────────────────────────────────────────────────────────────────────────────────────────────────

READING = [
    ["show", "1001"],
    ["forecast"],
    ["status"],
    ["plan"],
    ["brake", "show"],
    ["audit"],
    ["audit", "verify"],
    ["payments", "unmatched"],
    ["doctor"],
    ["bill", "--dry-run", "--far"],
    ["product", "list"],
    ["service", "list", "1001"],
    ["customer", "requests"],
]


def test_json_of_every_reading_command_is_one_document_and_nothing_else(isp: Admin) -> None:
    isp.add_setting("enforcement", 'garden = ["never.resolved.invalid"]')  # a warning in the log of some commands
    isp.config.write_text(
        isp.config.read_text("utf-8")
        .replace('#url = "http://10', "#")
        .replace("http://127.0.0.1:8080", "http://127.0.0.1:1"),
        encoding="utf-8",
    )
    for command in READING:
        assert isp.run(*command, "--json").json is not None


def test_every_command_that_only_reads_has_json() -> None:
    """A new one that is named here is tested above; one that changes something is named in the other set."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    names = {name for name, command in commands.items() if not isinstance(command, TyperGroup)}

    assert names == {"run", "demo", "lab", "init", "backup", "upgrade", "check-config", "apply"} | {
        "promise",
        "hold",
        "undo",
        "exempt",
        "release",
        "show",
        "forecast",
        "status",
        "plan",
        "doctor",
        "bill",
        "credit",
        "sell",
        "unsell",
        "invoice",
    }


@pytest.mark.parametrize("command", READING)
def test_without_json_every_reading_command_prints_a_table_for_a_person(isp: Admin, command: list[str]) -> None:
    ran = isp.run(*command)

    assert len(ran.out) > 20
    assert "Traceback" not in ran.err


# ── import ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("what", ["customers", "services", "invoices"])
def test_the_same_file_twice_changes_nothing(isp: Admin, what: str) -> None:
    entries = isp.run("audit", "verify", "--json").json["journal_entries"]
    ran = isp.run("import", what, str(isp.folder / f"{what}.csv"))

    assert ran.out == f"{what}: 0 added, 0 changed, 2 unchanged.\n"
    assert isp.run("audit", "verify", "--json").json["journal_entries"] == entries


def test_every_bad_row_is_named_with_line_and_column_and_nothing_is_imported(isp: Admin) -> None:
    bad = "number,contract_number,issued_on,due_on,total,open\n"
    bad += "26000009,1001,2026-02-16,2026-03-02,599.00,599.00\n"
    bad += "26000010,9999,2026-02-16,2026-02-30,599.00,599.00\n"
    bad += 'x,1001,1.3.2026,2026-03-02,"5,99",599.00\n'
    ran = isp.run("import", "invoices", isp.write("bad.csv", bad))
    places = [line.strip().partition(": ")[0] for line in ran.err.splitlines()[1:]]

    assert (ran.code, ran.out) == (1, "")
    assert "bad.csv was refused; nothing of it was imported." in ran.err
    assert places == [
        "line 3, column due_on",
        "line 4, column number",
        "line 4, column issued_on",
        "line 4, column total",
    ]
    assert [row["number"] for row in isp.run("show", "1001", "--json").json["invoices"]] == ["26000001"]


def test_an_invoice_of_a_contract_that_is_not_there_is_named(isp: Admin) -> None:
    row = INVOICES.splitlines()[0] + "\n26000009,9999,2026-02-16,2026-03-02,599.00,599.00\n"
    ran = isp.run("import", "invoices", isp.write("bad.csv", row))

    assert ran.code == 1
    assert "line 2, column contract_number" in ran.err


def test_a_warning_of_an_import_is_printed_and_the_rows_are_taken(admin: Admin) -> None:
    header = "customer_number,name,email,phone,street,city,postal_code,language,password\n"
    ran = admin.run("import", "customers", admin.write("c.csv", header + '1,Jana,"a@x.cz;b@x.cz",,,,,cs,\n'))

    assert ran.code == 0
    assert ran.out.splitlines() == [
        "warning: line 2, column email: mail goes to a@x.cz only, not to b@x.cz",
        "customers: 1 added, 0 changed, 0 unchanged.",
    ]


@pytest.mark.parametrize(
    "command",
    [["import", "customers"], ["import", "services"], ["import", "invoices"], ["payments", "import"]],
    ids=" ".join,
)
@pytest.mark.parametrize("name", ["a folder", "nothing", "a picture", "an empty file"])
def test_a_file_that_is_none_of_ours_is_one_message(isp: Admin, command: list[str], name: str) -> None:
    (isp.folder / "a folder").mkdir()
    (isp.folder / "a picture").write_bytes(b"\x89PNG\r\n\x1a\n\x00\xff\xfe" * 99)
    (isp.folder / "an empty file").touch()
    ran = isp.run(*command, str(isp.folder / name))

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("hradlo: ")
    assert len(ran.err) < 1500


def test_an_interrupted_import_stores_nothing_and_ends_without_a_traceback(isp: Admin) -> None:
    header = "customer_number,name,email,phone,street,city,postal_code,language,password\n"
    rows = "".join(f"{n},Jana,,,,,,cs,\n" for n in range(100, 9000))
    pipe = isp.folder / "pipe.csv"
    os.mkfifo(pipe)
    importing = isp.start("import", "customers", str(pipe))
    with pipe.open("w") as writing:  # from here on, the command waits for the rest of its file
        writing.write(header + rows[:5000])
        writing.flush()
        _, err = _interrupted(importing)

    assert importing.returncode == 130
    assert b"Traceback" not in err
    assert isp.run("audit", "--json", "--last", "1").json[0]["action"] == "invoice.imported"


def _interrupted(process: "subprocess.Popen[bytes]") -> tuple[bytes, bytes]:
    """Presses ^C, and again: a signal that comes just before a blocking read is seen only after it."""
    for _ in range(20):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=3)
    raise AssertionError("^C does not end it")


# ── payments ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_payment_is_matched_once_and_the_same_file_adds_nothing(isp: Admin) -> None:
    movement = Movement(Money.parse("599.00"), variable_symbol="1001", specific_symbol="26000001")
    first = pay(isp, movement, more=("--json",))
    second = pay(isp, movement, more=("--json",))

    assert (first.json["new"], first.json["matched"]) == (1, 1)  # type: ignore[attr-defined]
    assert (second.json["new"], second.json["known"]) == (0, 1)  # type: ignore[attr-defined]
    assert isp.run("show", "1001", "--json").json["debt"] == "0.00 CZK"


def test_what_matches_nothing_waits_until_a_person_assigns_it(isp: Admin) -> None:
    pay(isp, Movement(Money.parse("599.00"), variable_symbol="777", message="from grandma"))
    [waiting] = isp.run("payments", "unmatched", "--json").json
    assigned = isp.run("payments", "assign", str(waiting["id"]), "26000001")

    assert (waiting["amount"], waiting["message"]) == ("599.00", "from grandma")
    assert assigned.code == 0
    assert isp.run("payments", "unmatched", "--json").json == []
    assert isp.run("show", "1001", "--json").json["invoices"][0]["open"] == "0.00"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["99", "26000001"], "There is no payment 99"),
        (["1", "999"], "999"),
        (["1"], "either an invoice or a contract"),
        (["1", "26000001", "--contract", "1001"], "either an invoice or a contract"),
        (["1", "--contract", "4"], "There is no contract 4"),
    ],
)
def test_a_wrong_assignment_is_refused_with_the_reason(isp: Admin, arguments: list[str], words: str) -> None:
    pay(isp, Movement(Money.parse("599.00"), variable_symbol="777"))
    ran = isp.run("payments", "assign", *arguments)

    assert (ran.code, ran.out) == (1, "")
    assert words in ran.err
    assert len(isp.run("payments", "unmatched", "--json").json) == 1


def test_a_statement_that_does_not_add_up_is_refused_whole(isp: Admin) -> None:
    lines = statement(
        Movement(Money.parse("599.00"), variable_symbol="1001"), Movement(Money.parse("1.00"))
    ).splitlines()
    (isp.folder / "torn.gpc").write_bytes(b"\r\n".join(lines[:-1]) + b"\r\n")
    ran = isp.run("payments", "import", str(isp.folder / "torn.gpc"))

    assert ran.code == 1
    assert "refused whole" in ran.err
    assert isp.run("show", "1001", "--json").json["debt"] == "599.00 CZK"


# ── plan, apply, forecast ───────────────────────────────────────────────────────────────────────────────────────


def test_plan_says_what_would_change_and_why_and_changes_nothing(isp: Admin) -> None:
    entries = isp.run("audit", "verify", "--json").json
    ran = isp.run("plan", "--json")

    assert ran.code == 2
    assert [(c["address"], c["after"], c["contract"], c["debt"]) for c in ran.json["changes"]] == [
        ("10.1.0.5", "notice", "1001", "599.00"),
        ("2001:db8:0:100::/56", "notice", "1001", "599.00"),
    ]
    assert isp.run("audit", "verify", "--json").json == entries
    assert isp.run("plan", "--json").json["checksum"] == ran.json["checksum"]


def test_apply_does_what_the_plan_with_that_checksum_said(isp: Admin) -> None:
    checksum = isp.run("plan", "--json").json["checksum"]
    ran = isp.run("apply", "--checksum", checksum)

    assert (ran.code, ran.out) == (0, "2 addresses changed.\n")
    assert isp.run("show", "1001", "--json").json["line"] == "notice"


def test_apply_refuses_a_plan_that_is_no_longer_the_one_that_was_seen(isp: Admin) -> None:
    checksum = isp.run("plan", "--json").json["checksum"]
    isp.run("hold", "1001")
    ran = isp.run("apply", "--checksum", checksum)

    assert ran.code == 1
    assert "facts or network changed since" in ran.err
    assert isp.run("status", "--json").json["lines_in_notice"] == 0


def test_apply_says_of_a_plan_that_somebody_applied_already_that_nothing_is_left_of_it(
    isp: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = DryRunDriver()

    @asynccontextmanager
    async def one_network(_: object) -> AsyncIterator[dict[str, DryRunDriver]]:
        yield {"main": driver}

    monkeypatch.setattr("daemon.cli.network.open_drivers", one_network)
    checksum = isp.run("plan", "--json").json["checksum"]
    assert isp.run("apply", "--checksum", checksum).code == 0

    ran = isp.run("apply", "--checksum", checksum)

    assert ran.code == 1
    assert f"Nothing is left to change of the plan with checksum {checksum}" in ran.err


def test_apply_leaves_it_to_a_running_engine(isp: Admin) -> None:
    with only_engine(isp.folder / "run"):
        ran = isp.run("apply")
        running = isp.run("status", "--json").json["engine"]

    assert (ran.code, running) == (1, "running")
    assert "An engine runs already" in ran.err


def test_the_forecast_says_who_when_and_what_until_its_last_day(isp: Admin) -> None:
    rows = isp.run("forecast", "--days", "8", "--json").json

    seen = [(row["at"][:10], row["contract"], row["what"]) for row in rows]

    assert [step for step in seen if step[2] in ("notice", "reminder", "notice_mail")] == [
        ("2026-03-16", "1001", "notice"),
        ("2026-03-16", "1002", "reminder"),
        ("2026-03-19", "1001", "notice_mail"),
        ("2026-03-20", "1002", "reminder"),
        ("2026-03-24", "1002", "notice"),
    ]
    assert seen == sorted(seen, key=lambda step: step[0])


@pytest.mark.parametrize("days", ["0", "-1", "367", "x", "1.5"])
def test_a_number_of_days_that_makes_no_sense_is_refused(isp: Admin, days: str) -> None:
    ran = isp.run("forecast", "--days", days)

    assert (ran.code, ran.out) == (2, "")
    assert "Traceback" not in ran.err


# ── contracts ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("command", "protected"),
    [
        (["promise", "1001", "--until", "2026-03-30"], "promised until 2026-03-30"),
        (["hold", "1001", "--why", "complaint"], "held (complaint)"),
        (["exempt", "1001"], "exempt (no reason given)"),
    ],
)
def test_what_protects_a_contract_is_shown_and_ends_with_its_release(
    isp: Admin, command: list[str], protected: str
) -> None:
    isp.run("apply")
    assert isp.run(*command).code == 0
    isp.run("apply")
    during = isp.run("show", "1001", "--json").json
    assert isp.run("release", "1001").code == 0
    after = isp.run("show", "1001", "--json").json

    assert (during["protected"], during["line"]) == (protected, "open")
    assert (after["protected"], after["proposed"]) == ("", "notice, unless the brake holds it")


@pytest.mark.parametrize(
    ("until", "words"),
    [
        ("2026-13-01", "is a day that does not exist"),
        ("tomorrow", "is not a date: write it like"),
        ("20260330", "is not a date: write it like"),
        ("30.3.2026", "is not a date: write it like"),
        ("", "is not a date"),
        ("2026-03-15", "is past"),
        ("2027-12-24", "more than a year away"),
    ],
)
def test_a_promise_for_a_wrong_day_is_not_made(isp: Admin, until: str, words: str) -> None:
    ran = isp.run("promise", "1001", "--until", until)

    assert (ran.code, ran.out) == (1, "")
    assert words in ran.err
    assert isp.run("show", "1001", "--json").json["protected"] == ""


@pytest.mark.parametrize("number", ["9999", "", " ", "x", "1001; DROP TABLE contract", "ř" * 5000])
@pytest.mark.parametrize("command", ["show", "hold", "exempt", "release"])
def test_a_contract_that_is_not_there_is_one_message(isp: Admin, command: str, number: str) -> None:
    ran = isp.run(command, number)

    assert (ran.code, ran.out) == (1, "")
    assert "There is no contract" in ran.err


def test_a_change_rings_the_engine(isp: Admin) -> None:
    """Asynchronous, because the doorbell is: the ring waits in the socket until it is looked at."""
    import socket

    path = isp.folder / "run" / doorbell.NAME
    path.parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        bell.bind(str(path))
        bell.settimeout(5)
        isp.run("hold", "1001")

        assert bell.recv(10) == b""


def test_who_did_it_and_why_stands_in_the_journal(isp: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "jana")
    isp.run("hold", "1001", "--why", "complaint 42")
    [entry] = isp.run("audit", "--last", "1", "--json").json

    assert (entry["actor"], entry["action"], entry["contract"]) == ("admin:jana", "contract.held", "1001")
    assert entry["why"] == "complaint 42"


# ── the record ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_audit_verify_counts_the_entries_of_a_journal_that_is_whole(isp: Admin) -> None:
    ran = isp.run("audit", "verify", "--json")

    assert (ran.code, ran.json["problems"]) == (0, [])
    assert ran.json["journal_entries"] == 7


def test_a_mark_noted_elsewhere_must_still_be_there(isp: Admin) -> None:
    assert isp.run("audit", "verify", "--mark", f"3:{'f' * 64}").code == 1
    assert "is not the one that was noted" in isp.run("audit", "verify", "--mark", f"3:{'f' * 64}").out

    ran = isp.run("audit", "verify", "--mark", "rubbish")

    assert (ran.code, ran.out) == (1, "")
    assert "--mark" in ran.err


def test_entries_that_were_cut_off_are_missed_by_what_the_engine_saw_last(isp: Admin) -> None:
    with sqlite3.connect(isp.database) as database:
        saw = Mark(*database.execute("SELECT id, hash FROM journal ORDER BY id DESC LIMIT 1").fetchone())
        isp.write(FILE_NAME, Sight(at(DAY), 1.0, saw).as_text())
        assert isp.run("audit", "verify").code == 0
        for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute("DELETE FROM journal WHERE id = ?", (saw.id,))
    database.close()

    ran = isp.run("audit", "verify")

    assert ran.code == 1
    assert "journal: row 7, which this gateway saw at 2026-03-16" in ran.out


def test_an_acknowledgement_that_never_was_has_no_proof(isp: Admin) -> None:
    ran = isp.run("audit", "proof", "1001")

    assert (ran.code, ran.out) == (1, "")
    assert "Nobody has acknowledged" in ran.err


def test_audit_verify_names_the_row_that_somebody_changed(isp: Admin) -> None:
    with sqlite3.connect(isp.database) as connection:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("UPDATE journal SET actor = 'nobody' WHERE id = 3")
    connection.close()
    ran = isp.run("audit", "verify", "--json")

    assert ran.code == 1
    assert "Journal row 3" in ran.json["problems"][0]


def test_a_clock_behind_the_journal_is_told_and_can_be_accepted(isp: Admin) -> None:
    isp.move_clock_to(DAY - timedelta(days=30))
    refused, told = isp.run("apply"), isp.run("status")
    assert isp.run("audit", "accept-clock", "--why", "it was ahead").code == 0
    applied = isp.run("apply")

    assert refused.code == 1
    assert "The clock says 2026-02-14" in refused.err
    assert "accept-clock" in refused.err
    assert "accept-clock" in told.out
    assert applied.code == 0


# ── what a terminal can do ──────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_cut_off_on_a_narrow_terminal(isp: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    ran = isp.run("forecast")

    assert "…" not in ran.out
    assert max(len(line) for line in ran.out.splitlines()) < 200


def test_who_reads_only_the_first_line_of_a_long_output_sees_no_traceback(isp: Admin) -> None:
    with isp.start("audit", "--json", "--last", "9999") as auditing:
        assert auditing.stdout is not None
        assert auditing.stderr is not None
        assert auditing.stdout.readline() == b"[\n"
        auditing.stdout.close()
        assert auditing.stderr.read() == b""


def test_a_full_disk_is_one_message(isp: Admin) -> None:
    with Path("/dev/full").open("wb") as full:
        auditing = isp.start("audit", stdout=full)
        _, err = auditing.communicate(timeout=30)

    assert auditing.returncode == 1
    assert err == b"hradlo: No space left on device.\n"


def test_a_terminal_without_diacritics_shows_what_it_can(isp: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    out, err = isp.start("show", "1001").communicate(timeout=30)

    assert err == b""
    assert b"Jana Nov?kov?" in out


def test_a_database_that_somebody_else_writes_to_for_too_long_is_one_message(
    isp: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    pragmas = tuple((n, "50", 50) if n == "busy_timeout" else (n, v, e) for n, v, e in _pragmas())
    monkeypatch.setattr("billing.store.engine._PRAGMAS", pragmas)
    with locked(isp.database):
        ran = isp.run("hold", "1001")
        reading = isp.run("status", "--json")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "hradlo: The database failed: database is locked. What was not finished was not stored.\n"
    assert reading.json["contracts"] == 2


def _pragmas() -> tuple[tuple[str, str, object], ...]:
    from billing.store import engine

    return engine._PRAGMAS


@contextmanager
def locked(path: Path) -> Iterator[None]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.rollback()
    connection.close()


def test_without_a_command_the_help_lists_them(isp: Admin) -> None:
    ran = isp.run("--help")

    assert ran.code == 0
    assert all(name in ran.out for name in ("init", "import", "payments", "plan", "forecast", "show", "audit"))


@pytest.mark.parametrize(
    "command",
    [
        ["undo", "{}", "--why", "x"],
        ["unsell", "{}"],
        ["mails", "retry", "1", "{}"],
        ["mails", "dismiss", "{}"],
        ["service", "stop", "{}", "--on", "2026-12-31"],
        ["payments", "unassign", "{}"],
        ["payments", "ignore", "R{}", "--why", "x"],
        ["customer", "accept", "{}"],
    ],
)
def test_a_number_that_no_database_keeps_is_refused_and_named(isp: Admin, command: list[str]) -> None:
    ran = isp.run(*(word.format(2**63) for word in command))

    assert ran.code == 1
    assert f"{2**63}: nothing has a number as long as this" in ran.err
