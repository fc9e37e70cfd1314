"""Two users of one group, engine and web, write the same SQLite file."""

import asyncio
import stat
from pathlib import Path

import pytest

from billing.store.schema_version import upgrade


@pytest.mark.parametrize(("folder_mode", "file_mode"), [(0o2770, 0o660), (0o755, 0o640), (0o700, 0o600)])
def test_who_may_write_the_folder_may_write_a_new_database(tmp_path: Path, folder_mode: int, file_mode: int) -> None:
    tmp_path.chmod(folder_mode)

    asyncio.run(upgrade(f"sqlite:///{tmp_path}/hradlo.db"))

    assert stat.S_IMODE((tmp_path / "hradlo.db").stat().st_mode) == file_mode


def test_an_upgrade_leaves_the_mode_that_an_admin_gave(tmp_path: Path) -> None:
    path = tmp_path / "hradlo.db"
    asyncio.run(upgrade(f"sqlite:///{path}"))
    path.chmod(0o600)
    tmp_path.chmod(0o2770)

    asyncio.run(upgrade(f"sqlite:///{path}"))

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
