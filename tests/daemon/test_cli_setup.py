"""init, check-config, upgrade, doctor: from nothing to a working installation, and what is said when one is not."""

import socket
import sqlite3
import stat
from pathlib import Path

import pytest

from daemon.engine_lock import only_engine
from tests.daemon.admin import Admin


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def init(admin: Admin, *more: str) -> None:
    ran = admin.run("init", "--data", str(admin.folder), *more)
    assert (ran.code, ran.err) == (0, "")


# ── init ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_init_makes_a_config_a_secret_and_a_database_that_work(newcomer: Admin) -> None:
    init(newcomer, "--interface", "lan0", "--address", "10.0.0.1", "--name", "Údolní síť")

    assert newcomer.run("check-config").code == 0
    assert newcomer.run("status", "--json").json["contracts"] == 0
    assert 'name = "Údolní síť"' in newcomer.config.read_text("utf-8")
    assert 'url = "http://10.0.0.1:8080"' in newcomer.config.read_text("utf-8")


def test_secrets_are_for_their_owner_only_and_new_each_time(newcomer: Admin, tmp_path: Path) -> None:
    init(newcomer, "--dryrun")
    key = newcomer.config.parent / "secrets" / "signing_key"
    first = key.read_text()
    key.unlink()
    init(newcomer, "--dryrun")

    assert (mode(key), mode(key.parent)) == (0o600, 0o700)
    assert first != key.read_text()


def test_init_leaves_everything_that_is_there_as_it_is(newcomer: Admin) -> None:
    init(newcomer, "--dryrun")
    key = newcomer.config.parent / "secrets" / "signing_key"
    newcomer.config.write_text(newcomer.config.read_text("utf-8") + "# mine\n", encoding="utf-8")
    before = newcomer.config.read_bytes(), key.read_bytes()
    newcomer.import_all()
    ran = newcomer.run("init", "--data", str(newcomer.folder / "elsewhere"), "--name", "Another")

    assert ran.code == 0
    assert "stays as it is" in ran.out
    assert (newcomer.config.read_bytes(), key.read_bytes()) == before
    assert not (newcomer.folder / "elsewhere").exists()
    assert newcomer.run("status", "--json").json["contracts"] == 2


@pytest.mark.parametrize(
    ("option", "place"),
    [
        (["--iban", "CZ12"], "[isp] iban"),
        (["--address", "10.x"], "[notice] addresses"),
        (["--database", "mysql://x"], "[database] url"),
        (["--name", ""], "[isp] name"),
    ],
)
def test_init_writes_no_config_that_could_not_be_read_again(newcomer: Admin, option: list[str], place: str) -> None:
    ran = newcomer.run("init", "--data", str(newcomer.folder), *option)

    assert ran.code == 1
    assert place in ran.err
    assert not newcomer.config.exists()


def test_a_folder_that_can_not_be_made_is_one_line(newcomer: Admin) -> None:
    newcomer.write("etc", "a file where a folder should be")
    ran = newcomer.run("init", "--dryrun")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("\n") == 1


# ── check-config ────────────────────────────────────────────────────────────────────────────────────────────────


def test_check_config_lists_every_problem_with_its_place(newcomer: Admin) -> None:
    newcomer.config.parent.mkdir()
    newcomer.config.write_text(
        '[dunning]\nnotice_days = "x"\nreminder_days = [20]\nfoo = 1\n[mial]\n[secrets]\ndirectory = "/nowhere"\n'
    )
    ran = newcomer.run("check-config")
    places = [line.strip().partition(": ")[0] for line in ran.err.splitlines()[1:]]

    assert (ran.code, ran.out) == (1, "")
    assert places == [
        "[dunning] notice_days",
        "[dunning] foo",
        "[mial]",
        "secret signing_key",
        "[dunning] reminder_days",
        "[enforcement] subscriber_interfaces",
        "[notice] addresses",
    ]


