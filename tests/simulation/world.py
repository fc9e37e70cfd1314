"""The world around Hradlo, and the year that passes in it.

Each day has a few moments at which something happens; after each, the engine goes its rounds and the auditor looks.
One random source per part, all from the seed, so that what one of them asks does not change what another gets.
"""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from sqlalchemy.util import LRUCache
from structlog.testing import capture_logs

from billing.store.engine import Store
from config.clock import TestClock
from config.errors import ClockBehind, DriverError
from config.settings import Settings, parse
from daemon.mailer import send_due
from daemon.reconcile import Reconciler
from daemon.witness import Witness
from tests.simulation.auditor import Auditor, Truth, Violation
from tests.simulation.bank import SimulatedBank
from tests.simulation.deeds import Deeds
from tests.simulation.fate import Databases, Fate
from tests.simulation.people import village
from tests.simulation.post import PostOffice
from tests.simulation.routers import SimulatedRouter

SITES = ("main", "tower")
FIRST_DAY = date(2026, 1, 5)
ROUNDS_MAX = 12
SUBSCRIBERS = (20, 45)
LOOKED_CLOSELY_EVERY_DAYS = 7
DIES = 0.08
"""The chance of a step."""
STEPS_TO_DIE_MAX = 400

SETTINGS = """
[isp]
name = "Test ISP"
iban = "CZ6508000000192000145399"
[mail]
sender = "Test ISP <billing@isp.example>"
admin = "admin@isp.example"
host = "127.0.0.1"
per_minute = 10000
[brake]
statement_age_days = 3
suspensions_per_day = {suspensions}
suspensions_percent = 0
notices_per_day = {notices}
notices_percent = 0
[dunning]
suspend_unacknowledged_days = {unacknowledged}
[enforcement]
driver = "dryrun"
[secrets]
directory = "{folder}"
[daemon]
runtime_directory = "{folder}"
state_directory = "{folder}"
"""


_COMPILED: LRUCache[Any, Any] = LRUCache(2000)
"""SQL that was compiled before: a third of the time of a new process, and of no interest here."""


@dataclass
class Counts:
    """What happened, for who reads the report."""

    days: int = 0
    steps: int = 0
    rounds: int = 0
    kills: int = 0
    reboots: int = 0
    outages: int = 0
    clock_jumps: int = 0
    files: int = 0
    files_refused: int = 0
    payments: int = 0
    acknowledged: int = 0
    notices: int = 0
    suspensions: int = 0
    restored: int = 0
    mails: int = 0
    releases: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in vars(self).items())


