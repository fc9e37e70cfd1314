"""A watched folder: a file that is dropped there is taken by itself, and moved to where a person looks.

    FOLDER/day.gpc                      is taken once it was seen twice, unchanged
    FOLDER/imported/day.gpc             … and stands here afterwards
    FOLDER/refused/day.gpc              … or here, with
    FOLDER/refused/day.gpc.reason.txt       what was wrong with it

What is in a file, and what is done with it, is the business of who watches. A crash between the import and the move
costs nothing where an import that is done again adds nothing. Names that begin with a dot or end like a transfer
under way are left alone, and so are links and folders.
"""

import asyncio
import errno
import os
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

UNFINISHED = (".part", ".partial", ".tmp", ".crdownload", ".filepart", "~")
FILES_PER_LOOK_MAX = 100

R = TypeVar("R")
Seen = dict[Path, tuple[int, int]]
"""Size and time of change, as they were at the last look."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[R]):
    """What became of one file."""

    name: str
    report: R | None
    """Of the import; None when the file was refused."""
    refused_why: str = ""
    stuck_why: str = ""
    """Why it stays in the folder although it is done with; it is then looked at again and again."""

    def __str__(self) -> str:
        result = f"refused: {self.refused_why}" if self.report is None else str(self.report)
        return f"{result}{f'; it can not be moved away: {self.stuck_why}' if self.stuck_why else ''}"


def scan(folder: Path, seen: Seen) -> list[Path]:
    """The files that did not change since the last look, by name; `seen` becomes this look."""
    now_there: Seen = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # renamed since the folder was read: the next look finds it
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


async def take_ready(folder: Path, seen: Seen, take: Callable[[Path], Awaitable[Outcome[R]]]) -> list[Outcome[R]]:
    """Lets `take` import each file that is ready, and moves it to where it belongs.

    Raises `OSError` when there is no such folder, and lets errors of the database pass: the file then stays
    where it is and is tried again at the next look. One bad file never keeps the others from their turn.
    """
    outcomes = []
    for path in await asyncio.to_thread(scan, folder, seen):
        outcome = await take(path)
        try:
            await asyncio.to_thread(_move, path, outcome)
        except OSError as error:
            outcome = replace(outcome, stuck_why=str(error))
        outcomes.append(outcome)
    return outcomes


def content(path: Path, size_bytes_max: int) -> bytes:
    """A file's bytes, of a too long one a byte too many; raises `OSError` for what is no file (any more)."""
    # Between the look and now the name may have become a link, or a pipe that would hold us for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is no file", str(path))
        return file.read(size_bytes_max + 1)


def _move(path: Path, outcome: Outcome[R]) -> None:
    folder = path.parent / ("imported" if outcome.report is not None else "refused")
    folder.mkdir(exist_ok=True)
    target = _free_name(folder / path.name)
    if outcome.refused_why:
        reason = target.with_name(f"{target.name}.reason.txt")
        reason.write_text(f"{outcome.refused_why}\n", encoding="utf-8")
    path.rename(target)


def _free_name(wanted: Path) -> Path:
    """The name, or the first of NAME.2, NAME.3, … that is free: who drops files may name every one alike."""
    target, number = wanted, 1
    while target.exists():
        number += 1
        target = wanted.with_name(f"{wanted.stem}.{number}{wanted.suffix}")
    return target
