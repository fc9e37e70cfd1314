"""Which drivers the settings ask for, and at which sites they enforce."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from config.settings import Settings
from enforcement.driver import Driver
from enforcement.dryrun import DryRunDriver
from enforcement.nftables.driver import NftablesDriver


@asynccontextmanager
async def open_drivers(settings: Settings) -> AsyncIterator[Mapping[str, Driver]]:
    """Site -> its driver, while the block lasts; raises `MissingRights` when this process may not use one.

    Nothing is reached for yet: a site that is away is an error of its first round, and of no other site.
    """
    site = settings.enforcement.site
    async with AsyncExitStack() as stack:
        if settings.enforcement.driver == "dryrun":
            yield {site: DryRunDriver()}
        else:
            driver = await NftablesDriver.open(settings)
            stack.push_async_callback(driver.close)
            await driver.observe()  # without the right to look there is nothing to run: say so now
            yield {site: driver}
