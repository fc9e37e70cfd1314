"""From start to stop: opens what a role needs, runs it, and lets go in the opposite order.

SIGHUP reads the settings again. If they are good, everything inside is let go and opened anew with them, in the same
process and on the same sockets of systemd's; if not, all mistakes are logged and nothing changes.

A role imports its own parts alone: what parses strangers' HTTP does not even have the code that writes the firewall.

Nothing here, on any way out, changes the network: lines stay as they are until the next engine looks.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import structlog
import uvloop

from billing.store.engine import Store
from config.clock import Clock
from config.errors import SettingsError, StoreAway
from config.logging import configure
from config.settings import Settings
from daemon import doorbell, metrics, sdnotify
from daemon.engine_lock import only_engine

if TYPE_CHECKING:
    from daemon.engine import Engine
    from portal.server import Serving

Role = Literal["all", "engine", "web"]

DATABASE_RETRY_SECONDS = 2.0

log = structlog.get_logger()


class _Stop(Exception):
    """Somebody asked us to stop."""


class _Again(Exception):
    """Somebody changed the settings, and they are good."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings


def start(settings: Settings, clock: Clock, role: Role, read_again: Callable[[], Settings]) -> None:
    """Runs a role until SIGTERM or SIGINT; raises `HradloError` when it can't start."""
    configure(settings.daemon.log_format)
    try:
        uvloop.run(_run(settings, clock, role, read_again))
    except BaseExceptionGroup as group:
        # One of several tasks failed and the others were cancelled: the first failure is the news.
        raise _first(group) from group


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class _Signals:
    """What systemd or a person said. One for the whole run: it hears what is said during a reload, too."""

    def __init__(self) -> None:
        self.stopped, self.changed = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopped.set)
        loop.add_signal_handler(signal.SIGHUP, self.changed.set)


async def _run(settings: Settings, clock: Clock, role: Role, read_again: Callable[[], Settings]) -> None:
    sockets, signals = sdnotify.passed_sockets(), _Signals()
    wanted: Settings | None = settings
    while wanted is not None:
        wanted = await _run_with(wanted, clock, role, read_again, sockets, signals)
    log.info("stopped", role=role)


async def _run_with(
    settings: Settings,
    clock: Clock,
    role: Role,
    read_again: Callable[[], Settings],
    sockets: Sequence[socket.socket],
    signals: _Signals,
) -> Settings | None:
    """Runs with these settings; returns those to go on with, None to stop."""
    again: Settings | None = None
    try:
        async with contextlib.AsyncExitStack() as stack:
            store = Store.open(settings.database_url)
            stack.push_async_callback(store.close)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_told(signals, read_again), name="signals")
                await _answered(store)
                if role in ("all", "web"):
                    served = await stack.enter_async_context(_web(settings, store, clock, sockets))
                    if settings.metrics.listen:
                        await stack.enter_async_context(metrics.serving(settings, store, clock, served.counters))
                if role in ("all", "engine"):
                    engine = await _engine(stack, settings, store, clock)
                    tasks.create_task(engine.run(), name="engine")
                log.info("started", role=role)
                sdnotify.notify(READY=1, STATUS=f"Running as {role}.")
    except* _Stop:
        pass
    except* _Again as group:
        first = _first(group)
        assert isinstance(first, _Again)
        again = first.settings
    return again


async def _told(signals: _Signals, read_again: Callable[[], Settings]) -> None:
    """Ends everything beside it when systemd or a person says so, or when there are new settings."""
    stopped, changed = signals.stopped, signals.changed
    while not stopped.is_set():
        either = [asyncio.ensure_future(event.wait()) for event in (stopped, changed)]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in either:
                task.cancel()
        if changed.is_set() and not stopped.is_set():
            changed.clear()
            _reload(read_again)
    sdnotify.notify(STOPPING=1)
    raise _Stop


def _reload(read_again: Callable[[], Settings]) -> None:
    """Raises `_Again` with good settings; logs what is wrong with others."""
    try:
        settings = read_again()
    except SettingsError as error:
        log.error("the settings are wrong; those of before stay", error=str(error))
        return
    log.info("settings read again")
    sdnotify.notify(RELOADING=1, STATUS="Reading the settings again.")
    raise _Again(settings)


async def _answered(store: Store) -> None:
    """Waits for the database's server. Until it answers there are no facts, and nothing on the network is touched."""
    while True:
        try:
            return await store.check()
        except StoreAway as error:
            log.error("waiting for the database; nothing is changed", error=str(error))
            # That it runs is all that systemd is to know; to be started again would not help.
            sdnotify.notify(READY=1, STATUS="Waiting for the database.", WATCHDOG=1)
            await asyncio.sleep(DATABASE_RETRY_SECONDS)


async def _engine(stack: contextlib.AsyncExitStack, settings: Settings, store: Store, clock: Clock) -> "Engine":
    from daemon.drivers import open_drivers
    from daemon.engine import Engine

    stack.enter_context(only_engine(settings.daemon.runtime_directory))
    drivers = await stack.enter_async_context(open_drivers(settings))
    return Engine(settings, store, drivers, clock)


def _web(
    settings: Settings, store: Store, clock: Clock, sockets: Sequence[socket.socket]
) -> "contextlib.AbstractAsyncContextManager[Serving]":
    from portal.server import serve

    def ring() -> None:
        doorbell.ring(settings.daemon.runtime_directory)

    # Copies: a server closes its sockets when it ends, and systemd's must outlive a reload.
    return serve(settings, store, clock, ring, [item.dup() for item in sockets])
