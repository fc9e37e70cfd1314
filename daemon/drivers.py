"""Which driver the settings ask for."""

from config.settings import Settings
from enforcement.driver import Driver
from enforcement.dryrun import DryRunDriver
from enforcement.nftables.driver import NftablesDriver


async def open_driver(settings: Settings) -> Driver:
    """The gateway's driver; raises `MissingRights` when this process may not use it."""
    if settings.enforcement.driver == "dryrun":
        return DryRunDriver()
    return await NftablesDriver.open(settings)
