"""The witness: a gateway that notices a restored database, a long sleep, and a clock that somebody set."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from billing.store import journal
from billing.store.engine import Store
from config.clock import OffsetClock, TestClock
from daemon.witness import FILE_NAME, Witness
from enforcement.brake import Why

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Gateway:
    """A machine that looks, again and again."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.clock = TestClock(NOON)
        self.clock._boottime_seconds = 100_000.0
        self.witness = Witness(folder, self.clock)

    def restart(self) -> None:
        self.witness = Witness(self.folder, self.clock)

    def reboot(self) -> None:
        self.clock._boottime_seconds = 30.0
        self.restart()

    async def look(self, *, is_first: bool = False) -> list[Why]:
        async with self.store.reading() as session:
            reasons = await self.witness.look(session, is_first=is_first)
            self.witness.note(await journal.mark(session))
        return [reason.why for reason in reasons]

    async def write(self, action: str = "test") -> None:
        async with self.store.transaction() as session:
            await journal.append(session, at=self.clock.now(), actor="test", action=action)


@pytest.fixture
async def gateway(store: Store, tmp_path: Path) -> Gateway:
    made = Gateway(store, tmp_path)
    await made.write()
    await made.look(is_first=True)
    return made


async def test_time_that_passes_is_no_reason_for_doubt(gateway: Gateway) -> None:
    for _ in range(20):
        gateway.clock.advance(hours=23)
        await gateway.write()
        assert await gateway.look() == []


async def test_a_restart_and_a_reboot_are_no_reason_for_doubt(gateway: Gateway) -> None:
    gateway.clock.advance(minutes=5)
    gateway.restart()
    assert await gateway.look() == []

    gateway.clock.advance(minutes=5)
    gateway.reboot()
    assert await gateway.look() == []


# ── the database ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_journal_that_is_shorter_than_it_was_is_a_restored_database(gateway: Gateway) -> None:
    async with gateway.store.reading() as session:
        mark = await journal.mark(session)
    gateway.witness.note(journal.Mark(mark.id + 5, "f" * 64))

    assert await gateway.look() == [Why.RESTORED]


async def test_a_journal_that_went_on_another_way_is_a_restored_database(gateway: Gateway) -> None:
    async with gateway.store.reading() as session:
        mark = await journal.mark(session)
    gateway.witness.note(journal.Mark(mark.id, "f" * 64))
    await gateway.write()

    assert await gateway.look() == [Why.RESTORED]


async def test_a_gateway_without_its_note_was_moved_or_robbed_of_it(gateway: Gateway) -> None:
    (gateway.folder / FILE_NAME).unlink()
    gateway.restart()

    assert await gateway.look() == [Why.UNSEEN]
    assert await gateway.look() == []


async def test_where_nobody_ever_released_anything_there_is_nothing_to_remember(gateway: Gateway) -> None:
    (gateway.folder / FILE_NAME).unlink()
    gateway.restart()

    assert await gateway.look(is_first=True) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "rubbish",
        "[1]",
        '{"at": "2026-03-02", "boottime_seconds": 1, "journal_id": 1, "journal_hash": "a"}',
        '{"at": "2026-03-02T12:00:00+00:00", "boottime_seconds": 1, "journal_id": null, "journal_hash": "a"}',
        '{"at": "2026-03-02T12:00:00+00:00", "boottime_seconds": 1, "journal_id": 1, "journal_hash": 7}',
    ],
)
async def test_a_note_that_can_not_be_read_is_a_reason_and_is_written_anew(gateway: Gateway, text: str) -> None:
    (gateway.folder / FILE_NAME).write_text(text)
    gateway.restart()

    assert await gateway.look() == [Why.UNREADABLE]
    assert await gateway.look() == []


# ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_day_in_which_nobody_looked_needs_a_person(gateway: Gateway) -> None:
    gateway.clock.advance(hours=25)
    gateway.restart()

    assert await gateway.look() == [Why.DOWNTIME]


async def test_an_engine_whose_clock_a_test_moves_by_days_did_not_sleep(store: Store, tmp_path: Path) -> None:
    """Else the story on real packets would end at its first notice."""
    offset = tmp_path / "offset"
    witness = Witness(tmp_path, OffsetClock(offset))
    async with store.reading() as session:
        witness.note(await journal.mark(session))
        offset.write_text(str(14 * 86_400.0), encoding="ascii")

        assert await witness.look(session, is_first=False) == []


