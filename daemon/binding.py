"""Keeping addresses that change true: a site's driver is asked who has which, and that is written down."""

from billing.services.bindings import Settled, bindings_at, is_settled, settle
from billing.store.engine import Store
from config.clock import Clock
from config.settings import Settings
from enforcement.driver import Driver


def unbound_site(settings: Settings) -> str:
    """This gateway's own site, where nobody says who has a changing address now; empty where a router does."""
    site = settings.enforcement.site
    return "" if any(router.site == site for router in settings.routeros) else site


async def settle_bindings(store: Store, site: str, driver: Driver, clock: Clock) -> Settled:
    """Asks only where a service is known by a binding. Raises what store and driver raise: then nothing changed."""
    async with store.reading() as session:
        wanted = await bindings_at(session, site)
    if not wanted:
        return Settled()
    seen = await driver.bindings()
    networks = {name: sorted(str(address) for address in seen.get(name, ())) for name in wanted}
    async with store.reading() as session:
        if await is_settled(session, site, networks):
            return Settled()
    async with store.transaction() as session:
        return await settle(session, site, networks, now=clock.now())
