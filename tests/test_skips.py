"""What was not tested is never silent."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SKIPPING = """
import pytest

pytest_plugins = ["tests.skips"]

@pytest.mark.skip(reason="no browser here")
def test_marked(): ...

def test_inside():
    pytest.skip("no root here")

def test_fine(): ...
"""


def run(folder: Path, require_all: str, *options: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parent.parent
    (folder / "conftest.py").write_text('pytest_plugins = ["tests.skips"]\n')
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_sample.py").write_text(SKIPPING.replace('pytest_plugins = ["tests.skips"]\n', ""))
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(folder), *options, str(folder)]
    environment = {**os.environ, "HRADLO_TEST_REQUIRE_ALL": require_all, "PYTHONPATH": str(root)}
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_last_lines_say_what_was_skipped_and_why(tmp_path: Path) -> None:
    done = run(tmp_path, require_all="")

    assert done.returncode == 0
    assert done.stdout.splitlines()[-3:] == [
        "NOT TESTED here: 2 tests were skipped.",
        "     1 × no browser here",
        "     1 × no root here",
    ]


def test_the_last_lines_say_so_of_what_workers_skipped_too(tmp_path: Path) -> None:
    done = run(tmp_path, "", "--numprocesses=2")

    assert done.returncode == 0
    assert done.stdout.splitlines()[-3] == "NOT TESTED here: 2 tests were skipped."


def test_where_nothing_is_optional_a_skip_is_a_failure(tmp_path: Path) -> None:
    done = run(tmp_path, require_all="1")

    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 1 passed, 1 error" in done.stdout
    assert "but: no browser here" in done.stdout
    assert "but: no root here" in done.stdout


def test_a_whole_file_that_skips_itself_counts(tmp_path: Path) -> None:
    (tmp_path / "test_whole.py").write_text('import pytest\npytest.skip("no kernel here", allow_module_level=True)\n')

    assert run(tmp_path, require_all="1").returncode != 0
    assert "no kernel here" in run(tmp_path, require_all="").stdout.splitlines()[-2]