def test_a_missing_config_and_a_folder_instead_of_one_are_named(newcomer: Admin) -> None:
    missing = newcomer.run("check-config")
    newcomer.config.mkdir(parents=True)
    folder = newcomer.run("check-config")

    assert (missing.code, folder.code) == (1, 1)
    assert f"{newcomer.config} can't be read: No such file or directory. Write one with `hradlo init`" in missing.err
    assert f"{newcomer.config} can't be read: Is a directory." in folder.err


def test_a_config_from_which_nobody_could_pay_is_not_called_fine(newcomer: Admin) -> None:
    made = newcomer.run("init", "--data", str(newcomer.folder), "--interface", "lan0", "--address", "10.0.0.1")
    ran = newcomer.run("check-config")

    assert ran.code == 0
    assert "is fine" not in ran.out
    assert "[isp] iban: is empty: notice, mails and invoices name no account" in ran.out
    assert "[enforcement] garden: is empty: from a suspended line neither a bank nor your portal is reached" in ran.out
    assert "[enforcement] resolvers: is empty" in ran.out
    assert ran.out in made.out


def test_a_config_from_which_people_can_pay_is_fine(newcomer: Admin) -> None:
    init(newcomer, "--interface", "lan0", "--address", "10.0.0.1", "--iban", "CZ6508000000192000145399")
    newcomer.add_setting("enforcement", 'garden = ["ib.bank.example"]\nresolvers = ["10.0.0.1"]')

    assert newcomer.run("check-config").out == f"{newcomer.config} is fine.\n"


# ── the database ────────────────────────────────────────────────────────────────────────────────────────────────


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _garbage(path: Path) -> None:
    path.write_bytes(b"no database" * 100)


def _newer(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (Path.unlink, "There is no database"),
        (_empty, "has no tables yet. Create them with `hradlo init`"),
        (_garbage, "file is not a database"),
        (_newer, "has schema 9999, which this Hradlo does not know"),
    ],
)
@pytest.mark.parametrize("command", [["status"], ["plan"], ["audit", "verify"], ["hold", "1001"]])
def test_a_database_that_can_not_be_used_is_one_message(
    admin: Admin,
    spoil: object,
    words: str,
    command: list[str],
) -> None:
    assert callable(spoil)
    spoil(admin.database)
    ran = admin.run(*command)

    assert (ran.code, ran.out) == (1, "")
    assert words in ran.err
    assert "Traceback" not in ran.err


def take_postgresql_away(admin: Admin) -> None:
    text = admin.config.read_text("utf-8")
    text = text.replace(f"sqlite:///{admin.database}", f"postgresql://hradlo@/hradlo?host={admin.folder}")
    admin.config.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    "command", [["status"], ["plan"], ["apply"], ["upgrade"], ["init"], ["undo", "1", "--why", "x"]]
)
def test_a_postgresql_that_does_not_answer_is_one_message(admin: Admin, command: list[str]) -> None:
    take_postgresql_away(admin)
    ran = admin.run(*command)

    assert ran.code == 1
    assert "hradlo: The database does not answer (" in ran.err
    assert ran.err.endswith("Is PostgreSQL running, and the line to it up? See [database] url.\n")
    assert ran.err.count("\n") == 1


def test_the_doctor_examines_everything_else_while_postgresql_is_away(admin: Admin) -> None:
    take_postgresql_away(admin)

    found = findings(admin)

    assert str(found["database"]["remedy"]).startswith("Is PostgreSQL running")
    assert {"clock", "engine", "notice server", "mail"} <= found.keys()


def test_upgrade_makes_no_new_database_of_a_mistyped_path(admin: Admin) -> None:
    admin.database.unlink()
    ran = admin.run("upgrade")

    assert ran.code == 1
    assert "There is no" in ran.err
    assert not admin.database.exists()


def test_upgrade_of_a_database_that_is_up_to_date_changes_nothing(admin: Admin) -> None:
    admin.import_all()

    assert admin.run("upgrade").code == 0
    assert admin.run("status", "--json").json["contracts"] == 2


