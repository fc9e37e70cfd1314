"""Commands on their way into the router: the network's delay, and one processor for all connections."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from tests.routeros.commands import Command
from tests.routeros.faults import Faults

Work = Callable[[], None]


@dataclass(slots=True)
class _Waiting:
    due_at: float
    work: Work
    owner: object
    tag: bytes | None


class Arrivals:
    """First come, first served; without latency and service time at once."""

    def __init__(self, faults: Faults, length_of_print: Callable[[Command], int]) -> None:
        self._faults = faults
        self._length_of_print = length_of_print
        self._waiting: deque[_Waiting] = deque()
        self._free_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def arrive(self, command: Command, work: Work, owner: object) -> None:
        """Calls `work` when the router gets to it; `owner` is the connection."""
        faults = self._faults
        cost_seconds = self._cost_seconds(command)
        if not self._waiting and faults.latency_seconds <= 0 and cost_seconds <= 0:
            work()
            return
        now = asyncio.get_running_loop().time()
        seen_at = now + faults.latency_seconds
        self._free_at = max(seen_at, self._free_at) + cost_seconds
        self._waiting.append(_Waiting(self._free_at, work, owner, command.tag))
        self._wind()

    def busy(self, seconds: float) -> None:
        """The processor does something else for so long."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(now, self._free_at) + seconds
        for waiting in self._waiting:
            waiting.due_at += seconds

    def forget(self, owner: object, tag: bytes | None = None) -> bool:
        """Drops what a connection (or one of its tags) still waits for; whether there was something."""
        kept = [each for each in self._waiting if each.owner is not owner or (tag is not None and each.tag != tag)]
        is_found = len(kept) < len(self._waiting)
        self._waiting = deque(kept)
        return is_found

    def _cost_seconds(self, command: Command) -> float:
        faults = self._faults
        if command.writes:
            return faults.write_seconds * (command.arguments.get(".id", "").count(",") + 1)
        if faults.printed_rows_per_second and command.name in ("print", "getall"):
            return self._length_of_print(command) / faults.printed_rows_per_second
        return 0.0

    def _wind(self) -> None:
        if self._timer is None and self._waiting:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._waiting[0].due_at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self._waiting and self._waiting[0].due_at <= now + 0.0001:
            self._waiting.popleft().work()
        self._wind()
