"""Drivers of simulated routers, for the tests of several modules."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from pathlib import Path

from enforcement.driver import Driver
from enforcement.planner import plan
from enforcement.routeros.breaker import Breaker
from enforcement.routeros.connection import Access
from enforcement.routeros.driver import RouterOsDriver
from enforcement.routeros.router import Router
from enforcement.routeros.transport import RouterTransport
from enforcement.state import Applied, Desired
from tests.routeros.simulator import PASSWORD, USER, Simulator

ROUTER = Router("north", IPv4Address("192.0.2.80"), 8101)


def access_to(simulated: Simulator) -> Access:
    return Access("127.0.0.1", USER, PASSWORD, simulated.port, is_encrypted=False)


class Eager(Breaker):
    """Tries again at once, for tests of what happens then."""

    def pause_seconds(self, now: float) -> float:
        return 0.0


@asynccontextmanager
async def routeros_driver(
    simulated: Simulator, router: Router = ROUTER, breaker: Breaker | None = None
) -> AsyncIterator[RouterOsDriver]:
    """A driver of a running simulator, by plain TCP."""
    driver = RouterOsDriver(router, RouterTransport(router.name, access_to(simulated), breaker))
    try:
        yield driver
    finally:
        await driver.close()


@asynccontextmanager
async def real_router_driver() -> AsyncIterator[RouterOsDriver]:
    """A driver of the router that the environment names, emptied of everything of Hradlo before and after."""
    wanted = os.environ
    authority, fingerprint = wanted.get("ROUTEROS_CA", ""), wanted.get("ROUTEROS_FINGERPRINT", "")
    is_encrypted = bool(authority or fingerprint)
    access = Access(
        wanted["ROUTEROS_HOST"],
        wanted.get("ROUTEROS_USER", "hradlo"),
        wanted["ROUTEROS_PASSWORD"],
        int(wanted.get("ROUTEROS_PORT", "8729" if is_encrypted else "8728")),
        authority=Path(authority) if authority else None,
        fingerprint=fingerprint.replace(":", "").lower(),
        is_encrypted=is_encrypted,
    )
    driver = RouterOsDriver(ROUTER, RouterTransport(ROUTER.name, access))
    try:
        await driver.remove()
        yield driver
        await driver.remove()
    finally:
        await driver.close()


async def reach(driver: Driver, desired: Desired) -> Applied:
    """One round of the engine."""
    return await driver.apply(plan(desired, await driver.observe()))
