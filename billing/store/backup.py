"""A copy of the SQLite database while everything runs: one whole file, for its owner only."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from config.errors import NotAllowed, StoreError


def back_up(source: Path, target: Path) -> None:
    """Copies the database; the target appears whole or not at all. Raises `NotAllowed` where a file stands already."""
    if not source.is_file():
        raise StoreError(f"There is no database {source}.", "See [database] url.")
    if target.exists():
        raise NotAllowed(f"{target} is there already.", "Name a new file.")
    unfinished = target.with_name(f"{target.name}.part")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600, exist_ok=False)
    try:
        _copy(source, unfinished)
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as origin, closing(sqlite3.connect(target)) as copy:
        origin.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a -wal beside it
        (answer,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
        if answer != "ok":
            raise StoreError(f"The copy is not whole: {answer}.", "Look at the disk; do not throw older backups away.")
    descriptor = os.open(target, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
