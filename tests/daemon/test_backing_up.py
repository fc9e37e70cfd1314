"""Backups of both databases: opened and looked at before they get their name, or no backup at all."""

import asyncio
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, text

from billing.store import schema_version
from billing.store.engine import Store, writing_engine
from config.errors import DatabaseTooOld, StoreError
from daemon.backing_up import back_up, back_up_into, look_at
from tests.postgres import PostgresServer, find_binaries
from tests.scenario import DUE_ON, Isp

TRIGGERS = {
    "sqlite": "DROP TRIGGER journal_keeps_update",
    "postgresql": "ALTER TABLE journal DISABLE TRIGGER journal_keeps",
}


@pytest.fixture
async def isp(each_store: Store, tmp_path: Path) -> Isp:
    made = Isp(each_store, tmp_path)
    await made.add("1001", "10.1.0.5")
    await made.invoice("26000001", "1001")
    await made.pay("599.00", "1001", "26000001")
    return made


async def tamper(url: str, *statements: str) -> None:
    """Somebody with a database shell."""
    engine = writing_engine(url)
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if "copy" in path.name)


async def test_a_copy_is_opened_and_says_what_stands_in_it(isp: Isp, each_database_url: str, tmp_path: Path) -> None:
    looked = await back_up(each_database_url, tmp_path / "copy")

    assert looked is not None
    assert looked.newest_payment_on == DUE_ON
    assert looked == await look_at(each_database_url)
    assert leftovers(tmp_path) == ["copy"]
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600


async def test_in_a_folder_the_newest_copies_are_kept_and_what_is_no_copy_stays(
    isp: Isp, each_database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "nightly"
    folder.mkdir()
    (folder / "hradlo-mine.db").touch()
    for day in (3, 4, 5):
        made, looked = await back_up_into(folder, 2, each_database_url, datetime(2026, 3, day, 2, tzinfo=UTC))

    assert looked == await look_at(each_database_url)
    kept = sorted(path.stem for path in folder.iterdir())
    assert kept == ["hradlo-20260304T020000Z", "hradlo-20260305T020000Z", "hradlo-mine"]
    assert made.stem == kept[1]


async def test_a_database_that_somebody_tampered_with_gives_no_backup(
    isp: Isp, each_database_url: str, tmp_path: Path
) -> None:
    kind = each_database_url.partition(":")[0]
    await tamper(each_database_url, TRIGGERS[kind], "UPDATE journal SET actor = 'nobody' WHERE id = 2")

    with pytest.raises(StoreError, match="Journal row 2"):
        await back_up(each_database_url, tmp_path / "copy")
    assert leftovers(tmp_path) == []


async def make_older(url: str) -> None:
    """A database that an older Hradlo has made."""

    def make(connection: Connection) -> None:
        command.upgrade(schema_version._config(connection), "0010")

    engine = writing_engine(url, is_upgrading=True)
    async with engine.begin() as connection:
        await connection.run_sync(make)
    await engine.dispose()


async def test_a_database_that_waits_for_its_upgrade_is_backed_up_as_it_is(tmp_path: Path) -> None:
    """The error that asks for the upgrade asks for a backup first."""
    (tmp_path / "older.db").touch()
    await make_older(f"sqlite:///{tmp_path}/older.db")

    assert await back_up(f"sqlite:///{tmp_path}/older.db", tmp_path / "copy") is not None

    assert leftovers(tmp_path) == ["copy"]
    with pytest.raises(DatabaseTooOld):
        await look_at(f"sqlite:///{tmp_path}/copy")


@pytest.mark.postgres
async def test_a_postgresql_that_waits_for_its_upgrade_is_backed_up_as_it_is(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = postgres_server.create_database()
    await make_older(url)

    assert await back_up(url, tmp_path / "copy") is not None

    with pytest.raises(DatabaseTooOld):
        await look_at(url)


async def test_books_that_do_not_balance_give_no_backup(isp: Isp, each_database_url: str, tmp_path: Path) -> None:
    await tamper(each_database_url, "UPDATE payment SET unallocated = amount")

    with pytest.raises(StoreError, match="not sound"):
        await back_up(each_database_url, tmp_path / "copy")
    assert leftovers(tmp_path) == []


@pytest.mark.postgres
async def test_a_file_that_is_no_database_gives_no_backup(tmp_path: Path) -> None:
    database = tmp_path / "hradlo.db"
    database.write_text("a letter to the landlord\n" * 100)

    with pytest.raises(StoreError, match="not a database"):
        await back_up(f"sqlite:///{database}", tmp_path / "copy.db")

    assert leftovers(tmp_path) == []


async def test_an_archive_of_postgresql_can_be_restored_by_its_own_tool(postgres_url: str, tmp_path: Path) -> None:
    store = Store.open(postgres_url)
    made = Isp(store, tmp_path)
    await made.add("1001", "10.1.0.5")
    await store.close()
    await back_up(postgres_url, tmp_path / "copy", is_unseen=True)
    await tamper(postgres_url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")

    binaries = find_binaries()
    assert binaries is not None
    address, _, socket_folder = postgres_url.partition("?host=")
    command = [binaries / "pg_restore", "-h", socket_folder, "-U", "hradlo", "-d", address.rpartition("/")[2]]
    await asyncio.to_thread(subprocess.run, [*command, tmp_path / "copy"], check=True)

    assert (await look_at(postgres_url)).journal_entries > 0


@pytest.mark.postgres
async def test_a_role_that_may_make_no_database_is_told_what_to_do(postgres_url: str, tmp_path: Path) -> None:
    await tamper(
        postgres_url, "CREATE ROLE poor LOGIN", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO poor",
        "GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO poor",
    )  # fmt: skip
    url = postgres_url.replace("hradlo@", "poor@")

    with pytest.raises(StoreError, match="ALTER ROLE poor CREATEDB; or: hradlo backup --unseen"):
        await back_up(url, tmp_path / "copy")

    assert leftovers(tmp_path) == []
    assert await back_up(url, tmp_path / "copy", is_unseen=True) is None
    assert leftovers(tmp_path) == ["copy"]
    await tamper(postgres_url, "DROP OWNED BY poor", "DROP ROLE poor")


@pytest.mark.postgres
async def test_what_pg_dump_says_is_told_and_nothing_is_left(postgres_url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="pg_dump failed"):
        await back_up(postgres_url.replace("hradlo@", "nobody@"), tmp_path / "copy")
    assert leftovers(tmp_path) == []
