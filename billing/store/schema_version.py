"""Which schema a database has, which one this program needs, and how to get from one to the other."""

import os
from contextlib import suppress
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError

from billing.store.engine import is_away, unopened, writing_engine
from config.errors import DatabaseTooNew, DatabaseTooOld, StoreError

_MIGRATIONS = Path(__file__).parent / "migrations"
# Two upgrades started at once run one after the other; SQLite's BEGIN IMMEDIATE does the same there.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('hradlo.upgrade'))")


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
    found, needed = _found(connection), _script().get_current_head()
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
    if found is not None:
        _refuse_newer(found)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
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


def _refuse_newer(found: str) -> None:
    script = _script()
    if found not in {revision.revision for revision in script.walk_revisions()}:
        raise DatabaseTooNew(
            f"The database has schema {found}, which this Hradlo does not know: it reads up to "
            f"{script.get_current_head()}.",
            "Run the Hradlo that wrote the database, or restore the backup made before the upgrade.",
        )


def _found(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
