"""An admin with a config and a database, for the tests of commands."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from tests.daemon.admin import Admin


@pytest.fixture
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Admin:
    """Before the first command."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return Admin(tmp_path, monkeypatch, capsys)


@pytest.fixture
def admin(newcomer: Admin, migrated_database: Path) -> Admin:
    """After `hradlo init`: a dry run, and nobody imported; it is noon on 16 March 2026."""
    shutil.copy(migrated_database, newcomer.database)
    ran = newcomer.run("init", "--data", str(newcomer.folder), "--dryrun", "--address", "127.0.0.1")
    assert ran.code == 0, ran.err
    newcomer.move_clock_to(date(2026, 3, 16))
    return newcomer
