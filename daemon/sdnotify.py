"""What systemd is told (sd_notify(3): ready, alive, stopping) and what it passes in (sd_listen_fds(3))."""

import contextlib
import os
import socket

_FIRST_FD = 3
_PATIENCE_SECONDS = 1.0
"""Nobody waits for a systemd that does not listen: what is told is a courtesy."""


def notify(**state: str | int) -> None:
    """Sends e.g. ``notify(READY=1, STATUS="…")``; does nothing when systemd did not start us."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    message = "\n".join(f"{name}={value}" for name, value in state.items()).encode()
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as bell:
        bell.settimeout(_PATIENCE_SECONDS)
        bell.connect(address)
        bell.sendall(message)


def watchdog_seconds() -> float | None:
    """How often systemd wants a sign of life at the latest; None when it wants none."""
    usec, pid = os.environ.get("WATCHDOG_USEC"), os.environ.get("WATCHDOG_PID")
    if not usec or not usec.isdigit() or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 1_000_000


def passed_sockets() -> list[socket.socket]:
    """The listening sockets that systemd opened for us; empty when it opened none."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(os.environ.get("LISTEN_FDS", "0"))
    return [socket.socket(fileno=fd) for fd in range(_FIRST_FD, _FIRST_FD + count)]
