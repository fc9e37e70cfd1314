"""Files that an exchange appends call records to (Asterisk's Master.csv), read on from where we were.

    /var/log/asterisk/cdr-csv/Master.csv      is never written, moved or locked
    /var/log/asterisk/cdr-csv/Master.csv.1    logrotate renamed it: the same file still, read on to its end

A file is known by its inode and by how it begins, so a new name changes nothing, while a file that was emptied, or
another one in its place, is read from its beginning. Where we were is kept in memory: after a restart everything is
read once more, which adds nothing. A last line without its end is still being written, and waits.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from billing.voip.calls.detect import Format, read_piece, told
from billing.voip.calls.record import Reading
from config.errors import CallsRejected, Problem

PIECE_BYTES_MAX = 1024 * 1024
HEAD_BYTES_MAX = 1024

Inode = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Place:
    """How far a file was read."""

    head: bytes = b""
    """A digest of how the file begins …"""
    head_size: int = 0
    """… as far as it was there when it was first seen."""
    position: int = 0
    line: int = 1
    format: Format = "auto"


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole lines of a file that were not read before."""

    path: Path
    inode: Inode
    data: bytes
    place: Place
    """Where it begins."""

    def reading(self, zone: ZoneInfo) -> tuple[Reading, Format]:
        """What is in it, and its format: what the file was found to be written in, or what its lines look like."""
        try:
            name = told(self.data) if self.place.format == "auto" else self.place.format
        except CallsRejected as error:
            return Reading(problems=(Problem(f"line {self.place.line}", error.problems[0].message),)), "auto"
        return read_piece(self.data, zone, name, self.place.line), name


class Follower:
    """Remembers how far the files of some patterns were read."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns = patterns
        self._places: dict[Inode, Place] = {}

    def next_piece(self, path: Path) -> Piece | None:
        """The next whole lines of a file, some of them at most; None when there are none. Raises `OSError`."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "is no file", str(path))
            inode = (status.st_dev, status.st_ino)
            place = self._places.get(inode, Place())
            start = file.read(HEAD_BYTES_MAX)
            if status.st_size < place.position or _digest(start[: place.head_size]) != place.head:
                place = Place()
            if not place.position:
                place = Place(_digest(start), len(start))
            file.seek(place.position)
            data = file.read(PIECE_BYTES_MAX)
        end = data.rfind(b"\n") + 1
        if not end and len(data) == PIECE_BYTES_MAX:
            end = len(data)  # no line of any exchange: to be named, and to be got over
        return Piece(path, inode, data[:end], place) if end else None

    def advance(self, piece: Piece, name: Format) -> None:
        """What was read is stored: the file is read on behind it."""
        place = piece.place
        self._places[piece.inode] = Place(
            place.head,
            place.head_size,
            place.position + len(piece.data),
            place.line + piece.data.count(b"\n"),
            name,
        )


def named(pattern: str) -> list[Path]:
    """The files that a pattern names now; raises `OSError` for a folder that can't be read."""
    folder, name = Path(pattern).parent, Path(pattern).name
    with os.scandir(folder) as entries:
        return sorted(path for path in (Path(entry.path) for entry in entries) if path.match(name))


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest() if data else b""
