"""Several sites, each with its own address space: who gets what there, and that none waits for another."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select

from billing.dunning.lines import left_behind
from billing.dunning.notices import line_of
from billing.dunning.operations import contract_id_of
from billing.dunning.tables import Line
from billing.services.sites import UNKNOWN_AFTER, sites
from billing.store.engine import Store
from config.errors import DriverError
from daemon import engine, jobs
from daemon.engine import Engine
from daemon.reconcile import Reconciler
from daemon.status import read_status
from daemon.witness import stay_awake
from enforcement.dryrun import DryRunDriver
from enforcement.state import Address, LineState, Observed
from tests.daemon.test_engine import until
from tests.daemon.test_reconcile import NOTICE_ON, SUSPEND_ON
from tests.scenario import Isp, at

SAME = "10.1.0.5"
"""At both sites, and of two contracts."""


class Fallible(DryRunDriver):
    """A site that can be away, or silent for ever."""

    is_away = False
    is_silent = False

    async def observe(self) -> Observed:
        if self.is_away:
            raise DriverError("no answer")
        if self.is_silent:
            await asyncio.Event().wait()
        return await super().observe()


class Town(Isp):
    """An ISP with the sites `main` and `hill`."""

    hill: Fallible

    def restart(self) -> None:
        if not hasattr(self, "hill"):
            self.hill = Fallible()
        self.reconciler = Reconciler(self.settings, self.store, self.drivers, self.clock)

    @property
    def drivers(self) -> dict[str, DryRunDriver]:
        return {"main": self.driver, "hill": self.hill}

    async def at_hill(self, address: str) -> LineState:
        parsed = Address.parse(address)
        return (await self.hill.look_at([parsed]))[parsed]

    async def recorded(self, contract: str) -> dict[str, str]:
        """Site -> line."""
        async with self.store.reading() as session:
            contract_id = await contract_id_of(session, contract)
            rows = await session.execute(select(Line.site, Line.state).where(Line.contract_id == contract_id))
            return dict(iter(rows.all()))


@pytest.fixture
async def town(store: Store, tmp_path: Path) -> Town:
    """1001 is at main, 1002 at the hill, with the same address; 1003 has a service at each of them."""
    made = Town(store, tmp_path)
    await made.add("1001", SAME)
    await made.add("1002", SAME, site="hill")
    await made.add("1003", "10.1.0.7", email="jana@isp.example")
    await made.add("1003", "10.1.0.7", email="jana@isp.example", site="hill", product="Cottage")
    return made


async def suspended(town: Town, contract: str) -> None:
    await town.invoice(f"2600{contract}", contract)
    await town.settle_at(at(NOTICE_ON))
    await town.acknowledge(contract)
    await town.settle_at(at(SUSPEND_ON, 15))


async def test_the_same_private_address_at_another_site_is_somebody_elses(town: Town) -> None:
    await suspended(town, "1002")

    assert await town.line(SAME) is LineState.OPEN
    assert await town.at_hill(SAME) is LineState.SUSPENDED
    assert await town.recorded("1001") == {}
    assert await town.recorded("1002") == {"hill": "suspended"}


async def test_a_contract_with_addresses_at_two_sites_is_told_once_that_it_is_suspended_and_once_that_it_is_not(
    town: Town,
) -> None:
    await suspended(town, "1003")

    assert await town.recorded("1003") == {"main": "suspended", "hill": "suspended"}
    assert (await town.mails()).count("suspended") == 1

    await town.pay("599.00", "1003")
    await town.settle()

    assert await town.recorded("1003") == {}
    assert (await town.mails()).count("restored") == 1


async def test_restored_is_only_said_when_the_last_site_is_open(town: Town) -> None:
    await suspended(town, "1003")
    await town.pay("599.00", "1003")
    town.hill.is_away = True
    with pytest.raises(DriverError):
        await town.settle()

    assert await town.line("10.1.0.7") is LineState.OPEN
    assert await town.recorded("1003") == {"hill": "suspended"}
    assert await town.recorded_line("1003") == "suspended"
    assert "restored" not in await town.mails()

    town.hill.is_away = False
    await town.settle()

    assert await town.recorded_line("1003") == "open"
    assert (await town.mails()).count("restored") == 1


async def test_an_address_that_moves_to_another_site_takes_its_state_along_and_nobody_is_told_of_a_restoration(
    town: Town,
) -> None:
    await suspended(town, "1001")
    await town.add("1001", "10.1.0.9", site="hill")
    await town.settle()

    assert await town.line(SAME) is LineState.OPEN
    assert await town.at_hill("10.1.0.9") is LineState.SUSPENDED
    assert await town.recorded("1001") == {"hill": "suspended"}
    assert "restored" not in await town.mails()


async def test_a_preview_names_the_sites_and_says_which_one_is_unknown(town: Town) -> None:
    await town.invoice("26000001", "1003")
    town.clock.move_to(at(NOTICE_ON))
    both = await town.reconciler.preview()
    town.hill.is_away = True

    one = await town.reconciler.preview()

    assert [(change.site, change.contract) for change in both.changes] == [("main", "1003"), ("hill", "1003")]
    assert [change.site for change in one.changes] == ["main"]
    assert dict(one.unknown) == {"hill": "no answer"}
    assert one.checksum != both.checksum


async def test_a_site_that_never_answers_delays_no_other(town: Town) -> None:
    await town.invoice("26000001", "1001")
    town.clock.move_to(at(NOTICE_ON))
    town.hill.is_silent = True
    stay_awake(town.folder, town.clock)

    async def is_noticed() -> bool:
        return await town.line(SAME) is LineState.NOTICE

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(Engine(town.settings, town.store, town.drivers, town.clock).run())
        await until(is_noticed)
        running.cancel()


async def test_without_a_database_a_site_is_healed_from_memory(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody empties the network while the database is away: what was known is put back."""
    await suspended(town, "1001")
    enforcer = town.reconciler.enforcers[0]
    await town.store.close()
    monkeypatch.setattr(town.store, "reading", None)
    monkeypatch.setattr(town.store, "transaction", None)
    town.driver._observed = Observed({}, is_installed=False)

    done = await enforcer.round()

    assert await town.line(SAME) is LineState.SUSPENDED
    assert done.line_changes == ()


