"""`hradlo.toml`: every mistake is named with its place, all at once, and secrets come from files only."""

from decimal import Decimal
from pathlib import Path

import pytest

from config.errors import SettingsError
from config.settings import load, parse

SIGNING_KEY = "k" * 32
WORKING = """
[isp]
iban = "CZ65 0800 0000 1920 0014 5399"
[notice]
addresses = ["10.0.0.1", "fd00::1"]
[enforcement]
subscriber_interfaces = ["lan0"]
"""


def places(error: SettingsError) -> list[str]:
    return [problem.place for problem in error.problems]


def messages(text: str) -> dict[str, str]:
    """What `parse` finds wrong: place and message."""
    with pytest.raises(SettingsError) as caught:
        parse(text)
    return {problem.place: problem.message for problem in caught.value.problems}


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A secrets directory with a good signing key, and no systemd credentials around."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    directory = tmp_path / "secrets"
    directory.mkdir()
    (directory / "signing_key").write_text(SIGNING_KEY + "\n")
    return directory


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hradlo.toml"


def written(path: Path, secrets: Path, text: str) -> Path:
    path.write_text(f'{text}\n[secrets]\ndirectory = "{secrets}"\n')
    return path


def test_an_empty_file_is_all_defaults() -> None:
    settings = parse("")

    assert settings.dunning.grace_days == 10
    assert settings.isp.timezone == "Europe/Prague"


def test_a_working_file_loads_with_its_secret(path: Path, secrets: Path) -> None:
    settings = load(written(path, secrets, WORKING))

    assert settings.isp.iban == "CZ6508000000192000145399"
    assert settings.signing_key() == SIGNING_KEY.encode()


def test_a_missing_file_says_how_to_make_one(path: Path) -> None:
    with pytest.raises(SettingsError, match=r"can't be read.*hradlo init"):
        load(path)


def test_a_file_that_is_not_text_is_refused(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(SettingsError, match="not UTF-8"):
        load(path)


def test_broken_toml_names_the_line() -> None:
    assert "line 2" in messages("[isp]\nname = \n")["hradlo.toml"]


def test_an_unknown_key_is_refused_and_the_meant_one_named() -> None:
    assert "did you mean grace_days?" in messages("[dunning]\ngrace_day = 3")["[dunning] grace_day"]


def test_a_key_in_the_wrong_table_is_sent_home() -> None:
    assert "belongs to [enforcement]" in messages("[isp]\ndriver = 'dryrun'")["[isp] driver"]
    assert "belongs to [dunning]" in messages("grace_days = 3")["grace_days"]


def test_an_unknown_table_is_refused() -> None:
    assert "[foo]" in messages("[foo]\nbar = 1")


def test_a_table_given_a_value_is_explained() -> None:
    assert "is a table" in messages("mail = 5")["mail"]


@pytest.mark.parametrize(
    "line",
    [
        'grace_days = "10"',
        'grace_days = "10 days"',
        "grace_days = 10.5",
        "grace_days = true",
        "grace_days = 0",
        "grace_days = 100000",
        "reminder_days = 3",
        "reminder_days = [0]",
        "spares_holidays = 1",
        "minimum_debt = -1",
        "minimum_debt = 1.005",
        "minimum_debt = nan",
        'minimum_debt = "100 CZK"',
        'quiet_from = "25:00"',
        "suspend_weekdays = []",
        'suspend_weekdays = ["mo"]',
    ],
)
def test_a_value_of_another_type_or_size_is_refused_at_its_place(line: str) -> None:
    key = line.split(" ")[0]

    assert [place.startswith(f"[dunning] {key}") for place in messages(f"[dunning]\n{line}")] == [True]


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("isp", 'timezone = "Europe/Praha"'),
        ("isp", 'iban = "CZ6508000000192000145390"'),
        ("isp", 'currency = "Kč"'),
        ("notice", 'url = "ftp://10.0.0.1"'),
        ("notice", 'url = "http://10.0.0.1/?a=b"'),
        ("notice", 'listen = ["localhost:80"]'),
        ("notice", 'listen = ["0.0.0.0:99999"]'),
        ("notice", 'addresses = ["10.0.0.0/8"]'),
        ("notice", "headers_timeout_seconds = 11"),
        ("database", 'url = "mysql://x"'),
        ("enforcement", 'driver = "iptables"'),
    ],
)
def test_a_value_that_means_nothing_is_refused_at_its_place(table: str, line: str) -> None:
    key = line.split(" ")[0]

    assert [place.startswith(f"[{table}] {key}") for place in messages(f"[{table}]\n{line}")] == [True]


