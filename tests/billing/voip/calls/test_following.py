"""Files that grow are read on, each call once, whatever logrotate does to them."""

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from billing.store.engine import Store
from billing.voip.calls import following, importing
from billing.voip.calls.following import Follower
from billing.voip.calls.importing import import_ready, read_on
from billing.watched_folder import Seen
from tests.billing.voip.calls.exchanges import ANSWERED, asterisk, kamailio
from tests.billing.voip.world import MOBILE, NOW, NUMBER, SETTINGS, add_number, credit_of, problems


def lines(first: int, count: int = 1) -> bytes:
    """Master.csv with calls of a minute, 2.40 CZK each."""
    start = replace(ANSWERED, caller=NUMBER, called=MOBILE, started_at=NOW, answered_at=NOW, billed_seconds=60)
    start = replace(start, ended_at=NOW + timedelta(seconds=60))
    return asterisk(replace(start, call_id=f"1772442000.{number}") for number in range(first, first + count))


@pytest.fixture
async def master(store: Store, tmp_path: Path) -> Path:
    await add_number(store, credit="100")
    return tmp_path / "Master.csv"


@pytest.fixture
def follower(master: Path) -> Follower:
    return Follower([f"{master}*"])


async def look(store: Store, follower: Follower) -> list[str]:
    """What was found, in words."""
    followed = await read_on(store, follower, SETTINGS, NOW)
    return [f"{each.recorded.rated} new, {each.recorded.repeated} known{_words(each.problems)}" for each in followed]


def _words(found: tuple[object, ...]) -> str:
    return "".join(f"; {problem}" for problem in found)


def append(file: Path, data: bytes) -> None:
    with file.open("ab") as opened:
        opened.write(data)


def rotate(file: Path) -> None:
    """As logrotate does."""
    file.rename(f"{file}.1")


async def test_only_what_was_appended_is_read(store: Store, master: Path, follower: Follower) -> None:
    append(master, lines(1, 2))
    assert await look(store, follower) == ["2 new, 0 known"]
    assert await look(store, follower) == []
    append(master, lines(3))

    assert await look(store, follower) == ["1 new, 0 known"]
    assert await credit_of(store) == ("92.80", "0.00")
    assert await problems(store) == []


async def test_a_line_that_is_still_being_written_waits(store: Store, master: Path, follower: Follower) -> None:
    line = lines(1)
    append(master, line[:100])
    assert await look(store, follower) == []
    append(master, line[100:])

    assert await look(store, follower) == ["1 new, 0 known"]


async def test_a_file_that_was_renamed_is_read_on_and_the_new_one_from_its_beginning(
    store: Store, master: Path, follower: Follower
) -> None:
    append(master, lines(1))
    await look(store, follower)
    append(master, lines(2))
    rotate(master)
    append(master, lines(3))

    assert await look(store, follower) == ["1 new, 0 known", "1 new, 0 known"]


@pytest.mark.parametrize("count", [1, 3])
async def test_a_file_that_was_emptied_is_read_from_its_beginning(
    store: Store, master: Path, follower: Follower, count: int
) -> None:
    append(master, lines(1, 2))
    await look(store, follower)
    os.truncate(master, 0)
    append(master, lines(3, count))

    assert await look(store, follower) == [f"{count} new, 0 known"]


async def test_after_a_restart_everything_is_read_and_nothing_charged_again(store: Store, master: Path) -> None:
    append(master, lines(1, 2))
    for expected in ("2 new, 0 known", "0 new, 2 known"):
        assert await look(store, Follower([str(master)])) == [expected]

    assert await credit_of(store) == ("95.20", "0.00")


async def test_a_bad_line_is_named_with_its_place_and_passed_over(
    store: Store, master: Path, follower: Follower
) -> None:
    append(master, lines(1))
    await look(store, follower)
    append(master, b"torn\n" + lines(2))

    assert await look(store, follower) == ["1 new, 0 known; line 2: has 1 columns, a record has at least 16"]
    assert await look(store, follower) == []


async def test_what_is_in_no_format_is_named_and_what_comes_behind_it_is_read(
    store: Store, master: Path, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "PIECE_BYTES_MAX", 1000)
    append(master, b"\x00" * 2500 + b"\n")
    (first, *_) = await look(store, follower)
    append(master, lines(1))

    assert "none of the formats" in first
    assert await look(store, follower) == ["1 new, 0 known"]


async def test_while_the_database_is_away_nothing_is_passed_over(
    store: Store, master: Path, follower: Follower
) -> None:
    append(master, lines(1))
    async with store.transaction() as session:
        await session.execute(text("ALTER TABLE voip_call RENAME TO elsewhere"))
    with pytest.raises(Exception, match="no such table"):
        await look(store, follower)
    async with store.transaction() as session:
        await session.execute(text("ALTER TABLE elsewhere RENAME TO voip_call"))

    assert await look(store, follower) == ["1 new, 0 known"]


async def test_what_can_not_be_read_keeps_no_other_file_from_its_turn(store: Store, master: Path) -> None:
    append(master, lines(1))
    os.mkfifo(master.parent / "pipe")
    patterns = [str(master.parent / "nowhere" / "*.csv"), str(master.parent / "pipe"), str(master)]

    found = await look(store, Follower(patterns))

    assert [text.partition(";")[0] for text in found] == ["0 new, 0 known", "0 new, 0 known", "1 new, 0 known"]
    assert "No such file" in found[0]
    assert "is no file" in found[1]


async def test_records_are_stored_some_at_a_time_and_all_of_them(
    store: Store, master: Path, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "RECORDS_AT_ONCE", 2)
    append(master, lines(1, 5))

    assert await look(store, follower) == ["5 new, 0 known"]
    assert await credit_of(store) == ("88.00", "0.00")


async def test_a_dropped_file_is_imported_or_refused_and_moved_away(store: Store, master: Path) -> None:
    folder = master.parent / "calls"
    folder.mkdir()
    (folder / "a.csv").write_bytes(lines(1, 2))
    (folder / "b.csv").write_bytes(kamailio([ANSWERED])[:-30])
    seen: Seen = {}
    for _ in range(2):
        outcomes = await import_ready(store, folder, SETTINGS, NOW, seen)

    assert [str(outcome)[:40] for outcome in outcomes] == [
        "2 calls (4.80 charged), 0 waiting, 0 kno",
        "refused: The call records were refused w",
    ]
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*") if path.is_file()) == [
        "imported/a.csv",
        "refused/b.csv",
        "refused/b.csv.reason.txt",
    ]
