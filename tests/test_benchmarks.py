"""Every benchmark runs, at a thousandth of its size; how fast it is, is asked by `make bench` alone."""

import importlib
import math
import sqlite3
from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES, main
from benchmarks.measuring import missing, percentile
from benchmarks.reconcile import Writes
from benchmarks.table import Row
from tests.namespaces import real_topology

TINY = 0.001
ON_REAL_PACKETS = ("gateway", "gateways", "scale", "reconcile", "nftables")
NAMED = [pytest.param(name, marks=[pytest.mark.root] * (name in ON_REAL_PACKETS)) for name in NAMES]


@pytest.mark.parametrize("name", NAMED)
def test_each_benchmark_measures_something(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark = importlib.import_module(f"benchmarks.{name}")
    lack = missing(benchmark)
    if "root" in lack:
        pytest.skip(lack)
    if lack:  # nginx and wrk are for benchmarks only: without them, it must say so
        main([name])
        assert f"Not measured: {name}, it {lack}." in capsys.readouterr().out
        return

    rows = benchmark.run(TINY)

    assert rows
    assert all(row.value > 0 and math.isfinite(row.value) for row in rows)


def test_one_benchmark_can_be_asked_for_and_is_told_without_a_verdict_when_it_is_quick(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["--quick", "dunning"])

    told = capsys.readouterr().out
    assert "decide about 1,000 contracts" in told
    assert "met" not in told.replace("met?", "")
    assert "processors" in told


def test_an_unknown_benchmark_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["dunnning"])

    assert "no such benchmark: dunnning" in capsys.readouterr().err


@pytest.mark.root
def test_a_write_to_the_database_or_the_network_does_not_go_unseen(tmp_path: Path) -> None:
    path = tmp_path / "any.db"
    writing = sqlite3.connect(path, isolation_level=None)
    writing.execute("PRAGMA journal_mode = WAL")
    writing.execute("CREATE TABLE t (x)")
    with real_topology() as topology, Writes(path, topology.gateway.name) as writes:
        assert (writes.of_database(), writes.of_network()) == (0, 0)

        writing.execute("INSERT INTO t VALUES (1)")
        topology.gateway.run("nft", "add", "table", "inet", "someone")

        assert writes.of_database() > 0
        assert writes.of_network() > 0
    writing.close()


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(value) for value in range(100, 0, -1)]

    assert [percentile(values, percent) for percent in (1, 50, 99, 100)] == [1.0, 50.0, 99.0, 100.0]
    assert percentile([7.0], 99) == 7.0


def test_a_goal_is_met_or_missed_and_a_figure_without_a_goal_is_neither() -> None:
    rows = [Row("a", 1, "s"), Row("b", 1, "s", goal="≤ 2 s"), Row("c", 3, "s", goal="≤ 2 s", is_met=False)]

    assert [row.verdict for row in rows] == ["", "met", "missed"]
