"""`python -m tests.simulation FIRST [LAST] [--days N] [--jobs N]`: plays seeds, and says what happened.

Ends with 1 at the first broken rule, and says which seed it was and how to see it again.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from billing.store.schema_version import upgrade
from config.clock import monotonic_seconds
from tests.simulation.auditor import Violation
from tests.simulation.world import world

MEMORY = Path("/dev/shm")


@contextmanager
def memory() -> Iterator[Path]:
    """A folder that no disk slows down."""
    with tempfile.TemporaryDirectory(prefix="hradlo-", dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)


def play(seed: int, migrated: Path, folder: Path, days: int) -> tuple[int, str, str, float, bool]:
    """One seed: its number, the journal's end, what happened, seconds, and whether all was well."""

    async def run() -> tuple[str, str, bool]:
        async with world(seed, migrated, folder, days=days) as made:
            try:
                return await made.run(), str(made.counts), True
            except Violation as violation:
                return "", f"{violation}\n  until then: {made.counts}", False

    began = monotonic_seconds()
    end, words, is_well = asyncio.run(run())
    return seed, end, words, monotonic_seconds() - began, is_well


def main() -> None:
    parser = argparse.ArgumentParser(prog="make simulation", description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int, nargs="?")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--jobs", type=int, default=1)
    chosen = parser.parse_args()
    seeds = range(chosen.first, (chosen.last or chosen.first) + 1)
    broken = 0
    with memory() as folder:
        migrated = folder / "migrated.db"
        asyncio.run(upgrade(f"sqlite:///{migrated}"))
        one = partial(play, migrated=migrated, folder=folder, days=chosen.days)
        with ProcessPoolExecutor(chosen.jobs) as pool:
            for seed, end, words, seconds, is_well in pool.map(one, seeds):
                broken += not is_well
                print(f"seed {seed}: {end[:12] if is_well else 'BROKEN'} in {seconds:.1f} s: {words}", flush=True)
    print(f"{len(seeds) - broken} of {len(seeds)} seeds of {chosen.days} days kept every rule")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
