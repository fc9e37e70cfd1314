"""Which drivers the settings ask for, and at which sites they enforce.

Each is imported by who opens it: a trial on a desk waits for no pyroute2, an ISP without routers for no RouterOS.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from config.network_settings import RouterOs
from config.settings import Settings
from enforcement.driver import Driver
from enforcement.dryrun import DryRunDriver

if TYPE_CHECKING:
    from enforcement.routeros.driver import RouterOsDriver


@asynccontextmanager
async def open_drivers(settings: Settings) -> AsyncIterator[Mapping[str, Driver]]:
    """Site -> its driver, while the block lasts; raises `MissingRights` when this process may not use one.

    Nothing is reached for yet: a site that is away is an error of its first round, and of no other site.
    """
    async with AsyncExitStack() as stack:
        if settings.enforcement.driver == "dryrun":
            sites = [settings.enforcement.site, *(router.site for router in settings.routeros)]
            yield {site: DryRunDriver() for site in sites}
            return
        drivers: dict[str, Driver] = {}
        if settings.enforcement.driver == "nftables":
            from enforcement.nftables.driver import NftablesDriver

            gateway = drivers[settings.enforcement.site] = await NftablesDriver.open(settings)
            stack.push_async_callback(gateway.close)
            await gateway.observe()  # without the right to look there is nothing to run: say so now
        for router in settings.routeros:
            driver = drivers[router.site] = router_driver(settings, router)
            stack.push_async_callback(driver.close)
        yield drivers


def router_driver(settings: Settings, router: RouterOs) -> "RouterOsDriver":
    """A router's driver, not connected yet; raises `SettingsError` when its password can't be read."""
    from enforcement.routeros.connection import Access
    from enforcement.routeros.driver import RouterOsDriver
    from enforcement.routeros.router import Router
    from enforcement.routeros.transport import RouterTransport

    access = Access(
        router.host,
        router.user,
        settings.secret(router.secret),
        router.port,
        authority=router.authority,
        fingerprint=router.fingerprint,
    )
    what = Router(
        router.site,
        router.notice_address,
        router.notice_port,
        resolvers=settings.enforcement.resolvers,
        dns_queries_per_second=settings.enforcement.dns_queries_per_second,
        has_ipv6=router.ipv6,
    )
    return RouterOsDriver(what, RouterTransport(router.site, access))
