"""Which schema a database has, which one this program needs, and how to get from one to the other.

The schema of a database is the number of the last migration that made it, and migrations are files that begin with
their number. So every command knows whether it may go on without loading Alembic; only an upgrade does.
"""

import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, make_url, text
from sqlalchemy.exc import DBAPIError

from billing.store.engine import is_away, unopened, writing_engine
from config.errors import DatabaseTooNew, DatabaseTooOld, StoreError

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATIONS = Path(__file__).parent / "migrations"
# Two upgrades started at once run one after the other; SQLite's BEGIN IMMEDIATE does the same there.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('hradlo.upgrade'))")
_VERSION = text("SELECT version_num FROM alembic_version")


async def upgrade(url: str) -> None:
    """Brings the database to this program's schema, making it when there is none; all or nothing.

    Raises `DatabaseTooNew` when a newer Hradlo wrote it, `StoreError` when it can't be opened.
    """
    _make_file(url)
    engine = writing_engine(url, is_upgrading=True)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    except (DBAPIError, OSError) as error:
        if is_away(error):
            raise unopened(make_url(url), error) from error
        raise
    finally:
        await engine.dispose()


def _make_file(url: str) -> None:
    """Makes a new SQLite file that whoever may write its folder may write: under systemd, two users of one group.

    Left to itself, SQLite makes it writable for its maker only; whatever fails here, SQLite reports better.
    """
    address = make_url(url)
    if address.get_backend_name() != "sqlite" or not address.database or Path(address.database).exists():
        return
    path = Path(address.database)
    with suppress(OSError):
        folder = path.parent.stat()
        path.touch(mode=0o600, exist_ok=False)
        if os.geteuid() == 0:
            os.chown(path, folder.st_uid, folder.st_gid)
        path.chmod(0o600 | (folder.st_mode & 0o060))


def require_current(connection: Connection) -> None:
    """Raises `StoreError` unless the database has exactly the schema that this program needs."""
    found, needed = _found(connection), known_schemas()[-1]
    if found == needed:
        return
    if found is None:
        raise StoreError("The database has no tables yet.", "Create them with `hradlo init`.")
    _refuse_newer(found)
    raise DatabaseTooOld(
        f"The database has schema {found}, this Hradlo needs {needed}.",
        "Make a backup (`hradlo backup FILE`), then run `hradlo upgrade`.",
    )


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK)
    found = _found(connection)
    if found == known_schemas()[-1]:
        return
    if found is not None:
        _refuse_newer(found)
    _migrate(connection)
    if connection.dialect.name == "sqlite":
        _require_whole_references(connection)


def _require_whole_references(connection: Connection) -> None:
    """SQLite's foreign keys are off during an upgrade; what it checks afterwards must be whole."""
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise StoreError(
            f"After the upgrade, row {broken[1]} of table {broken[0]} would refer to no row of {broken[2]}.",
            "Nothing was changed. Keep the older Hradlo running and report this.",
        )


def _migrate(connection: Connection) -> None:
    # Here and in `_config`, because loading Alembic takes a third of the time of a short command.
    from alembic import command

    command.upgrade(_config(connection), "head")


def _config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _refuse_newer(found: str) -> None:
    if found not in known_schemas():
        raise DatabaseTooNew(
            f"The database has schema {found}, which this Hradlo does not know: it reads up to {known_schemas()[-1]}.",
            "Run the Hradlo that wrote the database, or restore the backup made before the upgrade.",
        )


def _found(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(_VERSION).scalar_one_or_none()


@cache
def known_schemas() -> list[str]:
    """The schemas that this program's migrations make, from the first to the one that it needs."""
    return sorted(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))
