"""Transferred data: reads a site's counters now and then, and counts what they grew by."""

from billing.services.operations import networks
from billing.services.usage import Reading, collect
from billing.store.engine import Store
from config.clock import Clock
from config.settings import Settings
from enforcement.driver import Driver
from enforcement.state import Address


async def count_usage(store: Store, site: str, driver: Driver, settings: Settings, clock: Clock) -> int:
    """Counts what was transferred since the last time; returns the bytes. Raises what store and driver raise."""
    async with store.reading() as session:
        texts = [text for text, _ in await networks(session, site)]
    wanted = {Address.parse(text): text for text in texts}
    counted = await driver.count(list(wanted))
    readings = [Reading(wanted[address], down, up) for address, (down, up) in counted.bytes_of.items()]
    now = clock.now()
    async with store.transaction() as session:
        return await collect(session, site, readings, counted.generation, zone=settings.zone, now=now)
