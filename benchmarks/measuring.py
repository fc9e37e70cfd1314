"""What several benchmarks measure with."""

import math
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from config.clock import monotonic_seconds
from tests.postgres import find_binaries

PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 0.05


def missing(benchmark: ModuleType) -> str:
    """What a benchmark needs and this machine does not give, as the end of a sentence; empty when nothing."""
    needs = ["root"] if getattr(benchmark, "NEEDS_ROOT", False) and os.geteuid() != 0 else []
    needs += ["PostgreSQL"] if getattr(benchmark, "NEEDS_POSTGRESQL", False) and find_binaries() is None else []
    needs += [name for name in getattr(benchmark, "NEEDS_PROGRAMS", ()) if shutil.which(name) is None]
    return f"needs {' and '.join(needs)}" if needs else ""


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of the values that so many per cent do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def peak_memory_mb(process: int | None = None) -> float:
    """The largest memory of a process, or of this one, in MB (10^6 bytes).

    Not from `getrusage`: there, a new process begins with the memory of the one that started it.
    """
    lines = Path(f"/proc/{process or 'self'}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def until(what: str, is_so: Callable[[], bool]) -> None:
    """Waits until something is so; raises `TimeoutError` when it does not come."""
    give_up_at = monotonic_seconds() + PATIENCE_SECONDS
    while not is_so():
        if monotonic_seconds() > give_up_at:
            raise TimeoutError(f"waited in vain until {what}")
        time.sleep(_LOOK_SECONDS)