# ── backup ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_backup_is_one_whole_file_for_its_owner_with_everything_committed(admin: Admin) -> None:
    admin.import_all()
    with sqlite3.connect(admin.database) as writing:  # somebody is just writing
        writing.execute("UPDATE customer SET name = 'not committed'")
        ran = admin.run("backup", str(admin.folder / "copy.db"))
        writing.rollback()
    writing.close()
    admin.database.unlink()
    (admin.folder / "copy.db").rename(admin.database)

    assert (ran.code, ran.err) == (0, "")
    assert mode(admin.database) == 0o600
    assert admin.run("audit", "verify").code == 0
    assert admin.run("show", "1001", "--json").json["name"] == "Jana Nováková"


def test_a_backup_replaces_no_file(admin: Admin) -> None:
    path = admin.write("copy.db", "an older one")
    ran = admin.run("backup", path)

    assert ran.code == 1
    assert "is there already" in ran.err
    assert Path(path).read_text() == "an older one"


@pytest.mark.parametrize("target", ["no such folder/copy.db", "."])
def test_a_backup_that_can_not_be_written_is_one_message_and_leaves_nothing(admin: Admin, target: str) -> None:
    ran = admin.run("backup", str(admin.folder / target))

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("hradlo: ")
    assert not list(admin.folder.glob("*.part"))


def test_the_version_is_told_without_a_config(newcomer: Admin) -> None:
    ran = newcomer.run("--version")

    assert ran.code == 0
    assert ran.out.startswith("hradlo 0.")


