"""Rendered documents on disk, by the hash of what they were made from. Losing it costs time, never a document."""

import os
import uuid
from contextlib import suppress
from pathlib import Path

import structlog

log = structlog.get_logger()

PRUNES_EVERY_FILES = 500
_PRUNES_TO = 0.8


class Cache:
    """A directory of files; a directory that can't be used is a cache that never has anything."""

    def __init__(self, directory: Path, megabytes_max: int) -> None:
        self._directory = directory
        self._bytes_max = megabytes_max * 1_000_000
        self._written = 0
        self._complained = False

    def get(self, key: str) -> bytes | None:
        if not self._bytes_max:
            return None
        try:
            return self._path(key).read_bytes() or None
        except OSError:
            return None

    def put(self, key: str, content: bytes) -> None:
        """Appears whole or not at all, whoever reads meanwhile and whatever ends us."""
        if not self._bytes_max:
            return
        path = self._path(key)
        draft = path.with_name(f".{key}.{uuid.uuid4().hex}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(content)
            draft.replace(path)
        except OSError as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            self._complain(error)
        self._written += 1
        if self._written % PRUNES_EVERY_FILES == 0:
            self.prune()

    def prune(self) -> None:
        """Removes the oldest files when there is too much of them."""
        files = sorted(self._files())
        too_many = sum(size for _, size, _ in files) - self._bytes_max
        if too_many <= 0:
            return
        too_many += int(self._bytes_max * (1 - _PRUNES_TO))
        for _, size, path in files:
            if too_many <= 0:
                break
            with suppress(OSError):
                path.unlink()
            too_many -= size

    def _files(self) -> list[tuple[float, int, Path]]:
        found = []
        for folder, _, names in os.walk(self._directory):
            for name in names:
                path = Path(folder, name)
                with suppress(OSError):  # somebody else prunes, too
                    state = path.stat()
                    found.append((state.st_mtime, state.st_size, path))
        return found

    def _path(self, key: str) -> Path:
        return self._directory / key[:2] / f"{key}.pdf"

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            log.warning("documents are not cached", directory=str(self._directory), error=error.strerror or str(error))
        self._complained = True
