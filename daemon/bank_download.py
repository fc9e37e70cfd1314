"""The job that asks Fio for new movements, account by account, as often as `[fio] every_minutes` says."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
import structlog
from sqlalchemy.exc import DBAPIError

from billing.payments.banks.fio_api import FioApi
from billing.payments.download import FioAccount, download
from billing.store.engine import Store
from config.clock import Clock
from config.errors import HradloError
from config.settings import Settings

log = structlog.get_logger()


async def keep_downloading(
    settings: Settings, store: Store, clock: Clock, duty: Callable[[], Awaitable[None]], wake: Callable[[], None]
) -> None:
    """Runs until it is cancelled; waits for `duty` before each round, and calls `wake` when payments came."""
    async with aiohttp.ClientSession() as http:
        sources = [FioAccount(FioApi(http, settings.fio.url, settings.secret(name))) for name in settings.fio.tokens]
        while True:
            await duty()
            if await download_all(settings, store, clock, dict(zip(settings.fio.tokens, sources, strict=True))):
                wake()
            await asyncio.sleep(settings.fio.every_minutes * 60)


async def download_all(settings: Settings, store: Store, clock: Clock, sources: Mapping[str, FioAccount]) -> int:
    """Asks once for every account; returns how many new payments came. One that fails keeps no other from its turn."""
    new = 0
    for name, source in sources.items():
        try:
            report = await download(store, source, settings, clock.now())
        except (HradloError, DBAPIError, OSError) as error:
            log.error("bank not downloaded", source=name, account=source.account, error=str(error))
            continue
        log.info(
            "bank downloaded",
            account=source.account,
            new=report.new,
            matched=report.matched,
            waiting=report.waiting,
            known=report.known,
        )
        new += report.new
    return new
