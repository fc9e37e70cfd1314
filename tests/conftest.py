"""What the tests of several rooms need: a fresh store, and a real PostgreSQL."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from billing.store.engine import Store
from billing.store.schema_version import upgrade


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database that the migrations made, to be copied."""
    path = tmp_path_factory.mktemp("store") / "hradlo.db"
    asyncio.run(upgrade(f"sqlite:///{path}"))
    return path


@pytest.fixture
def database_url(migrated_database: Path, tmp_path: Path) -> str:
    """A fresh SQLite database of this test alone."""
    return f"sqlite:///{shutil.copy(migrated_database, tmp_path / 'hradlo.db')}"


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """A store on a fresh SQLite database."""
    opened = Store.open(database_url)
    yield opened
    await opened.close()