def test_hours_may_be_toml_times_or_text() -> None:
    dunning = parse('[dunning]\nquiet_from = 17:30:00\nquiet_until = "07:15"').dunning

    assert (dunning.quiet_from.isoformat(), dunning.quiet_until.isoformat()) == ("17:30:00", "07:15:00")


@pytest.mark.parametrize(("text", "minor"), [("99.90", 9990), ("0.29", 29), ("100", 10000), ("1.1", 110), ("0", 0)])
def test_the_minimum_debt_is_exact(text: str, minor: int) -> None:
    dunning = parse(f"[dunning]\nminimum_debt = {text}").dunning

    assert dunning.minimum_debt == Decimal(text)
    assert dunning.minimum_debt_minor == minor


def test_every_problem_is_listed_at_once_also_the_secrets(path: Path, tmp_path: Path) -> None:
    text = WORKING.replace('["lan0"]', '["lan0"]\ndriver = "iptables"') + "[dunning]\ngrace_days = 0\nfoo = 1\n"

    with pytest.raises(SettingsError) as caught:
        load(written(path, tmp_path / "nowhere", text))

    assert set(places(caught.value)) == {
        "[enforcement] driver",
        "[dunning] grace_days",
        "[dunning] foo",
        "secret signing_key",
    }


def test_a_wrong_value_is_not_reported_as_missing_too(path: Path, secrets: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(written(path, secrets, WORKING.replace('"10.0.0.1", "fd00::1"', '"here"')))

    assert places(caught.value) == ["[notice] addresses item 1"]


def test_nftables_needs_the_network_named(path: Path, secrets: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(written(path, secrets, ""))

    assert places(caught.value) == ["[enforcement] subscriber_interfaces", "[notice] addresses"]


def test_dryrun_needs_no_network(path: Path, secrets: Path) -> None:
    load(written(path, secrets, '[enforcement]\ndriver = "dryrun"'))


def test_two_addresses_of_one_family_are_refused(path: Path, secrets: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(written(path, secrets, WORKING.replace("fd00::1", "10.0.0.2")))

    assert places(caught.value) == ["[notice] addresses"]


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        ('[mail]\nhost = "mx"', "[mail] sender"),
        ('[mail]\nhost = "mx"\nsender = "a@b.example"\nusername = "u"\nsecurity = "tls"', "secret smtp_password"),
        ('[fio]\ntokens = ["fio_token"]', "secret fio_token"),
        ('[fio]\nurl = "http://fio.example/rest"', "[fio] url"),
        ('[fio]\ntokens = ["../signing_key"]', "[fio] tokens item 1"),
        ('[captive_api]\nurl = "https://x"\nlisten = ["0.0.0.0:8443"]', "[captive_api] certificate"),
        ('[captive_api]\nlisten = ["0.0.0.0:8443"]\ncertificate = "/c"\nkey = "/k"', "[captive_api] url"),
        ('[voip]\nurl = "https://voip.isp.example"', "[portal] listen"),
        ("[voip]\nmonthly_cap = 400.00", "[voip] coupons"),
        ("[dunning]\nreminder_days = [3, 14]", "[dunning] reminder_days"),
        ("[dunning]\nnotice_days = 10", "[dunning] reminder_days"),
    ],
)
def test_what_one_setting_demands_of_another_is_checked(path: Path, secrets: Path, lines: str, place: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(written(path, secrets, f"{WORKING}\n{lines}\n"))

    assert places(caught.value) == [place]


def test_the_voip_zone_needs_a_host_name_of_its_own(path: Path, secrets: Path) -> None:
    both = WORKING.replace("[isp]", '[isp]\nportal_url = "https://x.example"') + '[portal]\nlisten = ["127.0.0.1:8090"]'

    with pytest.raises(SettingsError) as caught:
        load(written(path, secrets, f'{both}\n[voip]\nurl = "https://x.example"\n'))

    assert places(caught.value) == ["[voip] url"]


def test_a_password_is_never_sent_in_clear(path: Path, secrets: Path) -> None:
    (secrets / "smtp_password").write_text("p")
    mail = '[mail]\nhost = "{}"\nsender = "a@b.example"\nusername = "u"\n'

    with pytest.raises(SettingsError) as caught:
        load(written(path, secrets, WORKING + mail.format("mx.isp.example")))

    assert places(caught.value) == ["[mail] security"]
    load(written(path, secrets, WORKING + mail.format("127.0.0.1")))


def test_a_secret_that_can_be_no_token_of_fio_is_named_before_the_engine_starts(path: Path, secrets: Path) -> None:
    (secrets / "fio_token").write_text("a word of the landlord")

    with pytest.raises(SettingsError) as caught:
        load(written(path, secrets, WORKING + '[fio]\ntokens = ["fio_token"]\n'))

    assert places(caught.value) == ["secret fio_token"]
    assert "landlord" not in str(caught.value)
    (secrets / "fio_token").write_text("a1" * 32)
    load(path)


def test_a_reminder_that_could_never_be_sent_is_named_with_its_day(path: Path, secrets: Path) -> None:
    with pytest.raises(SettingsError, match=r"reminder_days: 14, 20 would never be sent: .* after 14 days"):
        load(written(path, secrets, f"{WORKING}[dunning]\nreminder_days = [3, 20, 14]\n"))

    load(written(path, secrets, f"{WORKING}[dunning]\nreminder_days = [3, 13]\n"))


def test_a_country_whose_holidays_nobody_knows_can_switch_them_off(path: Path, secrets: Path) -> None:
    abroad = WORKING.replace("[isp]", '[isp]\ncountry = "XX"')

    with pytest.raises(SettingsError) as caught:
        load(written(path, secrets, abroad))

    assert places(caught.value) == ["[isp] country"]
    load(written(path, secrets, f"{abroad}\n[dunning]\nspares_holidays = false\n"))


@pytest.mark.parametrize("content", [None, b"", b"short", b"\xff" * 40])
def test_there_is_no_default_secret(path: Path, secrets: Path, content: bytes | None) -> None:
    (secrets / "signing_key").unlink()
    if content is not None:
        (secrets / "signing_key").write_bytes(content)

    with pytest.raises(SettingsError) as caught:
        load(written(path, secrets, WORKING))

    assert places(caught.value) == ["secret signing_key"]


def test_systemd_credentials_win_over_the_directory(
    path: Path, secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "signing_key").write_text("c" * 40)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))

    assert load(written(path, secrets, WORKING)).secret("signing_key") == "c" * 40


