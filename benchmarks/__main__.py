"""`make bench`: every benchmark in one run, as one table."""

import importlib
import pkgutil

import benchmarks
from benchmarks.table import Row, print_table

NAMES = [
    module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name not in ("table", "__main__")
]


def main() -> None:
    rows: list[Row] = []
    for name in NAMES:
        run = getattr(importlib.import_module(f"benchmarks.{name}"), "run", None)
        if run is not None:
            rows += run()
    print_table(rows)


if __name__ == "__main__":
    main()
