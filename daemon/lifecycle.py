"""From start to stop: opens what a role needs, runs it, and lets go in the opposite order.

Nothing here, on any way out, changes the network: lines stay as they are until the next engine looks.
"""

import asyncio
import contextlib
import gc
import signal
from typing import Literal

import structlog
import uvloop

from billing.store.engine import Store
from config.clock import Clock
from config.errors import StoreAway
from config.logging import configure
from config.settings import Settings
from daemon import doorbell, sdnotify
from daemon.drivers import open_drivers
from daemon.engine import Engine, only_engine
from portal.server import serve

Role = Literal["all", "engine", "web"]

ALLOCATIONS_BETWEEN_COLLECTIONS = 50_000
"""A full look at 100,000 contracts makes a million objects that stay. Python looks for garbage among them at every
700th, and that is half of the time."""

DATABASE_RETRY_SECONDS = 2.0

log = structlog.get_logger()


class _Stop(Exception):
    """Somebody asked us to stop."""


def start(settings: Settings, clock: Clock, role: Role) -> None:
    """Runs a role until SIGTERM or SIGINT; raises `HradloError` when it can't start."""
    configure(settings.daemon.log_format)
    collect_rarely()
    try:
        uvloop.run(_run(settings, clock, role))
    except BaseExceptionGroup as group:
        # One of several tasks failed and the others were cancelled: the first failure is the news.
        raise _first(group) from group


def collect_rarely() -> None:
    """Sets Python's garbage collector up for a process that holds many objects for long."""
    gc.set_threshold(ALLOCATIONS_BETWEEN_COLLECTIONS, 20, 100)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _run(settings: Settings, clock: Clock, role: Role) -> None:
    try:
        async with contextlib.AsyncExitStack() as stack:
            store = Store.open(settings.database.url)
            stack.push_async_callback(store.close)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_stopped(), name="signals")
                await _answered(store)
                if role in ("all", "web"):
                    await stack.enter_async_context(_web(settings, store, clock))
                if role in ("all", "engine"):
                    engine = await _engine(stack, settings, store, clock)
                    tasks.create_task(engine.run(), name="engine")
                log.info("started", role=role)
                sdnotify.notify(READY=1, STATUS=f"Running as {role}.")
    except* _Stop:
        log.info("stopped", role=role)


async def _stopped() -> None:
    """Ends everything beside it when systemd or a person says so."""
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    await asked.wait()
    sdnotify.notify(STOPPING=1)
    raise _Stop


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


async def _engine(stack: contextlib.AsyncExitStack, settings: Settings, store: Store, clock: Clock) -> Engine:
    stack.enter_context(only_engine(settings.daemon.runtime_directory))
    drivers = await stack.enter_async_context(open_drivers(settings))
    return Engine(settings, store, drivers, clock)


def _web(settings: Settings, store: Store, clock: Clock) -> contextlib.AbstractAsyncContextManager[object]:
    def ring() -> None:
        doorbell.ring(settings.daemon.runtime_directory)

    return serve(settings, store, clock, ring, sdnotify.passed_sockets())
