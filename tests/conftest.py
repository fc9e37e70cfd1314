"""What the tests of several rooms need: a fresh store, and a real PostgreSQL."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest

from billing.store.engine import Store
from billing.store.schema_version import upgrade
from tests.postgres import PostgresServer, find_binaries, running_server

pytest_plugins = ["tests.skips"]

# No deadline: a busy machine is no failure. `make fuzz` runs the second profile.
# Some properties are about rare facts, so many examples are filtered out: slow, but no failure either.
RARE = [hypothesis.HealthCheck.filter_too_much, hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("hradlo", deadline=None, suppress_health_check=RARE)
hypothesis.settings.register_profile("fuzz", deadline=None, suppress_health_check=RARE, max_examples=10_000)
hypothesis.settings.load_profile("hradlo")


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


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL of these tests alone."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is missing: apt-get install postgresql")
    with running_server(binaries) as server:
        yield server


@pytest.fixture(scope="module")
def mortal_postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL that a test may stop and start: of one module alone."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is missing: apt-get install postgresql")
    with running_server(binaries) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: PostgresServer) -> str:
    """The name of a PostgreSQL database that the migrations made, to be copied."""
    url = postgres_server.create_database()
    asyncio.run(upgrade(url))
    return url.partition("?")[0].rpartition("/")[2]


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, migrated_postgres: str) -> str:
    """A fresh PostgreSQL database of this test alone."""
    return postgres_server.create_database(migrated_postgres)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def each_database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database; the test runs once on SQLite and once on PostgreSQL."""
    url: str = request.getfixturevalue("database_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
async def each_store(each_database_url: str) -> AsyncIterator[Store]:
    """A store on a fresh database; the test runs once on SQLite and once on PostgreSQL."""
    opened = Store.open(each_database_url)
    yield opened
    await opened.close()