async def test_a_machine_that_slept_for_a_day_while_the_engine_ran_needs_a_person_as_after_a_start(
    gateway: Gateway,
) -> None:
    gateway.clock.advance(hours=25)

    assert await gateway.look() == [Why.DOWNTIME]
    assert await gateway.look() == []


async def test_a_virtual_machine_that_was_paused_for_a_day_is_a_clock_that_needs_a_person(gateway: Gateway) -> None:
    gateway.clock.jump_to(gateway.clock.now() + timedelta(hours=25))  # its uptime stood still
    for _ in range(5):
        assert await gateway.look() == [Why.CLOCK]
        gateway.clock.advance(minutes=9)

    gateway.witness.accept_clock()
    assert await gateway.look() == []


async def test_days_of_doubt_about_a_clock_are_no_sleep_once_a_person_believes_it(gateway: Gateway) -> None:
    gateway.clock.jump_to(gateway.clock.now() + timedelta(days=3))
    for _ in range(30):
        assert await gateway.look() == [Why.CLOCK]
        gateway.clock.advance(hours=1)

    gateway.witness.accept_clock()
    assert await gateway.look() == []


@pytest.mark.parametrize("minutes", [-50, 2, 61, 60 * 23])
async def test_a_clock_that_was_set_is_believed_again_after_ten_minutes(gateway: Gateway, minutes: int) -> None:
    gateway.clock.jump_to(gateway.clock.now() + timedelta(minutes=minutes))
    assert await gateway.look() == [Why.CLOCK]
    gateway.clock.advance(minutes=9)
    assert await gateway.look() == [Why.CLOCK]
    gateway.clock.advance(minutes=2)

    assert await gateway.look() == []


async def test_a_clock_that_is_set_again_and_again_is_not_believed(gateway: Gateway) -> None:
    for _ in range(10):
        gateway.clock.jump_to(gateway.clock.now() + timedelta(minutes=5))
        gateway.clock.advance(minutes=9)
        assert await gateway.look() == [Why.CLOCK]


@pytest.mark.parametrize("years", [-10, -1, 1, 10])
async def test_a_clock_that_is_years_off_is_never_believed_by_itself(gateway: Gateway, years: int) -> None:
    gateway.clock.jump_to(gateway.clock.now() + timedelta(days=365 * years))
    for _ in range(50):
        assert await gateway.look() == [Why.CLOCK]
        gateway.clock.advance(minutes=9)

    gateway.witness.accept_clock()
    assert Why.CLOCK not in await gateway.look()


async def test_a_clock_that_is_set_right_again_is_believed_after_ten_minutes(gateway: Gateway) -> None:
    right = gateway.clock.now()
    gateway.clock.jump_to(right + timedelta(days=3650))
    assert await gateway.look() == [Why.CLOCK]
    gateway.clock.jump_to(right)
    assert await gateway.look() == [Why.CLOCK]
    gateway.clock.advance(minutes=11)

    assert await gateway.look() == []


async def test_a_clock_that_was_set_while_nobody_looked_is_noticed_at_the_next_start(gateway: Gateway) -> None:
    gateway.clock.advance(minutes=5)
    gateway.clock.jump_to(gateway.clock.now() + timedelta(hours=2))
    gateway.restart()

    assert await gateway.look() == [Why.CLOCK]


@pytest.mark.parametrize("years", [-10, 10])
async def test_a_machine_that_starts_with_a_clock_years_off_is_not_believed(gateway: Gateway, years: int) -> None:
    gateway.clock.jump_to(gateway.clock.now() + timedelta(days=365 * years))
    gateway.reboot()

    assert await gateway.look() == [Why.CLOCK]


async def test_a_clock_in_doubt_leaves_no_note(gateway: Gateway) -> None:
    noted = (gateway.folder / FILE_NAME).read_text()
    gateway.clock.jump_to(gateway.clock.now() + timedelta(days=3650))

    await gateway.look()

    assert (gateway.folder / FILE_NAME).read_text() == noted


async def test_small_corrections_add_up_to_no_jump(gateway: Gateway) -> None:
    for _ in range(100):
        gateway.clock.jump_to(gateway.clock.now() + timedelta(seconds=2))
        gateway.clock.advance(seconds=60)
        assert await gateway.look() == []