@dataclass
class World:
    """One seed. `run` plays it, and raises `Violation` at the first step after which a rule is broken."""

    seed: int
    folder: Path
    """On a fast file system; holds `hradlo.db`, migrated."""
    days: int = 365
    make_router: Callable[..., SimulatedRouter] = SimulatedRouter
    """A broken one shows that the auditor sees it."""
    counts: Counts = field(default_factory=Counts)
    settings: Settings = field(init=False)
    store: Store = field(init=False)
    reconciler: Reconciler = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(f"{self.seed} world")
        self.clock = TestClock(local(FIRST_DAY, time(6)))
        self.real_clock = TestClock(self.clock.now())
        """The time that it really is."""
        self.fate = Fate()
        self.databases = Databases(self.fate)
        self.routers = {
            site: self.make_router(site, self._source(site), self.fate, foreign=("10.9.9.9", "10.9.9.10"))
            for site in SITES
        }
        self.bank = SimulatedBank(self._source("bank"))
        self.post = PostOffice(self._source("post"), self.fate)
        self.subscribers = village(self.random.randint(*SUBSCRIBERS), SITES, self._source("village"))
        self.by_number = {each.number: each for each in self.subscribers}
        self.settings = parse(self._settings())
        (self.folder / "signing_key").write_text("k" * 40, encoding="ascii")
        self.truth = Truth()
        self.auditor = Auditor(self)
        self.deeds = Deeds(self, self._source("deeds"))
        self._is_asleep_until = self.real_clock.now()
        self._reached: set[str] = set()

    def _source(self, name: str) -> Random:
        return Random(f"{self.seed} {name}")

    def _settings(self) -> str:
        random = self._source("settings")
        return SETTINGS.format(
            suspensions=random.randint(1, 4),
            notices=random.randint(3, 8),
            unacknowledged=random.choice((0, 0, 0, 14)),
            folder=self.folder,
        )

    @property
    def today(self) -> date:
        """As it really is."""
        return self.real_clock.now().astimezone(self.settings.zone).date()

    @property
    def database(self) -> Path:
        return self.folder / "hradlo.db"

    # ── the year ────────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> str:
        """Plays it; returns the hash of the journal's end, which is the same whenever the seed is."""
        with self.databases.in_one_thread(), patch("aiosmtplib.SMTP", self.post.connection), capture_logs():
            self.start()
            try:
                await self._play()
            except Violation as violation:
                raise violation.at(self.seed, self.counts.days, self.counts.steps, self.real_clock.now()) from None
            finally:
                await self.store.close()
                self.databases.close_all()
        return self.auditor.journal_hash

    async def _play(self) -> None:
        await self.deeds.found_the_isp()
        for index in range(self.days):
            day = FIRST_DAY + timedelta(days=index)
            self.counts.days = index + 1
            for at in self._moments(day):
                await self._step(local(day, at))
            self.bank.close_day(day)
            if index % LOOKED_CLOSELY_EVERY_DAYS == 0:
                await self.auditor.look_closely()
        await self._come_to_rest()

    def _moments(self, day: date) -> list[time]:
        """Morning, working hours, and any other time; and now and then a night."""
        moments = [time(6, self.random.randrange(60)), time(8 + self.random.randrange(8), self.random.randrange(60))]
        if self.random.random() < 0.5:
            moments.append(time(self.random.randrange(24), self.random.randrange(60)))
        return sorted(set(moments))

    async def _step(self, at: datetime) -> None:
        self.counts.steps += 1
        self._pass_time(at)
        self.truth.begin(self.real_clock.now())
        self._meddle()
        if self.random.random() < DIES:
            self.fate.doom(1 + int(STEPS_TO_DIE_MAX * self.random.random() ** 2))
        if not await self._lives_through(self.deeds.of_now()):
            self.die()
            await self.work()
        self.auditor.look()

    async def _lives_through(self, deeds: Callable[[], Awaitable[None]]) -> bool:
        try:
            if self.random.random() < 0.25:
                await self._at_once(deeds)
            else:
                await deeds()
                await self.work()
        except BaseException:  # a dying process may say other things than that it was killed
            if self.fate.is_dead:
                return False
            raise
        self.fate.spare()
        return True

    async def _at_once(self, deeds: Callable[[], Awaitable[None]]) -> None:
        """Somebody pays while the engine is on its rounds; it goes once more then."""
        outcomes = await asyncio.gather(deeds(), self.work(), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        await self.work()

    def _pass_time(self, at: datetime) -> None:
        passed = at - self.real_clock.now()
        self.real_clock.move_to(at)
        self.clock.advance(seconds=max(0.0, passed.total_seconds()))

    def _meddle(self) -> None:
        """What befalls machines."""
        random = self.random
        for router in self.routers.values():
            if random.random() < 0.01:
                router.reboot()
                self.counts.reboots += 1
            if random.random() < 0.02 and not router.is_away:
                router.is_away = True
                self.counts.outages += 1
            elif random.random() < 0.4:
                router.is_away = False
        self.post.is_away = random.random() < (0.8 if self.post.is_away else 0.03)
        if random.random() < 0.006:
            self._is_asleep_until = self.real_clock.now() + timedelta(hours=random.randint(1, 80))
        self._set_clock(random)

    def _set_clock(self, random: Random) -> None:
        """Wrong by hours or by weeks, and right again some steps later."""
        if self.truth.clock_is_wrong_by:
            if random.random() < 0.3:
                self.clock.jump_to(self.real_clock.now())
                self.truth.clock_is_wrong_by = timedelta(0)
        elif random.random() < 0.004:
            wrong = timedelta(hours=random.randint(1, 20)) if random.random() < 0.5 else timedelta(days=40)
            self.truth.clock_is_wrong_by = wrong if random.random() < 0.6 else -wrong
            self.clock.jump_to(self.real_clock.now() + self.truth.clock_is_wrong_by)
            self.counts.clock_jumps += 1

    async def _come_to_rest(self) -> None:
        """Everything is mended, and everybody has paid what they wanted: then the network is as it should be."""
        self._is_asleep_until = self.real_clock.now()
        for router in self.routers.values():
            router.is_away = False
        self.clock.jump_to(self.real_clock.now())
        self.truth.clock_is_wrong_by = timedelta(0)
        await self.deeds.mend()
        await self.work()
        self.auditor.look()
        await self.auditor.look_closely()

    # ── the process ─────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """A new process: all that it knows is in the database, in the witness's note and on the network."""
        self.store = Store.open(f"sqlite:///{self.database}")
        for engine in (self.store._writing, self.store._reading):
            engine.sync_engine._compiled_cache = _COMPILED  # type: ignore[attr-defined]
        witness = Witness(self.folder, self.clock)
        self.reconciler = Reconciler(self.settings, self.store, dict(self.routers), self.clock, witness=witness)

    def die(self) -> None:
        self.counts.kills += 1
        self.databases.close_all()
        self.post.sender_died()
        self.fate.bury()
        self.start()

    async def work(self) -> None:
        """What the engine does until nothing is left to do."""
        self.truth.has_looked, self.truth.reached = False, frozenset()
        if self.real_clock.now() < self._is_asleep_until:
            return
        for turn in range(ROUNDS_MAX):
            if await self._round(observes=turn == 0):
                break
        await send_due(self.store, self.settings, self.clock, self.deeds.renderer)

    async def _round(self, *, observes: bool) -> bool:
        """One round; True when all is quiet, or nothing can be done now."""
        self.counts.rounds += 1
        is_quiet = False
        try:
            is_quiet = (await self.reconciler.round(observes=observes)).is_quiet
        except ClockBehind:
            return True
        except DriverError:
            pass
        known = self.reconciler.decider.known
        self.truth.has_looked = True
        self.truth.is_frozen = known is not None and known.verdict.is_frozen
        self.truth.reached = frozenset(each.site for each in self.reconciler.enforcers if not each.trouble)
        return is_quiet


def local(day: date, at: time) -> datetime:
    """A moment in Prague."""
    from zoneinfo import ZoneInfo

    return datetime.combine(day, at, ZoneInfo("Europe/Prague")).astimezone(UTC)


@asynccontextmanager
async def world(seed: int, migrated: Path, folder: Path, **wishes: Any) -> AsyncIterator[World]:
    """A world on a copy of a migrated database, in a folder of its own below `folder`."""
    place = folder / f"seed-{seed}-{hashlib.sha256(str(id(wishes)).encode()).hexdigest()[:8]}"
    place.mkdir(parents=True)
    shutil.copy(migrated, place / "hradlo.db")
    try:
        yield World(seed, place, **wishes)
    finally:
        shutil.rmtree(place, ignore_errors=True)
