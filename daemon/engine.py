"""The engine: looks and decides, keeps every site at work, and runs the jobs beside it, until it is told to stop.

What makes it look: the doorbell (of this machine; of all, with PostgreSQL: see `billing.store.presence`), the next
moment at which a standing may change; and without any of these, `reconcile_seconds`. What a look finds, it tells the
sites (see `site`), which carry it to the network.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy.exc import DBAPIError

from billing.services.sites import Report, report
from billing.store.engine import Store
from billing.store.presence import Presence
from config.clock import Clock, monotonic_seconds
from config.counting import counted
from config.errors import ClockBehind
from config.settings import Settings
from daemon import doorbell, metrics, sdnotify
from daemon.garden import Garden
from daemon.jobs import Jobs
from daemon.notice_health import NoticeHealth
from daemon.reconcile import Reconciler
from daemon.site import Site
from daemon.witness import Witness
from enforcement.driver import Driver

RETRY_SECONDS = 5
LOOKS_IN_A_ROW_MAX = 50
REPORT_EVERY_SECONDS = 60
REPORT_LOOK_SECONDS = 2

log = structlog.get_logger()


class Engine:
    """One gateway's engine. `run` lasts until it is cancelled, and changes nothing on the network when it ends."""

    def __init__(self, settings: Settings, store: Store, drivers: Mapping[str, Driver], clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._garden = Garden(settings.enforcement.garden)
        witness = Witness(settings.daemon.state_directory, clock)
        self._reconciler = Reconciler(settings, store, drivers, clock, self._garden.wanted, witness)
        self._woken = asyncio.Event()
        enforcers = self._reconciler.enforcers
        self._sites = [Site(enforcer, settings, store, clock, self._woken.set) for enforcer in enforcers]
        self._presence = Presence(settings.database_url, self._woken.set)
        self._jobs = Jobs(settings, store, clock, self._presence.duty, self._woken.set)
        self._last_look_seconds = monotonic_seconds()
        """When a look last ended, well or not: what the watchdog looks at."""

    async def run(self) -> None:
        """Runs everything; raises what is worth a restart."""
        runtime = self._settings.daemon.runtime_directory
        async with doorbell.listening(runtime, self._woken.set), asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_looking(), name="look")
            for site in self._sites:
                tasks.create_task(site.run(), name=f"site {site.name}")
            tasks.create_task(self._keep_garden(), name="garden")
            tasks.create_task(self._keep_watchdog_fed(), name="watchdog")
            tasks.create_task(self._presence.run(), name="presence")
            tasks.create_task(self._keep_reporting(), name="reports")
            tasks.create_task(self._jobs.run(), name="jobs")
            tasks.create_task(metrics.keep_publishing(runtime, self._sites, self._clock), name="metrics")
            if self._settings.enforcement.driver != "dryrun":  # else there is nobody to be led anywhere
                health = NoticeHealth(self._settings, self._show_notices)
                tasks.create_task(health.run(), name="notice server")

    @property
    def status(self) -> str:
        """One line for `systemctl status`."""
        known = self._reconciler.decider.known
        if known is None:
            return "Running as engine; nothing is known yet."
        reached = [site for site in self._sites if not site.trouble]
        restricted = sum(len(known.lines_at(site.name)) for site in self._sites)
        why = ", ".join(dict.fromkeys(str(reason.why) for reason in known.verdict.reasons))
        sites = f"{len(reached)} of {counted(len(self._sites), 'site')} reached"
        held = f"; new restrictions are held: {why}" if why else ""
        return f"Running as engine: {counted(restricted, 'line')} restricted, {sites}{held}."

    # ── looks ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _keep_looking(self) -> None:
        while True:
            self._woken.clear()
            patience_seconds = await self._look()
            self._last_look_seconds = monotonic_seconds()
            sdnotify.notify(STATUS=self.status)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_seconds):
                    await self._woken.wait()

    async def _look(self) -> float:
        """Looks until there is no news; returns for how many seconds there is nothing to do."""
        try:
            for _ in range(LOOKS_IN_A_ROW_MAX):
                is_first = self._reconciler.decider.known is None
                looked_at, news = await self._reconciler.look()
                for site in self._sites if looked_at or is_first else ():
                    site.wake()
                await self._reconciler.decider.keep()
                if not news:
                    break
        except ClockBehind as error:
            log.error("the clock is wrong; nothing is changed", error=str(error))
            return RETRY_SECONDS
        except (DBAPIError, OSError) as error:
            # No facts, no verdict: the network stays as it is, and is kept so.
            log.error("database not reached; nothing is changed", error=str(error))
            return RETRY_SECONDS
        return self._seconds_until_next_look()

    def _seconds_until_next_look(self) -> float:
        longest = float(self._settings.enforcement.reconcile_seconds)
        if self._reconciler.next_look_at is None:
            return longest
        until = (self._reconciler.next_look_at - self._clock.now()).total_seconds()
        return min(longest, max(until, 0.05))

    # ── what runs beside it ─────────────────────────────────────────────────────────────────────────────────────

    def _show_notices(self, is_good: bool) -> None:
        """The notice server answers, or does not any more."""
        for enforcer, site in zip(self._reconciler.enforcers, self._sites, strict=True):
            enforcer.shows_notices = is_good
            site.wake(observes=True)

    async def _keep_garden(self) -> None:
        while True:
            if await self._garden.refresh():
                for site in self._sites:
                    site.wake(observes=True)
            await asyncio.sleep(self._settings.enforcement.garden_refresh_seconds)

    async def _keep_reporting(self) -> None:
        """Says how the sites are, now and then, and soon after one is lost or found."""
        said: tuple[object, ...] = ()
        due_seconds = monotonic_seconds()
        while True:
            reports = [site.report for site in self._sites]
            news = (self._presence.is_on_duty, *((each.trouble, each.restricted > 0) for each in reports))
            is_due = news != said or monotonic_seconds() >= due_seconds
            if is_due and await self._report(reports):
                said, due_seconds = news, monotonic_seconds() + REPORT_EVERY_SECONDS
            await asyncio.sleep(REPORT_LOOK_SECONDS)

    async def _report(self, reports: Sequence[Report]) -> bool:
        engine, is_on_duty = f"{socket.gethostname()}:{os.getpid()}", self._presence.is_on_duty
        try:
            async with self._store.transaction() as session:
                await report(session, reports, engine=engine, is_on_duty=is_on_duty, now=self._clock.now())
        except (DBAPIError, OSError):
            return False  # that the database is away is told elsewhere
        return True

    async def _keep_watchdog_fed(self) -> None:
        """Feeds systemd's watchdog while looks and rounds go on; one that hangs stops the feeding."""
        limit_seconds = sdnotify.watchdog_seconds()
        while limit_seconds is not None:
            # A look or a round may be long, but not endless.
            patience_seconds = 3 * self._settings.enforcement.reconcile_seconds + 60
            oldest_seconds = min(self._last_look_seconds, *(site.last_round_seconds for site in self._sites))
            if monotonic_seconds() - oldest_seconds < patience_seconds:
                sdnotify.notify(WATCHDOG=1)
            await asyncio.sleep(limit_seconds / 3)
