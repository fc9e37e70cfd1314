"""The units, judged by systemd itself: verified and scored. `test_booted.py` boots them."""

import configparser
import ctypes
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
UNITS = ROOT / "systemd"
PROGRAM = "/opt/hradlo/bin/hradlo"
PR_SET_MDWE = 65
ROOMS = ("config", "billing", "enforcement", "portal", "daemon")

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze: apt install systemd"
)


def run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def values(unit: str, key: str) -> list[str]:
    """Every value of a key that may stand several times."""
    text = (UNITS / unit).read_text(encoding="utf-8")
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    # The program's path is replaced, because `verify` looks for it and Hradlo need not be installed here.
    units = []
    for path in (*UNITS.glob("*.service"), *UNITS.glob("*.socket"), *UNITS.glob("*.timer")):
        units.append(tmp_path / path.name)
        text = path.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true")
        units[-1].write_text(text.replace("file:///opt/hradlo/docs", f"file://{ROOT}/docs"), encoding="utf-8")

    verified = run("systemd-analyze", "verify", *units)

    assert verified.stderr == ""
    assert verified.returncode == 0


@pytest.mark.parametrize(
    ("unit", "threshold"),
    [("hradlo.service", 16), ("hradlo-web.service", 12), ("hradlo-bill.service", 12), ("hradlo-backup.service", 12)],
)
def test_a_unit_is_exposed_no_more_than_promised(unit: str, threshold: int) -> None:
    scored = run("systemd-analyze", "security", "--offline=yes", f"--threshold={threshold}", UNITS / unit)

    assert scored.returncode == 0, scored.stdout


def test_only_the_engine_holds_a_capability_and_only_one() -> None:
    assert values("hradlo.service", "CapabilityBoundingSet") == ["CAP_NET_ADMIN"]
    for unit in ("hradlo-web.service", "hradlo-bill.service", "hradlo-backup.service"):
        assert values(unit, "CapabilityBoundingSet") == values(unit, "AmbientCapabilities") == [""]


def test_the_web_unit_can_neither_speak_netlink_nor_act_as_the_engine() -> None:
    assert "AF_NETLINK" not in values("hradlo-web.service", "RestrictAddressFamilies")[0]
    assert values("hradlo-web.service", "User") != values("hradlo.service", "User")
    assert values("hradlo-web.service", "Group") == values("hradlo.service", "Group")


@pytest.mark.parametrize("unit", ["hradlo.service", "hradlo-web.service"])
def test_stopping_runs_nothing(unit: str) -> None:
    assert values(unit, "ExecStop") == values(unit, "ExecStopPost") == []


def test_each_unit_runs_its_role_and_tells_systemd_when_it_is_ready() -> None:
    assert values("hradlo.service", "ExecStart") == [f"{PROGRAM} run --role engine"]
    assert values("hradlo-web.service", "ExecStart") == [f"{PROGRAM} run --role web"]
    assert values("hradlo.service", "Type") == values("hradlo-web.service", "Type") == ["notify"]


@pytest.mark.parametrize(
    ("name", "command"), [("bill", "bill"), ("backup", "backup --keep 14 /var/lib/hradlo/nightly")]
)
def test_what_runs_by_night_is_an_admins_own_command_by_the_engines_user(name: str, command: str) -> None:
    unit, timer = f"hradlo-{name}.service", f"hradlo-{name}.timer"

    assert values(unit, "ExecStart") == [f"{PROGRAM} {command}"]
    assert values(unit, "User") == values("hradlo.service", "User")
    assert values(unit, "WantedBy") == []  # off until somebody enables its timer
    assert values(timer, "Persistent") == ["yes"]


def test_what_install_puts_there_is_every_unit_that_there_is() -> None:
    named = re.search(r'^UNITS="([^"]*)"', (UNITS / "install.sh").read_text(encoding="utf-8"), re.MULTILINE)
    assert named
    assert sorted(named[1].split()) == sorted(path.name for path in UNITS.glob("hradlo*.*"))


def test_the_engine_starts_after_what_flushes_the_firewall_and_is_watched() -> None:
    assert "nftables.service" in values("hradlo.service", "After")[0].split()
    assert values("hradlo.service", "WatchdogSec") == ["30"]


