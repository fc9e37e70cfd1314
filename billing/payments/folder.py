"""The watched folder: a statement that is dropped there is imported by itself.

    FOLDER/statement.gpc                    is taken once it was seen twice, unchanged
    FOLDER/imported/statement.gpc           … and stands here afterwards
    FOLDER/refused/statement.gpc            … or here, with
    FOLDER/refused/statement.gpc.reason.txt     what was wrong with it

A crash between the import and the move costs nothing: the file is imported again, which adds nothing. Names
that begin with a dot or end like a transfer under way are left alone, and so are links and folders.
"""

import asyncio
import errno
import os
import stat
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from billing.payments.banks.detect import SIZE_BYTES_MAX, read
from billing.payments.banks.statement import Statement
from billing.payments.operations import ImportReport, import_statements
from billing.store.engine import Store
from config.errors import InputRejected, NotAllowed, StatementRejected
from config.settings import Settings

UNFINISHED = (".part", ".partial", ".tmp", ".crdownload", ".filepart", "~")
FILES_PER_LOOK_MAX = 100

Seen = dict[Path, tuple[int, int]]
"""Size and time of change, as they were at the last look."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file."""

    name: str
    report: ImportReport | None
    refused_why: str = ""
    stuck_why: str = ""
    """Why it stays in the folder although it is done with; it is then looked at again and again."""

    def __str__(self) -> str:
        return f"{self._result()}{f'; it can not be moved away: {self.stuck_why}' if self.stuck_why else ''}"

    def _result(self) -> str:
        if self.report is None:
            return f"refused: {self.refused_why}"
        return (
            f"{self.report.new} new payments ({self.report.matched} matched, {self.report.waiting} waiting), "
            f"{self.report.known} known"
        )


def scan(folder: Path, seen: Seen) -> list[Path]:
    """The files that did not change since the last look, by name; `seen` becomes this look."""
    now_there: Seen = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if _is_candidate(entry):
                status = entry.stat(follow_symlinks=False)
                now_there[Path(entry.path)] = (status.st_size, status.st_mtime_ns)
    ready = sorted(path for path, look in now_there.items() if seen.get(path) == look)
    seen.clear()
    seen.update(now_there)
    return ready[:FILES_PER_LOOK_MAX]


def _is_candidate(entry: os.DirEntry[str]) -> bool:
    is_finished = not entry.name.startswith(".") and not entry.name.lower().endswith(UNFINISHED)
    return is_finished and entry.is_file(follow_symlinks=False)


async def import_ready(store: Store, folder: Path, settings: Settings, now: datetime, seen: Seen) -> list[Outcome]:
    """Imports every file that is ready, each in a transaction of its own, and moves it to where it belongs.

    Raises `OSError` when there is no such folder, and lets errors of the database pass: the file then stays
    where it is and is tried again at the next look. One bad file never keeps the others from their turn.
    """
    outcomes = []
    for path in await asyncio.to_thread(scan, folder, seen):
        outcome = await _import_one(store, path, settings, now)
        try:
            await asyncio.to_thread(_move, path, outcome)
        except OSError as error:
            outcome = replace(outcome, stuck_why=str(error))
        outcomes.append(outcome)
    return outcomes


async def _import_one(store: Store, path: Path, settings: Settings, now: datetime) -> Outcome:
    try:
        statements = await asyncio.to_thread(_read, path)
    except (StatementRejected, OSError) as error:
        return Outcome(path.name, None, str(error))
    try:
        async with store.transaction() as session:
            report = await import_statements(
                session,
                statements,
                path.name,
                now,
                accounts=settings.payments.accounts,
                currency=settings.isp.currency,
            )
    except (InputRejected, NotAllowed) as error:
        return Outcome(path.name, None, str(error))
    return Outcome(path.name, report)


def _read(path: Path) -> list[Statement]:
    # Between the look and now the name may have become a link, or a pipe that would hold us for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is no file", str(path))
        return read(file.read(SIZE_BYTES_MAX + 1))


def _move(path: Path, outcome: Outcome) -> None:
    folder = path.parent / ("imported" if outcome.report else "refused")
    folder.mkdir(exist_ok=True)
    target = _free_name(folder / path.name)
    if outcome.refused_why:
        reason = target.with_name(f"{target.name}.reason.txt")
        reason.write_text(f"{outcome.refused_why}\n", encoding="utf-8")
    path.rename(target)


def _free_name(wanted: Path) -> Path:
    """The name, or the first of NAME.2, NAME.3, … that is free: a bank may name every file alike."""
    target, number = wanted, 1
    while target.exists():
        number += 1
        target = wanted.with_name(f"{wanted.stem}.{number}{wanted.suffix}")
    return target
