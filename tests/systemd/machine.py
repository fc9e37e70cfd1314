"""A machine on which systemd has really booted: this one's files under an overlay, in a container of systemd-nspawn.

Whatever the machine writes goes into a tmpfs and is gone with it. It has its own network namespace, without a way
out; so the program is installed before the boot, by `chroot`.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).parents[2]
SOURCES = ("Makefile", "README.md", "LICENSE", "pyproject.toml", "requirements.lock", "systemd", "docs",
           "config", "billing", "enforcement", "portal", "daemon")  # fmt: skip
FOREIGN_UNITS = ("kamailio", "postgresql", "systemd-timesyncd", "networking", "cron")
BOOT_SECONDS = 60


def missing_for_a_machine() -> str:
    """Why no machine can be booted here; empty when one can."""
    if os.geteuid() != 0:
        return "needs root: boots systemd in a container"
    if not shutil.which("systemd-nspawn"):
        return "needs systemd-nspawn: apt install systemd-container"
    if not Path("/usr/bin/python3").exists():
        return "needs Debian's own Python: apt install python3"
    return ""


# Two machines in one control group would kill each other's processes. The hierarchies: version 1, hybrid, version 2.
_IN_OWN_CGROUP = """
for top in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
    [ -w $top/cgroup.procs ] && mkdir -p $top/$0 && echo $$ > $top/$0/cgroup.procs
done
exec "$@"
"""


class Machine:
    """One machine; `boot` it after everything that needs the outside is installed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._container: subprocess.Popen[bytes] | None = None
        self._init = 0
        self._name = f"hradlo-{os.getpid()}"

    def before_boot(self, command: str) -> str:
        """Runs a shell command on the machine's files, with this machine's network."""
        places = [(f"/{name}", str(self.root / name)) for name in ("dev", "proc")]
        for there, here in places:
            _checked(["mount", "--bind", there, here])
        try:
            return _checked(["chroot", str(self.root), "/bin/sh", "-c", command])
        finally:
            for _, here in places:
                _checked(["umount", here])

    def boot(self) -> None:
        (self.root / "etc" / "machine-id").write_text("")
        for unit in FOREIGN_UNITS:
            link = self.root / "etc" / "systemd" / "system" / f"{unit}.service"
            link.unlink(missing_ok=True)
            link.symlink_to("/dev/null")
        nspawn = (
            "systemd-nspawn", "--register=no", "--keep-unit", f"--machine={self._name}", f"--directory={self.root}",
            "--private-network", "--link-journal=no", "--console=pipe", "--boot",
        )  # fmt: skip
        self._container = subprocess.Popen(
            ["/bin/sh", "-c", _IN_OWN_CGROUP, self._name, *nspawn],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.wait_for("the first process", self._find_init)
        self.wait_for("the boot", lambda: "running" in self.run("systemctl is-system-running || true"))

    def run(self, command: str) -> str:
        """Runs a shell command as root on the booted machine; returns what it printed."""
        path = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
        entering = ["nsenter", f"--target={self._init}", "--all", "--", "env", "-i", f"PATH={path}", "HOME=/root"]
        return _checked([*entering, "LANG=C.UTF-8", "/bin/sh", "-c", command])

    def wait_for(self, what: str, condition: Callable[[], bool], patience_seconds: float = BOOT_SECONDS) -> None:
        deadline = time.monotonic() + patience_seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(0.1)

    def shut_down(self) -> None:
        if self._container:
            self._container.send_signal(signal.SIGRTMIN + 4)  # systemd: power off
            try:
                self._container.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._container.kill()
                self._container.wait()
            for top in ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
                groups = f"{top}/{self._name}"
                subprocess.run(["find", groups, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+"],
                               stderr=subprocess.DEVNULL, check=False)  # fmt: skip

    def _find_init(self) -> bool:
        assert self._container
        assert self._container.poll() is None, "the container ended"
        children = Path(f"/proc/{self._container.pid}/task/{self._container.pid}/children").read_text().split()
        self._init = int(children[0]) if children else 0
        return bool(self._init) and "systemd" in Path(f"/proc/{self._init}/comm").read_text()


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """A machine with this source in /src, as a clean commit; nothing of it is left afterwards."""
    folder.mkdir(exist_ok=True)
    root = folder / "root"
    _checked(["mount", "-t", "tmpfs", "tmpfs", str(folder)])
    try:
        for name in ("upper", "work", "root"):
            (folder / name).mkdir()
        layers = f"lowerdir=/,upperdir={folder / 'upper'},workdir={folder / 'work'}"
        _checked(["mount", "-t", "overlay", "overlay", "-o", layers, str(root)])
        for name in ("etc/hradlo", "var/lib/hradlo", "opt/hradlo", "src"):  # whatever this machine has there
            shutil.rmtree(root / name, ignore_errors=True)
        _copy_source(root / "src")
        made = Machine(root)
        try:
            yield made
        finally:
            made.shut_down()
    finally:
        subprocess.run(["umount", "--recursive", "--lazy", str(folder)], check=False)


def _copy_source(target: Path) -> None:
    target.mkdir()
    for name in SOURCES:
        source = SOURCE / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / name)
    commit(target, "first")


def commit(source: Path, message: str) -> str:
    """Commits everything in a source folder; returns the commit's short name."""
    git = ["git", "-C", str(source), "-c", "user.name=test", "-c", "user.email=test@localhost"]
    _checked(["git", "init", "--quiet", str(source)])
    _checked([*git, "add", "--all"])
    _checked([*git, "commit", "--quiet", "--allow-empty", "--message", message])
    return _checked([*git, "rev-parse", "--short", "HEAD"]).strip()


def _checked(argv: list[str]) -> str:
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False, errors="replace"
    )
    assert done.returncode == 0, f"{argv[-1]}\n{done.stdout}\n{done.stderr}"
    return done.stdout
