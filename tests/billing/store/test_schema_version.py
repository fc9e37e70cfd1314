"""A database is made by migrations alone, has exactly the tables of the code, and is refused when it is newer."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from billing.store.engine import Store, writing_engine
from billing.store.metadata import METADATA, ROOMS
from billing.store.schema_version import known_schemas, upgrade
from config.errors import DatabaseTooNew, StoreError
from tests.postgres import PostgresServer

BILLING = Path(__file__).parents[3] / "billing"


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, METADATA))


async def set_revision(url: str, revision: str) -> None:
    engine = writing_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = :found"), {"found": revision})
    await engine.dispose()


async def test_migrations_make_exactly_the_tables_of_the_code(each_store: Store) -> None:
    async with each_store.reading() as session:
        found = await (await session.connection()).run_sync(differences)

    assert found == []


def test_migrations_are_one_chain_in_the_order_of_their_files() -> None:
    """By their names alone a command knows which schema it needs."""
    chain = ScriptDirectory(BILLING / "store" / "migrations").walk_revisions()

    assert [revision.revision for revision in chain] == known_schemas()[::-1]


def test_every_tables_module_of_billing_is_known() -> None:
    known = {Path(module.__file__ or "") for module in ROOMS}

    assert set(BILLING.glob("*/tables.py")) == known


async def test_upgrading_twice_changes_nothing(database_url: str, store: Store) -> None:
    await upgrade(database_url)

    await store.check()


async def test_a_path_with_spaces_and_signs_is_one_path(tmp_path: Path) -> None:
    await upgrade(f"sqlite:///{tmp_path}/a b#c&d.db")

    assert (tmp_path / "a b#c&d.db").exists()


@pytest.mark.postgres
async def test_upgrading_an_empty_postgresql_makes_it_usable(postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database()
    await upgrade(url)
    store = Store.open(url)

    await store.check()
    await store.close()


async def test_a_missing_database_is_not_made_by_looking(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/none.db")

    with pytest.raises(StoreError, match="hradlo init"):
        await store.check()
    assert not (tmp_path / "none.db").exists()
    await store.close()


async def test_an_empty_database_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    store = Store.open(f"sqlite:///{tmp_path}/empty.db")

    with pytest.raises(StoreError, match=r"no tables.*hradlo init"):
        await store.check()
    await store.close()


async def test_an_older_database_asks_for_an_upgrade(database_url: str, store: Store) -> None:
    await set_revision(database_url, "0001")

    with pytest.raises(StoreError, match=r"0001.*hradlo upgrade"):
        await store.check()


async def test_a_newer_database_is_refused_naming_both_schemas(database_url: str, store: Store) -> None:
    await set_revision(database_url, "9999")

    with pytest.raises(DatabaseTooNew, match=r"9999.*reads up to \d{4}.*Run the Hradlo that wrote"):
        await store.check()


async def test_a_newer_database_is_not_upgraded(database_url: str) -> None:
    await set_revision(database_url, "9999")

    with pytest.raises(DatabaseTooNew):
        await upgrade(database_url)
