"""What was not tested is said, in the last lines; under HRADLO_TEST_REQUIRE_ALL=1 it is a failure.

A pytest plugin, loaded by `conftest.py`.
"""

import os
from collections import Counter
from collections.abc import Generator

import pytest

REQUIRE_ALL = "HRADLO_TEST_REQUIRE_ALL"
_skipped: dict[str, str] = {}
"""Test or file -> why it was skipped. Each worker collects every file, so a file is told of more than once."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _judge(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _judge(report)
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _count(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    _count(report)


def pytest_unconfigure(config: pytest.Config) -> None:
    """After pytest's own summary, so that these are the last lines; the tests' workers say nothing themselves."""
    if _skipped and not hasattr(config, "workerinput"):
        print(f"\nNOT TESTED here: {len(_skipped)} tests were skipped.")
        for reason, count in sorted(Counter(_skipped.values()).items()):
            print(f"  {count:4} × {reason}")
    _skipped.clear()


def _judge(report: pytest.TestReport | pytest.CollectReport) -> None:
    if _is_skipped(report) and os.environ.get(REQUIRE_ALL) == "1":
        report.outcome = "failed"
        report.longrepr = f"Nothing may be skipped under {REQUIRE_ALL}=1, but: {_reason(report)}"


def _count(report: pytest.TestReport | pytest.CollectReport) -> None:
    if _is_skipped(report):
        _skipped[report.nodeid] = _reason(report)


def _is_skipped(report: pytest.TestReport | pytest.CollectReport) -> bool:
    return report.skipped and not hasattr(report, "wasxfail")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")