def test_a_unit_that_is_not_shown_the_mail_password_does_not_miss_it_and_an_empty_one_is_named(
    path: Path, secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = '[mail]\nhost = "mx"\nsender = "a@b.example"\nusername = "u"\nsecurity = "tls"\n'
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "signing_key").write_text("c" * 40)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))

    load(written(path, secrets, WORKING + mail))  # the web unit

    (credentials / "smtp_password").write_text("\n")  # the engine, by SetCredential=
    with pytest.raises(SettingsError) as caught:
        load(path)
    assert places(caught.value) == ["secret smtp_password"]


def test_a_secret_that_vanished_is_an_error_with_its_place(path: Path, secrets: Path) -> None:
    settings = load(written(path, secrets, WORKING))
    (secrets / "signing_key").unlink()

    with pytest.raises(SettingsError, match="secret signing_key"):
        settings.signing_key()


def test_settings_do_not_change_after_start() -> None:
    settings = parse("")

    with pytest.raises(ValueError, match="frozen"):
        settings.dunning.grace_days = 1


ROUTER = f"""
[[routeros]]
site = "north"
host = "10.0.0.1"
fingerprint = "{"AB:" * 31}AB"
notice_address = "10.0.0.80"
notice_port = 8101
"""


def test_a_router_needs_little_and_gets_its_password_from_a_secret(path: Path, secrets: Path) -> None:
    (secrets / "routeros_password").write_text("secret")

    (router,) = load(written(path, secrets, '[enforcement]\ndriver = "routeros"\n' + ROUTER)).routeros

    assert (router.site, router.port, router.user, router.ipv6) == ("north", 8729, "hradlo", True)
    assert router.fingerprint == "ab" * 32


