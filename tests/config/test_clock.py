"""Clocks: always aware, always UTC, moved only on purpose."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from config.clock import OffsetClock, SystemClock, TestClock, monotonic_seconds

NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)


def test_the_system_clock_speaks_utc() -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_a_test_clock_stands_still_until_it_is_moved() -> None:
    clock = TestClock(NOON)

    assert clock.now() == clock.now() == NOON
    clock.advance(days=1, minutes=5)
    assert clock.now() == NOON + timedelta(days=1, minutes=5)
    clock.move_to(NOON)
    assert clock.now() == NOON


def test_a_test_clock_turns_other_zones_into_utc_and_refuses_naive_instants() -> None:
    clock = TestClock(NOON.astimezone(timezone(timedelta(hours=2))))

    assert clock.now().tzinfo is UTC
    with pytest.raises(ValueError, match="aware"):
        TestClock(NOON.replace(tzinfo=None))
    with pytest.raises(ValueError, match="aware"):
        clock.move_to(NOON.replace(tzinfo=None))


@pytest.mark.parametrize("content", [None, "", "soon", "nan", "inf", "1e300", "\x00"])
def test_an_offset_clock_without_a_sane_offset_is_the_system_clock(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "offset"
    if content is not None:
        path.write_text(content)

    before = SystemClock().now()
    shown = OffsetClock(path).now()

    assert before <= shown <= SystemClock().now()


def test_an_offset_clock_follows_its_file(tmp_path: Path) -> None:
    path = tmp_path / "offset"
    clock = OffsetClock(path)

    path.write_text("864000")
    earliest = SystemClock().now() + timedelta(days=10)
    shown = clock.now()
    path.write_text("-3600")

    assert earliest <= shown
    assert clock.now() < SystemClock().now()


def test_the_monotonic_clock_never_goes_back() -> None:
    first = monotonic_seconds()

    assert monotonic_seconds() >= first
