"""The doorbell: a unix datagram that carries nothing but "look again".

Whoever changed facts rings it after the commit. A ring that is lost costs patience, not correctness: the engine
looks again by itself.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from config.errors import HradloError

NAME = "doorbell"


def ring(runtime_directory: Path) -> None:
    """Rings; silently does nothing when no engine listens."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        bell.setblocking(False)
        bell.sendto(b"", str(runtime_directory / NAME))


@contextlib.asynccontextmanager
async def listening(runtime_directory: Path, on_ring: Callable[[], None]) -> AsyncIterator[None]:
    """Calls `on_ring` for every ring while the block lasts; rings in a burst may come as one."""
    path = runtime_directory / NAME
    bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    bell.setblocking(False)
    try:
        path.unlink(missing_ok=True)
        bell.bind(str(path))
        path.chmod(0o660)  # the web role rings, too: same group
    except OSError as error:
        bell.close()
        raise HradloError(
            f"The doorbell {path} can't be made ({error.strerror}).", "Check [daemon] runtime_directory."
        ) from error
    loop = asyncio.get_running_loop()

    def drain() -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                bell.recv(1)
                on_ring()

    loop.add_reader(bell, drain)
    try:
        yield
    finally:
        loop.remove_reader(bell)
        bell.close()
        path.unlink(missing_ok=True)