def test_the_sockets_are_those_of_the_default_settings() -> None:
    from config.settings import Settings

    assert tuple(values("hradlo-web.socket", "ListenStream")) == Settings().notice.listen


def test_secrets_reach_the_units_as_credentials_and_never_by_the_environment() -> None:
    for unit in ("hradlo.service", "hradlo-web.service"):
        assert "signing_key:/etc/hradlo/secrets/signing_key" in values(unit, "LoadCredential")
        assert values(unit, "Environment") == values(unit, "EnvironmentFile") == []
    of_web = [value.partition(":")[0] for value in values("hradlo-web.service", "LoadCredential")]
    assert of_web == ["signing_key", "database_password", "voip_token"]


@pytest.mark.parametrize("unit", sorted(path.name for path in UNITS.glob("*.service")))
def test_a_unit_has_the_signing_key_and_starts_without_the_secrets_that_nothing_needs(unit: str) -> None:
    """systemd refuses to start a unit whose credential has neither a file nor a value to stand for it."""
    loaded = {value.partition(":")[0] for value in values(unit, "LoadCredential")}

    assert loaded - {value.partition(":")[0] for value in values(unit, "SetCredential")} == {"signing_key"}


def test_users_and_folders_are_made_as_the_units_expect(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: gives folders to other users")
    for kind in ("sysusers.d", "tmpfiles.d"):
        shutil.copytree(UNITS / kind, tmp_path / "usr" / "lib" / kind)
    (tmp_path / "etc").mkdir()

    users = run("systemd-sysusers", f"--root={tmp_path}")
    folders = run("systemd-tmpfiles", f"--root={tmp_path}", "--create", "hradlo.conf")

    assert (users.returncode, folders.returncode, folders.stderr) == (0, 0, "")
    accounts = {
        line.split(":")[0]: line.split(":")[2:4] for line in (tmp_path / "etc" / "passwd").read_text().splitlines()
    }
    data = (tmp_path / "var" / "lib" / "hradlo").stat()
    assert [str(data.st_uid), str(data.st_gid), oct(data.st_mode)[-4:]] == [*accounts["hradlo"], "2770"]
    assert accounts["hradlo-web"][1] == accounts["hradlo"][1]
    assert accounts["hradlo-web"][0] != accounts["hradlo"][0]
    assert oct((tmp_path / "etc" / "hradlo" / "secrets").stat().st_mode)[-3:] == "700"


def test_the_settings_agree_with_the_folders_of_the_units() -> None:
    from config.settings import Settings

    engine = configparser.ConfigParser(strict=False, interpolation=None)
    engine.optionxform = str  # type: ignore[assignment, method-assign]
    engine.read(UNITS / "hradlo.service", encoding="utf-8")
    assert str(Settings().daemon.runtime_directory) == f"/run/{engine['Service']['RuntimeDirectory']}"
    assert Settings().database.url.startswith(f"sqlite:////var/lib/{engine['Service']['StateDirectory']}/")
    assert values("hradlo-web.service", "ReadWritePaths") == [f"/var/lib/{engine['Service']['StateDirectory']}"]


_LOAD_EVERYTHING = """
import asyncio, ctypes, importlib, pkgutil, sys
# 22 = EINVAL: a kernel before 6.3 does not know it; then everything is loaded without.
if ctypes.CDLL(None, use_errno=True).prctl(int(sys.argv[1]), 1, 0, 0, 0) and ctypes.get_errno() != 22:
    sys.exit("prctl failed")
for room in sys.argv[2:]:
    for module in pkgutil.walk_packages(importlib.import_module(room).__path__, room + "."):
        importlib.import_module(module.name)
import argon2, uvloop
argon2.PasswordHasher().hash("x")
uvloop.run(asyncio.sleep(0))
"""


def test_everything_loads_where_memory_is_never_both_writable_and_executable() -> None:
    """`MemoryDenyWriteExecute=` must suit every compiled extension; the kernel's own switch stands in for it."""
    assert ctypes.sizeof(ctypes.c_void_p) == 8

    loaded = subprocess.run(
        [sys.executable, "-c", _LOAD_EVERYTHING, str(PR_SET_MDWE), *ROOMS],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (loaded.returncode, loaded.stderr) == (0, "")
