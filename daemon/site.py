"""One site at work in the engine: its rounds, what wakes them, and what is counted there.

Each site has tasks of its own, so one that is not reached, or slow, delays nobody else. What wakes its rounds: a look
that found something, a foreign change of the network, a new address in the garden; and without any of these,
`reconcile_seconds`. Between two full looks at the network, rounds are quick.
"""

import asyncio
import contextlib
from collections.abc import Callable

import structlog
from sqlalchemy.exc import DBAPIError

from billing.services.bindings import Settled
from billing.services.sites import Report
from billing.store.engine import Store
from config.clock import Clock, monotonic_seconds
from config.errors import DriverError
from config.settings import Settings
from daemon.binding import settle_bindings
from daemon.enforcing import Enforcer
from daemon.usage import count_usage

RETRY_SECONDS = 5
BOUND_SECONDS = 10.0
"""How often a router is asked who has which address, where services are known by a binding."""

log = structlog.get_logger()


class Site:
    """Runs one enforcer. `run` lasts until it is cancelled."""

    def __init__(
        self, enforcer: Enforcer, settings: Settings, store: Store, clock: Clock, ring: Callable[[], None]
    ) -> None:
        self._enforcer = enforcer
        self._settings = settings
        self._store = store
        self._clock = clock
        self._ring = ring
        """Facts changed: somebody is to look."""
        self._woken = asyncio.Event()
        self._must_observe = True
        self._asked_seconds = -BOUND_SECONDS
        """When the router last said who has which address."""
        self._settled_at_entry = 0
        """The journal entry of the last such change: who does not know it may take one line for another."""
        self.last_round_seconds = monotonic_seconds()
        """When a round last ended, well or not: what the watchdog looks at."""
        self.rounds_done = self.rounds_failed = self.foreign_changes = self.addresses_changed = 0
        """Since the engine began."""

    @property
    def name(self) -> str:
        return self._enforcer.site

    @property
    def trouble(self) -> str:
        """Why it was not reached the last time."""
        return self._enforcer.trouble

    @property
    def report(self) -> Report:
        return Report(self.name, self._enforcer.restricted, self._enforcer.trouble)

    def wake(self, *, observes: bool = False) -> None:
        """There may be something to do; with `observes`, the network is to be looked at, too."""
        self._must_observe |= observes
        self._woken.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_enforcing(), name=f"enforce {self.name}")
            tasks.create_task(self._keep_watching(), name=f"watch {self.name}")
            tasks.create_task(self._keep_asking(), name=f"addresses of {self.name}")
            if self._settings.usage.collect_seconds:
                tasks.create_task(self._keep_counting(), name=f"usage of {self.name}")

    async def _keep_enforcing(self) -> None:
        while True:
            self._woken.clear()
            observes, self._must_observe = self._must_observe, False
            patience_seconds = await self._round(observes)
            self.last_round_seconds = monotonic_seconds()
            try:
                async with asyncio.timeout(patience_seconds):
                    await self._woken.wait()
            except TimeoutError:
                self._must_observe = True

    async def _round(self, observes: bool) -> float:
        """One round; returns for how many seconds there is nothing to do, unless somebody wakes it."""
        try:
            await self._ask_first()
            if self._enforcer.knows_up_to < self._settled_at_entry:
                self._must_observe |= observes
                return self._settings.enforcement.reconcile_seconds  # the look that was rung for wakes it
            done = await self._enforcer.round(observes=observes)
        except DriverError as error:
            self.rounds_failed += 1
            log.error("network not reached", site=self.name, error=str(error))
            await asyncio.sleep(self._enforcer.retry_seconds)  # whoever wakes it does not make it reachable
            return 0
        except (DBAPIError, OSError) as error:
            # The network is as it should be; that it is can't be told to anybody yet.
            log.error("lines not recorded", site=self.name, error=str(error))
            self.rounds_failed += 1
            return RETRY_SECONDS
        self.rounds_done += 1
        self.addresses_changed += len(done.plan.changes)
        return self._settings.enforcement.reconcile_seconds

    async def _ask_first(self) -> None:
        try:
            await self._ask()
        except DriverError as error:
            self._enforcer.not_reached(error)
            raise

    async def _ask(self) -> None:
        """Who has which address, unless that was asked a moment ago: no round is about addresses of yesterday."""
        if monotonic_seconds() - self._asked_seconds < BOUND_SECONDS:
            return
        try:
            settled = await settle_bindings(self._store, self.name, self._enforcer.driver, self._clock)
        except (DBAPIError, OSError) as error:  # the network is kept as it was last known
            log.error("database not reached; addresses stay as they were", site=self.name, error=str(error))
            settled = Settled()
        self._asked_seconds = monotonic_seconds()
        for refusal in settled.refused:
            log.warning("an address is not taken from the router", site=self.name, why=refusal)
        if settled.last_entry_id:
            self._settled_at_entry = max(self._settled_at_entry, settled.last_entry_id)
            self._ring()

    async def _keep_asking(self) -> None:
        while True:
            await asyncio.sleep(BOUND_SECONDS)
            with contextlib.suppress(DriverError):  # the next round meets it, too, and says so
                await self._ask()

    async def _keep_watching(self) -> None:
        while True:
            try:
                await self._enforcer.driver.foreign_change()
            except DriverError as error:
                log.error("network events lost", site=self.name, error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                log.warning("somebody else changed our rules; healing", site=self.name)
                self.foreign_changes += 1
            self.wake(observes=True)

    async def _keep_counting(self) -> None:
        while True:
            try:
                await count_usage(self._store, self.name, self._enforcer.driver, self._settings, self._clock)
            except (DBAPIError, DriverError, OSError) as error:
                log.error("transferred data not counted", site=self.name, error=str(error))
            await asyncio.sleep(self._settings.usage.collect_seconds)