# ── doctor ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def server() -> socket.socket:
    """Something that answers on loopback."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(5)
    return listening


def port_of(server: socket.socket) -> int:
    return int(server.getsockname()[1])


def name_servers(admin: Admin, server: socket.socket, closed_port: int | None = None) -> None:
    """The notice server answers; the mail server, too, unless it is closed."""
    text = admin.config.read_text("utf-8").replace("http://127.0.0.1:8080", f"http://127.0.0.1:{port_of(server)}")
    admin.config.write_text(text, encoding="utf-8")
    mail = f'host = "127.0.0.1"\nport = {closed_port or port_of(server)}\nsender = "a@isp.example"'
    admin.add_setting("mail", mail)


def findings(admin: Admin) -> dict[str, dict[str, object]]:
    return {found["what"]: found for found in admin.run("doctor", "--json").json}


def test_the_doctor_finds_nothing_where_everything_is_right(admin: Admin, server: socket.socket) -> None:
    name_servers(admin, server)
    with only_engine(admin.folder / "run"):
        ran = admin.run("doctor", "--json")

    assert [found["what"] for found in ran.json if not found["is_good"]] == []
    assert ran.code == 0


def test_the_doctor_names_each_trouble_with_what_to_do(admin: Admin, server: socket.socket) -> None:
    name_servers(admin, server, closed_port=1)
    server.close()
    admin.database.unlink()
    admin.config.write_text(
        admin.config.read_text("utf-8").replace("subscriber_interfaces = []", 'subscriber_interfaces = ["nolan0"]')
    )
    ran = admin.run("doctor", "--json")
    bad = {found["what"]: found["remedy"] for found in ran.json if not found["is_good"]}

    assert ran.code == 1
    assert set(bad) == {"database", "engine", "interface nolan0", "notice server", "mail"}
    assert all(bad.values())


def test_addresses_at_a_site_that_nobody_enforces_are_seen_by_the_doctor_and_in_the_status(admin: Admin) -> None:
    """Somebody mistyped the name of a gateway: nothing happens there, and that must not stay unseen."""
    admin.import_all()
    text = (admin.folder / "services.csv").read_text("utf-8")
    header, *rows = text.splitlines()
    lost = admin.folder / "lost.csv"
    lost.write_text("\n".join([f"{header},site", f"{rows[0]},nrth", ""]), encoding="utf-8")
    assert admin.run("import", "services", str(lost)).code == 0

    found, told = findings(admin)["site nrth"], admin.run("status").out

    assert (found["is_good"], found["found"]) == (False, "unknown")
    assert "column site" in str(found["remedy"])
    assert "Site nrth is unknown: no engine has ever enforced it." in told


def test_the_doctor_sees_a_clock_far_behind_the_journal(admin: Admin, server: socket.socket) -> None:
    name_servers(admin, server)
    admin.import_all()
    (admin.folder / "offset").write_text(str(float((admin.folder / "offset").read_text()) - 86400))

    assert "journal has an entry" in str(findings(admin)["clock"]["found"])
    assert "accept-clock" in str(findings(admin)["clock"]["remedy"])


def test_the_doctor_sees_that_nobody_could_pay(newcomer: Admin) -> None:
    init(newcomer, "--dryrun")

    found = findings(newcomer)["[isp] iban"]

    assert not found["is_good"]
    assert "subscribers can't pay" in str(found["found"])
    assert str(found["remedy"]).startswith('Set it, like iban = "CZ')


def test_the_doctor_names_bindings_that_no_router_resolves(admin: Admin) -> None:
    admin.import_all()
    text = (admin.folder / "services.csv").read_text("utf-8").replace("10.1.0.6", "ppp:petr")
    ran = admin.run("import", "services", admin.write("bound.csv", text))

    assert ran.code == 0
    assert "warning: line 3, column addresses: ppp:petr is never found, and never restricted" in ran.out
    found = findings(admin)["bindings at site main"]
    assert not found["is_good"]
    assert "ppp:petr (contract 1002)" in str(found["found"])
    assert "services.csv" in str(found["remedy"])


def test_the_doctor_says_that_a_mail_host_can_be_no_name_and_goes_on(admin: Admin) -> None:
    admin.add_setting("mail", 'host = "mail..isp.example"\nsender = "a@isp.example"')

    assert "mail..isp.example port" in str(findings(admin)["mail"]["found"])


def test_bindings_at_the_site_of_a_router_are_nothing_to_warn_of(admin: Admin) -> None:
    router = '[[routeros]]\nsite = "north"\nhost = "10.0.0.1"\nnotice_address = "10.0.0.80"\nnotice_port = 8101\n'
    text = admin.config.read_text("utf-8") + router + f'fingerprint = "{"ab" * 32}"\n'
    admin.config.write_text(text, encoding="utf-8")
    (admin.config.parent / "secrets" / "routeros_password").write_text("x" * 20)
    admin.import_all()
    bound = (admin.folder / "services.csv").read_text("utf-8").splitlines()
    bound = [f"{bound[0]},site", f"{bound[2].replace('10.1.0.6', 'ppp:petr')},north", ""]
    ran = admin.run("import", "services", admin.write("bound.csv", "\n".join(bound)))

    assert (ran.code, "warning" in ran.out) == (0, False), ran.err
    assert "bindings at site main" not in findings(admin)


def test_the_doctor_names_those_who_are_parked(admin: Admin) -> None:
    admin.import_all()
    odd = "number,contract_number,issued_on,due_on,total,open\n26000009,1002,2020-01-01,2020-01-15,100.00,100.00\n"
    admin.run("import", "invoices", admin.write("odd.csv", odd))
    admin.run("apply")

    found = findings(admin)["contract 1002"]

    assert str(found["found"]).startswith("parked: invoice 26000009 is overdue since 2020-01-15")
    assert "hradlo show 1002" in str(found["remedy"])


def test_the_doctor_of_a_broken_config_says_what_is_wrong_with_it(admin: Admin) -> None:
    admin.add_setting("isp", "foo = 1")
    ran = admin.run("doctor")

    assert ran.code == 1
    assert "[isp] foo" in ran.out


def test_a_config_that_not_everybody_may_read_says_who_may(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)  # the tests may run as root, who may read everything
    ran = admin.run("status")

    assert ran.code == 1
    assert ran.err.endswith("Permission denied. Run this as root.\n")
