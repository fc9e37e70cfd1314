"""`make bench`: every benchmark in one run, as one table.

    python -m benchmarks [--quick] [NAME …]

`--quick` runs everything at a hundredth of its size: whether it works, not how fast it is.
"""

import argparse
import importlib
import logging
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.measuring import missing
from benchmarks.table import Row, print_table
from config.logging import configure
from daemon.garbage import collect_rarely

NAMES = (
    "gateway",
    "gateways",
    "scale",
    "reconcile",
    "nftables",
    "routeros",
    "notice_server",
    "dunning",
    "payments",
    "billing_run",
    "billing_run_postgres",
    "documents",
    "voip",
    "portal",
    "voip_authorize",
)
QUICK = 0.01


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed, as ratios side by side.")
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"of {', '.join(NAMES)}; all when none is named")
    parser.add_argument("--quick", action="store_true", help="at a hundredth of the size: figures mean nothing")
    asked = parser.parse_args(arguments)
    collect_rarely()  # as every command of the program does
    if unknown := set(asked.names) - set(NAMES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    os.environ["PATH"] += ":/usr/sbin:/sbin"  # where Debian has nginx and nft, and a plain user's PATH has not
    load_before = os.getloadavg()[0]
    rows, not_measured = _measured(asked.names or NAMES, QUICK if asked.quick else 1.0)
    print_table(rows)
    for line in not_measured:
        print(f"Not measured: {line}.")
    print(_machine(load_before))


def _measured(names: Sequence[str], scale: float) -> tuple[list[Row], list[str]]:
    """The rows of these benchmarks, and what was left out and why."""
    rows: list[Row] = []
    left_out: list[str] = []
    for name in names:
        module = importlib.import_module(f"benchmarks.{name}")
        if lack := missing(module):
            left_out.append(f"{name}, it {lack}")
        else:
            print(f"{name} …", flush=True)
            begun_at = time.monotonic()
            found = [row if scale == 1 else replace(row, goal="") for row in module.run(scale)]
            for row in found:  # at once, so that a run that is stopped has told something
                print(f"    {row}")
            print(f"    took {time.monotonic() - begun_at:.0f} s", flush=True)
            rows += found
    return rows, left_out


def _machine(load_before: float) -> str:
    """What the figures belong to. Above one running program per processor, they say little."""
    version = platform.python_version()
    load = f"load {load_before:.1f} before, {os.getloadavg()[0]:.1f} after (the benchmarks' own work included)"
    return f"On {os.cpu_count()} processors, Linux {platform.release()}, Python {version}; {load}."


if __name__ == "__main__":
    configure(level=logging.WARNING)  # what the engine tells of its rounds is not wanted among the figures
    main()