async def test_without_any_look_an_enforcer_touches_nothing(town: Town) -> None:
    """The engine has just started, and the database is away."""
    await suspended(town, "1001")
    town.restart()
    plans = len(town.driver.plans)

    done = await town.reconciler.enforcers[0].round()

    assert done.is_quiet
    assert len(town.driver.plans) == plans
    assert await town.line(SAME) is LineState.SUSPENDED


async def test_a_site_that_stays_away_is_asked_less_and_less_often(town: Town) -> None:
    await town.settle()
    hill = town.reconciler.enforcers[1]
    town.hill.is_away = True
    pauses = []
    for _ in range(8):
        with pytest.raises(DriverError):
            await hill.round()
        pauses.append(hill.retry_seconds)

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert hill.trouble == "no answer"

    town.hill.is_away = False
    await hill.round()

    assert hill.trouble == ""


async def test_lines_over_all_sites_are_as_strict_as_the_strictest(town: Town) -> None:
    async with town.store.transaction() as session:
        contract_id = await contract_id_of(session, "1003")
        now = town.clock.now()
        session.add(Line(contract_id=contract_id, site="main", state="suspended", since_at=now))
        session.add(Line(contract_id=contract_id, site="hill", state="notice", since_at=now))

    async with town.store.reading() as session:
        assert await line_of(session, contract_id) == "suspended"


# ── what is told of sites ───────────────────────────────────────────────────────────────────────────────────────


async def states(town: Town) -> dict[str, str]:
    async with town.store.reading() as session:
        return {site.site: site.state for site in await sites(session, town.clock.now())}


async def test_a_site_is_unknown_until_its_engine_tells_and_again_when_it_falls_silent(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "REPORT_LOOK_SECONDS", 0.02)
    await town.invoice("26000001", "1001")
    town.clock.move_to(at(NOTICE_ON))
    stay_awake(town.folder, town.clock)
    assert await states(town) == {"hill": "unknown", "main": "unknown"}
    town.hill.is_away = True

    async def is_told() -> bool:
        async with town.store.reading() as session:
            told = await sites(session, town.clock.now())
        return [(site.site, site.state, site.restricted) for site in told] == [
            ("hill", "not reached", 0),
            ("main", "enforced", 1),
        ]

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(Engine(town.settings, town.store, town.drivers, town.clock).run())
        await until(is_told)
        running.cancel()
    status = await read_status(town.store, town.settings, town.clock.now())
    town.clock.advance(seconds=UNKNOWN_AFTER.total_seconds() + 1)

    assert [(site.site, site.trouble, site.is_on_duty) for site in status.sites] == [
        ("hill", "no answer", True),
        ("main", "", True),
    ]
    assert await states(town) == {"hill": "unknown", "main": "unknown"}


async def test_a_line_that_was_left_at_a_site_that_is_no_more_is_found(town: Town) -> None:
    """The router was taken down while somebody there was suspended, and its subscribers moved to another site."""
    await suspended(town, "1002")
    await town.add("1002", "10.1.0.8", site="main")

    async with town.store.reading() as session:
        found = await left_behind(session)
        contract_id = await contract_id_of(session, "1002")

    assert found == {"hill": {contract_id: "suspended"}}


async def test_it_is_tidied_away_and_nobody_is_told_of_a_restoration(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "TIDY_AFTER_SECONDS", 0)
    await suspended(town, "1002")
    await town.add("1002", "10.1.0.8", site="main")
    stay_awake(town.folder, town.clock)
    only_main = {"main": town.driver}

    async def is_tidy() -> bool:
        return await town.recorded("1002") == {"main": "suspended"}

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(Engine(town.settings, town.store, only_main, town.clock).run())
        await until(is_tidy)
        running.cancel()
    assert "restored" not in await town.mails()


async def test_sites_are_looked_at_when_an_engine_begins_even_if_nobody_owes_anything(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "REPORT_LOOK_SECONDS", 0.02)
    stay_awake(town.folder, town.clock)

    async def is_told() -> bool:
        return await states(town) == {"hill": "enforced", "main": "enforced"}

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(Engine(town.settings, town.store, town.drivers, town.clock).run())
        await until(is_told)
        running.cancel()


async def test_a_site_that_does_not_say_who_has_which_address_is_not_reached(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "REPORT_LOOK_SECONDS", 0.02)
    await town.add("1004", "ppp:jana", site="hill")
    stay_awake(town.folder, town.clock)

    async def say_nothing() -> dict[str, frozenset[Address]]:
        raise DriverError("no such command")

    monkeypatch.setattr(town.hill, "bindings", say_nothing)

    async def is_told() -> bool:
        async with town.store.reading() as session:
            told = await sites(session, town.clock.now())
        return [(site.site, site.trouble) for site in told] == [("hill", "no such command"), ("main", "")]

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(Engine(town.settings, town.store, town.drivers, town.clock).run())
        await until(is_told)
        running.cancel()
