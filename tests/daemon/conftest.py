"""An admin with a config and a database, for the tests of commands."""

import asyncio
import shutil
from datetime import date
from pathlib import Path

import pytest

from billing.store.engine import Store
from config.clock import OffsetClock
from config.settings import load
from daemon.braking import Verdict, release
from tests.daemon.admin import Admin

IBAN = "CZ6508000000192000145399"


@pytest.fixture
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Admin:
    """Before the first command."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return Admin(tmp_path, monkeypatch, capsys)


@pytest.fixture
def admin(newcomer: Admin, migrated_database: Path) -> Admin:
    """After `hradlo init` and a release: it enforces, on no real network, and nobody is imported.

    It is noon on 16 March 2026, and payments are not asked about.
    """
    shutil.copy(migrated_database, newcomer.database)
    ran = newcomer.run("init", "--data", str(newcomer.folder), "--dryrun", "--address", "127.0.0.1", "--iban", IBAN)
    assert ran.code == 0, ran.err
    newcomer.enforce()
    newcomer.move_clock_to(date(2026, 3, 16))
    asyncio.run(_release(newcomer))
    return newcomer


async def _release(admin: Admin) -> None:
    settings = load(admin.config)
    store = Store.open(settings.database.url)
    await release(store, settings, OffsetClock(admin.folder / "offset"), Verdict(), actor="test", why="")
    await store.close()
