"""Which files of a watched folder are ready to be taken; what is done with them is tested where it is done."""

import os
from pathlib import Path

import pytest

from billing import watched_folder
from billing.watched_folder import Seen, content, scan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    watched = tmp_path / "watched"
    watched.mkdir()
    return watched


def test_a_file_that_still_grows_is_left_alone(folder: Path) -> None:
    seen: Seen = {}
    file = folder / "day.gpc"
    for size in (1, 2):
        file.write_bytes(b"x" * size)
        assert scan(folder, seen) == []

    assert scan(folder, seen) == [file]


def test_a_file_that_changes_without_growing_is_left_alone(folder: Path) -> None:
    seen: Seen = {}
    file = folder / "day.gpc"
    file.write_bytes(b"x")
    scan(folder, seen)
    os.utime(file, ns=(1, 1))

    assert scan(folder, seen) == []


@pytest.mark.parametrize("name", [".day.gpc", "day.gpc.part", "day.gpc.TMP", "day.gpc.crdownload", "day.gpc~"])
def test_a_transfer_under_way_is_left_alone(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"x")
    seen: Seen = {}
    scan(folder, seen)

    assert scan(folder, seen) == []


def test_a_file_that_is_renamed_during_the_look_hides_no_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.gpc", "upload"):
        (folder / name).write_bytes(b"x")
    seen: Seen = {}
    scan(folder, seen)
    is_file = watched_folder._is_candidate

    def renamed_meanwhile(entry: "os.DirEntry[str]") -> bool:
        if entry.name == "upload":
            (folder / "upload").rename(folder / "b.gpc")
        return is_file(entry)

    monkeypatch.setattr(watched_folder, "_is_candidate", renamed_meanwhile)

    assert scan(folder, seen) == [folder / "a.gpc"]


def test_links_folders_and_pipes_are_left_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (folder / "link.gpc").symlink_to(tmp_path / "secret")
    (folder / "folder.gpc").mkdir()
    os.mkfifo(folder / "pipe.gpc")
    seen: Seen = {}
    scan(folder, seen)

    assert scan(folder, seen) == []


def test_what_became_a_link_after_the_look_is_not_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (folder / "day.gpc").symlink_to(tmp_path / "secret")

    with pytest.raises(OSError, match="symbolic links"):
        content(folder / "day.gpc", 10)


def test_of_a_file_that_is_too_long_one_byte_more_is_read_than_allowed(folder: Path) -> None:
    (folder / "day.gpc").write_bytes(b"x" * 100)

    assert len(content(folder / "day.gpc", 10)) == 11
