"""A real PostgreSQL for tests: its own server in a temporary folder, on a unix socket, run by nobody special."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_OWNER = "hradlo"
_OPTIONS = "-c listen_addresses=''"
# Nothing in tests outlives them, so nothing needs to survive a power cut.
_FORGETFUL = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"


class PostgresServer:
    """A running server; makes databases."""

    def __init__(self, binaries: Path, folder: Path, options: str) -> None:
        self._binaries = binaries
        self._folder = folder
        self._options = options
        self._count = 0

    def start(self) -> None:
        """Starts it, as it was left."""
        log, options = str(self._folder / "log"), f"{_OPTIONS} {self._options} -k {self._folder}"
        self.run("pg_ctl", "start", "-w", "-l", log, "-o", options)

    def stop(self) -> None:
        """Stops it at once, as a power cut would; every connection is lost."""
        self.run("pg_ctl", "stop", "-w", "-m", "immediate")

    def run(self, program: str, *arguments: str) -> None:
        """Runs one of its programs; as root it runs as another user, as PostgreSQL demands."""
        subprocess.run(
            [self._binaries / program, "-D", self._folder / "data", *arguments],
            user="nobody" if os.geteuid() == 0 else None,
            cwd=self._folder, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def create_database(self, template: str = "template0") -> str:
        """The URL of a new database; `template` is the name of one to copy."""
        self._count += 1
        name = f"test_{self._count}"
        arguments = ["-h", str(self._folder), "-U", _OWNER, "-T", template, name]
        subprocess.run([self._binaries / "createdb", *arguments], check=True)
        return f"postgresql://{_OWNER}@/{name}?host={self._folder}"


def find_binaries() -> Path | None:
    """Where the newest PostgreSQL of Debian, or that of PATH, has its programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(on_path).parent if on_path else None


@contextmanager
def running_server(binaries: Path, *, is_durable: bool = False) -> Iterator[PostgresServer]:
    """A server from `initdb` to its end; `is_durable`: it keeps what it says through a power cut, as a real one."""
    # not pytest's folder: the path of a unix socket has at most 107 characters
    with tempfile.TemporaryDirectory(prefix="hradlo-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
        server = PostgresServer(binaries, folder, "" if is_durable else _FORGETFUL)
        server.run("initdb", "-U", _OWNER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        server.start()
        try:
            yield server
        finally:
            with suppress(subprocess.CalledProcessError):  # a test may have left it stopped
                server.stop()
