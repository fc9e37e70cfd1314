"""What goes wrong: how long things take, and what happens to single commands.

router.faults.latency_seconds = 0.02
router.faults.inject(Trap("failure: already have such entry"), on="/address-list/add", skip=3)
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.routeros.commands import Command
    from tests.routeros.simulator import Simulator


@dataclass(frozen=True, slots=True)
class Trap:
    """The command is refused with these words and not carried out. An empty message: a trap without one."""

    message: str
    category: int | None = None


@dataclass(frozen=True, slots=True)
class TwoTraps:
    """``interrupted``, then a failure, then `!done` (seen on 5.25); not carried out."""

    message: str = "failure: interrupted by somebody"


@dataclass(frozen=True, slots=True)
class Fatal:
    """`!fatal` with a bare reason, and the connection is closed; not carried out."""

    reason: str = "session terminated on request"


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is reset after so many bytes of the answer."""

    is_applied: bool = True
    """Whether the command was carried out before."""
    sent_bytes: int = 3


@dataclass(frozen=True, slots=True)
class Stall:
    """The connection stays open and nothing is answered on it any more, nor read."""

    is_applied: bool = True


@dataclass(frozen=True, slots=True)
class Reboot:
    """The router reboots at this command: all connections are reset."""

    is_applied: bool = True


@dataclass(frozen=True, slots=True)
class Halfway:
    """Of several ids only the first half is done, of a print only the first half is answered, then: `no such item`.

    Busy routers do that when connections are printed that end meanwhile.
    """


@dataclass(frozen=True, slots=True)
class Slow:
    """This command takes so long, and everything after it waits."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """Somebody else does something just before this command."""

    act: "Callable[[Simulator], object]"


Fault = Trap | TwoTraps | Fatal | Reset | Stall | Reboot | Halfway | Slow | Meanwhile


@dataclass(slots=True)
class _Planned:
    fault: Fault
    on: str
    skip: int


@dataclass
class Faults:
    """Knobs that a test turns at any time, and faults that wait for their command."""

    latency_seconds: float = 0.0
    """Round trip: from a command's arrival until the router sees it. Handshakes are not delayed."""
    write_seconds: float = 0.0
    """The router's own time for one item written (1.25 ms on an RB5009); all connections share it."""
    printed_rows_per_second: float = 0.0
    """0: at once. Reports say 1,500 to 8,000."""
    shuffles_answers: bool = False
    """Sentences of answers with different tags come in any order; those of one tag keep theirs."""
    random: Random = field(default_factory=lambda: Random(0))
    _planned: list[_Planned] = field(default_factory=list)

    def inject(self, fault: Fault, *, on: str = "", skip: int = 0) -> None:
        """Once, at the first command whose path ends with `on`, after `skip` others of that kind. Logins count, too."""
        self._planned.append(_Planned(fault, on, skip))

    def clear(self) -> None:
        """Nothing goes wrong any more, and nothing takes time."""
        self._planned.clear()
        self.latency_seconds = self.write_seconds = self.printed_rows_per_second = 0.0
        self.shuffles_answers = False

    @property
    def pending(self) -> int:
        """How many faults still wait for their command."""
        return len(self._planned)

    def due(self, command: "Command") -> Fault | None:
        """The fault that this command meets."""
        for planned in self._planned:
            if not command.path.endswith(planned.on):
                continue
            if planned.skip == 0:
                self._planned.remove(planned)
                return planned.fault
            planned.skip -= 1
        return None
