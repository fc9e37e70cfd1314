"""The doorbell: rings reach who listens, harm nobody who does not, and are lost without a trace."""

import asyncio
import os
import socket
import stat
from pathlib import Path

import pytest

from config.errors import HradloError
from daemon import doorbell


async def heard(rung: asyncio.Event) -> None:
    async with asyncio.timeout(5):
        await rung.wait()


async def test_a_ring_is_heard(tmp_path: Path) -> None:
    rung = asyncio.Event()
    async with doorbell.listening(tmp_path, rung.set):
        doorbell.ring(tmp_path)
        await heard(rung)


async def test_a_burst_of_rings_blocks_nobody_and_the_next_one_is_heard(tmp_path: Path) -> None:
    rung = asyncio.Event()
    async with doorbell.listening(tmp_path, rung.set):
        for _ in range(10_000):  # more than the socket holds, while nobody takes them
            doorbell.ring(tmp_path)
        await heard(rung)
        rung.clear()
        doorbell.ring(tmp_path)
        await heard(rung)


async def test_a_ring_without_a_listener_is_silent(tmp_path: Path) -> None:
    doorbell.ring(tmp_path)
    doorbell.ring(tmp_path / "no such folder")
    async with doorbell.listening(tmp_path, lambda: None):
        pass
    doorbell.ring(tmp_path)

    assert os.listdir(tmp_path) == []  # noqa: PTH208


async def test_a_doorbell_that_a_killed_engine_left_behind_is_taken_over(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left:
        left.bind(str(tmp_path / doorbell.NAME))
    rung = asyncio.Event()
    async with doorbell.listening(tmp_path, rung.set):
        doorbell.ring(tmp_path)
        await heard(rung)


async def test_it_may_be_rung_by_owner_and_group_only(tmp_path: Path) -> None:
    async with doorbell.listening(tmp_path, lambda: None):
        assert stat.S_IMODE((tmp_path / doorbell.NAME).stat().st_mode) == 0o660


async def test_what_a_ring_carries_is_never_looked_at(tmp_path: Path) -> None:
    rung = asyncio.Event()
    async with doorbell.listening(tmp_path, rung.set):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(os.urandom(1000), str(tmp_path / doorbell.NAME))
        await heard(rung)


async def test_a_doorbell_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(HradloError, match=r"doorbell .* can't be made"):
        async with doorbell.listening(tmp_path / "no such folder", lambda: None):
            pass
