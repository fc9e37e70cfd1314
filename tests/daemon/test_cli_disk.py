"""A disk that is full, or was remounted read-only: what an admin is told, on a real small file system."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.admin import Admin


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Four megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mounting = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    mounted = subprocess.run(mounting, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def admin(disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Admin:
    """Who has everything on that disk."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    made = Admin(disk, monkeypatch, capsys)
    assert made.run("init", "--data", str(disk), "--dryrun", "--address", "127.0.0.1").code == 0
    return made


def fill(disk: Path) -> None:
    with (disk / "fill").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


@pytest.mark.parametrize("command", [["status"], ["plan"], ["brake", "hold", "--why", "x"], ["apply"]])
def test_on_a_full_disk_every_command_says_to_make_room(admin: Admin, disk: Path, command: list[str]) -> None:
    fill(disk)

    ran = admin.run(*command)

    assert (ran.code, ran.out) == (1, "")
    assert f"The disk is full: make room (df -h {disk}). Nothing that was stored is lost." in ran.err
    assert ran.err.count("\n") == 1


def test_a_backup_of_and_on_a_full_disk_is_one_message_and_leaves_nothing(admin: Admin, disk: Path) -> None:
    fill(disk)

    ran = admin.run("backup", str(disk / "copy.db"))

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("hradlo: copy.db can't be made (")
    assert f"df -h {disk}" in ran.err
    assert not list(disk.glob("copy.db*"))


def test_the_doctor_examines_everything_else_on_a_full_disk(admin: Admin, disk: Path) -> None:
    (disk / "run").mkdir()
    (disk / "run" / "engine.lock").touch()
    fill(disk)

    found = {each["what"]: each for each in admin.run("doctor", "--json").json}

    assert found["database"]["remedy"].startswith("The disk is full")
    assert found["engine"]["found"] == "stopped"
    assert "mail" in found


def test_a_disk_that_was_remounted_read_only_is_named_and_not_blamed_on_the_user(admin: Admin, disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)

    ran = admin.run("status")

    assert ran.code == 1
    assert "Its disk is read-only: see why" in ran.err
    assert "as root" not in ran.err
