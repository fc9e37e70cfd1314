"""One engine for each gateway: the lock that says whether it runs."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.errors import HradloError, NotAllowed

LOCK_TRIES = 5
LOCK_PAUSE_SECONDS = 0.05


@contextmanager
def only_engine(runtime_directory: Path) -> Iterator[None]:
    """Holds the lock of this gateway's one engine; raises `NotAllowed` that names who has it.

    Raises `HradloError` where there can be no lock.
    """
    path = runtime_directory / "engine.lock"
    try:
        runtime_directory.mkdir(parents=True, exist_ok=True)
        lock = os.fdopen(_open_lock(path), "r+", encoding="ascii")
    except OSError as error:
        raise HradloError(f"{path} can't be made ({error.strerror}).", "Check [daemon] runtime_directory.") from error
    with lock:
        if not _was_to_be_had(lock.fileno(), fcntl.LOCK_EX):
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise NotAllowed(
                f"An engine runs already (process {holder}).", "It applies every change by itself within seconds."
            )
        with contextlib.suppress(OSError):  # a full disk: then it has no name, and is locked all the same
            os.truncate(lock.fileno(), 0)
            os.pwrite(lock.fileno(), str(os.getpid()).encode("ascii"), 0)
        yield  # the file stays: unlinking it would let two processes hold two files of one name


def _was_to_be_had(descriptor: int, kind: int) -> bool:
    """Whether the lock was to be had; somebody who only asks for it has it for no longer than a moment."""
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_PAUSE_SECONDS)
        else:
            return True
    return False


def engine_state(runtime_directory: Path) -> str:
    """`running` when an engine of this gateway holds its lock, `stopped`, or `unknown` to who may not ask.

    Writes nothing, so that it can be told on a full disk, too.
    """
    try:
        with (runtime_directory / "engine.lock").open("rb") as lock:
            return "stopped" if _was_to_be_had(lock.fileno(), fcntl.LOCK_SH) else "running"
    except FileNotFoundError:
        return "stopped"
    except OSError:
        return "unknown"


def _open_lock(path: Path) -> int:
    """Opens the lock, or makes it for the folder's owner: `hradlo status` of an admin is root's and may be the first.

    No link is followed, because who may write the folder could make root write anywhere.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o640)
    except FileExistsError:
        return os.open(path, flags)
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
    return descriptor