def test_routers_are_told_apart_by_site_and_port_and_each_says_who_it_is(path: Path, secrets: Path) -> None:
    other = ROUTER.replace("fingerprint", "#").replace("[[routeros]]", '[[routeros]]\nauthority = "/nowhere.pem"')

    with pytest.raises(SettingsError) as caught:
        load(written(path, secrets, WORKING + ROUTER + other + ROUTER.replace("fingerprint", "#")))

    assert places(caught.value) == [
        "[[routeros]] north site",
        "[[routeros]] north notice_port",
        "[[routeros]] north authority",
        "[[routeros]] north site",
        "[[routeros]] north notice_port",
        "[[routeros]] north fingerprint",
        "secret routeros_password",
    ]


def test_a_router_needs_a_notice_port_of_its_own_and_not_the_gateways(path: Path, secrets: Path) -> None:
    port = ROUTER.partition("notice_port = ")[2].split()[0]
    own = f'[notice]\nlisten = ["0.0.0.0:{port}"]\n'
    (secrets / "routeros_password").write_text("secret")

    with pytest.raises(SettingsError, match=rf"north notice_port: {port} is a port of \[notice\] listen"):
        load(written(path, secrets, own + '[enforcement]\ndriver = "routeros"\n' + ROUTER))


def test_enforcing_on_routers_alone_needs_one(path: Path, secrets: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(written(path, secrets, '[enforcement]\ndriver = "routeros"'))

    assert places(caught.value) == ["[enforcement] driver"]


def test_what_is_wrong_with_one_of_several_tables_is_found_in_it() -> None:
    found = messages(ROUTER.replace("8101", "99999").replace("AB:", "XY:").replace("host", "hosts"))

    assert set(found) == {
        "[routeros] item 1 host",
        "[routeros] item 1 hosts",
        "[routeros] item 1 fingerprint",
        "[routeros] item 1 notice_port",
    }
    assert found["[routeros] item 1 host"] == "is needed"
    assert "did you mean host?" in found["[routeros] item 1 hosts"]
    assert "[[routeros]]" in messages(ROUTER.replace("[[routeros]]", "[routeros]"))["[routeros]"]


# ── the database's password ─────────────────────────────────────────────────────────────────────────────────────

ON_POSTGRESQL = '[database]\nurl = "postgresql://hradlo@db.isp.example/hradlo"\n'


def test_the_databases_password_is_a_secret_and_may_have_any_character(path: Path, secrets: Path) -> None:
    (secrets / "database_password").write_text("p@ss/w:rd %41\n")

    settings = load(written(path, secrets, ON_POSTGRESQL + WORKING))

    assert settings.database_url == "postgresql://hradlo:p%40ss%2Fw%3Ard%20%2541@db.isp.example/hradlo"
    assert "p%40" not in str(settings)


def test_without_the_secret_the_database_is_asked_without_a_password(path: Path, secrets: Path) -> None:
    assert (
        load(written(path, secrets, ON_POSTGRESQL + WORKING)).database_url
        == "postgresql://hradlo@db.isp.example/hradlo"
    )
    assert parse("").database_url == "sqlite:////var/lib/hradlo/hradlo.db"


def test_a_password_in_the_settings_is_refused_and_not_repeated(path: Path, secrets: Path) -> None:
    with pytest.raises(SettingsError, match=r"\[database\] url: has a password in it") as caught:
        load(written(path, secrets, ON_POSTGRESQL.replace("hradlo@", "hradlo:geheim@") + WORKING))
    assert "geheim" not in str(caught.value)


def test_a_password_in_a_url_of_a_kind_that_is_unknown_is_not_repeated_either() -> None:
    told = messages('[database]\nurl = "postgres://hradlo:geheim@db.isp.example/hradlo"\n')["[database] url"]

    assert "postgres://hradlo:[redacted]@db.isp.example" in told
    assert "geheim" not in told
