"""Twenty seeds keep every rule for a month that begins in the middle of debts; and the auditor sees what breaks one.

A whole year a seed is `make simulation-long` (docs/reliability.md has its result).
"""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning.case import Case
from billing.invoicing import run
from billing.payments import importing
from daemon import braking
from daemon.mailer import outbox
from enforcement.brake import Go
from enforcement.state import Address, LineState
from tests.simulation.__main__ import memory
from tests.simulation.auditor import Violation
from tests.simulation.routers import SimulatedRouter
from tests.simulation.world import world

ROOT = Path(__file__).parents[2]
SEEDS = range(1, 21)
DAYS = 30
SEEDS_TO_FIND_IT = range(101, 106)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with memory() as made:
        yield made


async def play(seed: int, migrated: Path, folder: Path, days: int = DAYS, **wishes: Any) -> str:
    async with world(seed, migrated, folder, days=days, **wishes) as made:
        end = await made.run()
        print(made.counts)
        return end


async def broken_rules(migrated: Path, folder: Path, **wishes: Any) -> set[int]:
    """The rules that a few seeds break first, with something that is wrong."""
    found = set()
    for seed in SEEDS_TO_FIND_IT:
        try:
            await play(seed, migrated, folder, **wishes)
        except Violation as violation:
            found.add(violation.rule if f"make simulation SEED={seed}" in str(violation) else 0)
            break
    return found


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_month_of_a_seed_keeps_every_rule(seed: int, migrated_database: Path, folder: Path) -> None:
    await play(seed, migrated_database, folder)


def test_a_seed_is_the_same_story_in_every_process(migrated_database: Path, folder: Path) -> None:
    """In another process sets have another order."""
    command = (sys.executable, "-m", "tests.simulation", "7", "--days", "12")
    environment = os.environ | {"PYTHONHASHSEED": "4711"}
    other = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=True)

    end = asyncio.run(play(7, migrated_database, folder, days=12))

    assert re.findall(r"seed 7: (\w+)", other.stdout) == [end[:12]]


# ── what the auditor sees ───────────────────────────────────────────────────────────────────────────────────────


class Forgetful(SimulatedRouter):
    """Says that it gave a line back, and did not."""

    def set_line(self, address: Address, line: LineState) -> None:
        if line is not LineState.OPEN:
            super().set_line(address, line)


class Careless(SimulatedRouter):
    """Restricts the neighbour, too."""

    def set_line(self, address: Address, line: LineState) -> None:
        super().set_line(address, line)
        super().set_line(Address.parse("10.1.0.77"), LineState.NOTICE)


async def test_a_restore_that_a_router_drops_is_found(migrated_database: Path, folder: Path) -> None:
    assert await broken_rules(migrated_database, folder, make_router=Forgetful) in ({4}, {6})


async def test_a_line_that_nobody_decided_about_is_found(migrated_database: Path, folder: Path) -> None:
    assert await broken_rules(migrated_database, folder, make_router=Careless) == {6}


async def test_a_suspension_without_the_grace_is_found(
    migrated_database: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_over = property(lambda case: case.has_acknowledgement and case.is_claim_enough)
    monkeypatch.setattr(Case, "is_clock_over", is_over)

    assert await broken_rules(migrated_database, folder) == {3}


async def test_a_hold_that_is_overridden_is_found(
    migrated_database: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Case, "shield", "")

    assert await broken_rules(migrated_database, folder) == {5}


async def test_a_brake_that_lets_everything_go_is_found(
    migrated_database: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(braking, "judge", lambda *_: Go())
    monkeypatch.setattr("billing.dunning.recording.restricted_lately", _nobody)

    assert await broken_rules(migrated_database, folder) == {7}


async def _nobody(*_: Any) -> dict[str, int]:
    return {}


async def test_a_payment_that_is_lost_is_found(
    migrated_database: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrivals = importing.arrivals
    monkeypatch.setattr(importing, "arrivals", lambda statements: list(arrivals(statements))[1:])

    assert await broken_rules(migrated_database, folder) == {2}


async def test_a_month_that_nobody_is_invoiced_for_is_found(
    migrated_database: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = run._advance

    async def too_far(session: AsyncSession, due: Any) -> None:
        await advance(session, due)
        await session.execute(text("UPDATE service SET billed_until_on = date(billed_until_on, '+31 days')"))

    monkeypatch.setattr(run, "_advance", too_far)

    assert await broken_rules(migrated_database, folder, days=90) == {11}


async def test_a_mail_that_is_sent_twice_is_found(
    migrated_database: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "mark_sent", _nobody)

    assert await broken_rules(migrated_database, folder) == {8}
