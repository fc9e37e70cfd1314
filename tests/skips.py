"""What was not tested is said, in the last lines; under HRADLO_TEST_REQUIRE_ALL=1 it is a failure.

A pytest plugin, loaded by `conftest.py`.
"""

import os
from collections import Counter
from collections.abc import Generator

import pytest

REQUIRE_ALL = "HRADLO_TEST_REQUIRE_ALL"
_skipped: Counter[str] = Counter()


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


def pytest_unconfigure() -> None:
    """After pytest's own summary, so that these are the last lines."""
    if _skipped:
        print(f"\nNOT TESTED here: {_skipped.total()} tests were skipped.")
        for reason, count in sorted(_skipped.items()):
            print(f"  {count:4} × {reason}")
        _skipped.clear()


def _judge(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if os.environ.get(REQUIRE_ALL) == "1":
        report.outcome = "failed"
        report.longrepr = f"Nothing may be skipped under {REQUIRE_ALL}=1, but: {reason}"
    else:
        _skipped[reason] += 1
