"""The cache gives back what it was given, stays small, and is never in the way."""

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from billing.invoicing.documents.cache import Cache


def test_what_was_put_is_there_for_whoever_opens_the_directory_next(tmp_path: Path) -> None:
    Cache(tmp_path, 1).put("abc", b"pdf")

    assert Cache(tmp_path, 1).get("abc") == b"pdf"
    assert Cache(tmp_path, 1).get("abd") is None


def test_nothing_half_written_is_ever_left(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1)
    cache.put("abc", b"pdf")
    cache.put("abc", b"pdf")

    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["abc.pdf"]


def test_an_empty_file_left_by_a_full_disk_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab" / "abc.pdf").touch()

    assert Cache(tmp_path, 1).get("abc") is None


def test_a_size_of_zero_keeps_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 0)
    cache.put("abc", b"pdf")

    assert cache.get("abc") is None
    assert list(tmp_path.iterdir()) == []


def test_the_oldest_go_when_there_is_too_much(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1)
    for n in range(12):
        cache.put(f"{n:02}", b"x" * 100_000)
        os.utime(tmp_path / f"{n:02}" / f"{n:02}.pdf", (n, n))
    cache.prune()

    assert [n for n in range(12) if cache.get(f"{n:02}") is not None] == [4, 5, 6, 7, 8, 9, 10, 11]


@pytest.mark.parametrize("times", [1, 3])
def test_a_directory_that_cant_be_used_is_told_once_and_nothing_fails(tmp_path: Path, times: int) -> None:
    (tmp_path / "file").touch()
    cache = Cache(tmp_path / "file" / "documents", 1)
    with capture_logs() as logs:
        for _ in range(times):
            cache.put("abc", b"pdf")

    assert cache.get("abc") is None
    assert [entry["event"] for entry in logs] == ["documents are not cached"]
