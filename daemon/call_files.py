"""What the engine does with call records in files: those of the watched folder, and those that grow.

Every engine does it, on duty or not: the files are on its own machine, and a call that is read twice counts once.
"""

import asyncio
from collections.abc import Callable

import structlog
from sqlalchemy.exc import DBAPIError

from billing.store.engine import Store
from billing.voip.calls.following import Follower
from billing.voip.calls.importing import import_ready, read_on
from billing.voip.calls.record import PROBLEMS_SHOWN_MAX
from billing.watched_folder import Seen
from config.clock import Clock
from config.settings import Settings

log = structlog.get_logger()


async def keep_reading_calls(settings: Settings, store: Store, clock: Clock, wake: Callable[[], None]) -> None:
    """Looks every `calls_seconds`; lasts until it is cancelled."""
    seen: Seen = {}
    follower = Follower(settings.voip.calls_files)
    while True:
        if await look(settings, store, clock, seen, follower):
            wake()
        await asyncio.sleep(settings.voip.calls_seconds)


async def look(settings: Settings, store: Store, clock: Clock, seen: Seen, follower: Follower) -> bool:
    """One look; whether it found anything new."""
    found = False
    folder = settings.voip.calls_folder
    try:
        if folder is not None:
            for outcome in await import_ready(store, folder, settings, clock.now(), seen):
                log.info("call records", file=outcome.name, outcome=str(outcome))
                found = True
        for piece in await read_on(store, follower, settings, clock.now()):
            for problem in piece.problems[:PROBLEMS_SHOWN_MAX]:
                log.error("call record not understood", file=str(piece.path), problem=str(problem))
            if len(piece.problems) > PROBLEMS_SHOWN_MAX:
                log.error("call records not understood", file=str(piece.path), lines=len(piece.problems))
            log.info("call records", file=str(piece.path), outcome=str(piece.recorded))
            found = True
    except (DBAPIError, OSError) as error:
        log.error("call records not read", error=str(error))
    return found
