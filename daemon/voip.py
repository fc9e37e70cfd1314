"""What the engine does for telephone numbers, beside everything else: frees old holds, writes statements."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.exc import DBAPIError

from billing.store.engine import Store
from billing.voip import holds, statements
from config.clock import Clock
from config.settings import Settings

EVERY_SECONDS = 60

log = structlog.get_logger()


async def keep_voip(settings: Settings, store: Store, clock: Clock, duty: Callable[[], Awaitable[None]]) -> None:
    """Looks once a minute while this engine is on duty; lasts until it is cancelled."""
    while True:
        await duty()
        try:
            await look(settings, store, clock)
        except (DBAPIError, OSError) as error:
            log.error("telephone credit not looked after", error=str(error))
        await asyncio.sleep(EVERY_SECONDS)


async def look(settings: Settings, store: Store, clock: Clock) -> None:
    """One look: what is due is done; when nothing is, nothing is written."""
    now = clock.now()
    async with store.reading() as session:
        is_any_over, are_statements_due = (
            await holds.is_any_over(session, now),
            await statements.is_due(session, settings, now),
        )
    if is_any_over:
        async with store.transaction() as session:
            count = await holds.expire_holds(session, now)
            await holds.forget_holds(session, now)
        log.info("holds freed without a call record", count=count)
    while are_statements_due:
        async with store.transaction() as session:
            are_statements_due = await statements.write_statements(session, settings, now) > 0
