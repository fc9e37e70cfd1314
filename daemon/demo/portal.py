"""The customer portal and the VoIP zone of the demo: the real ones, at ports of their own, with one password for all.

They run beside the web role of the demo, because a browser reaches it at 127.0.0.1 and not at the ISP's own name.
"""

import asyncio
import math
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from aiohttp import web
from sqlalchemy import insert, select, update

from billing.customers.passwords import hash_password
from billing.customers.tables import Contract, Customer
from billing.services.tables import Service, Usage
from config.errors import HradloError
from config.settings import Settings
from daemon.demo import telephones
from daemon.demo.people import BEGINS_AT, OPENS_AT, ZONE
from daemon.demo.world import World
from portal.customer.app import make_portal_app
from portal.customer.office import Office
from portal.voip.app import make_voip_app
from portal.voip.booth import Booth

HOST = "127.0.0.1"
PASSWORD = "tri-slova-a-kun"
_DATA_UNTIL = OPENS_AT + timedelta(days=120)
_HOURS_FROM, _HOURS = datetime(2026, 3, 1, 23, tzinfo=UTC), 28 * 24
_MINUTES_PER_DAY = 1440


@asynccontextmanager
async def portal_of(world: World, port: int, voip_port: int = 0) -> AsyncIterator[str]:
    """Serves the portal and the VoIP zone, with passwords, data and telephones for the cast; gives the portal's URL."""
    async with AsyncExitStack() as stack:
        sockets = [stack.enter_context(_bound(each)) for each in (port, voip_port)]
        url, voip_url = (f"http://{HOST}:{each.getsockname()[1]}" for each in sockets)
        settings = _settings(world.settings, url, voip_url)
        login = (world.people[0].number, PASSWORD)
        office = Office(settings, world.store, world.clock, world.ring, demo_login=login)
        booth = Booth(settings, world.store, world.clock, world.ring, demo_login=(telephones.ENDING, PASSWORD))
        for app, listening in zip((make_portal_app(office), make_voip_app(booth)), sockets, strict=True):
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.SockSite(runner, listening).start()
        await _furnish(world)
        world.portal_url, world.voip_url = url, voip_url
        try:
            yield url
        finally:
            world.portal_url = world.voip_url = ""


def _bound(port: int) -> socket.socket:
    """A socket on that port, or on any free one for 0."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        remedy = f"Choose another port: hradlo demo --port {port + 9}"
        raise HradloError(f"Can't listen on {HOST}:{port}: {error.strerror}.", remedy) from error


def _settings(settings: Settings, url: str, voip_url: str) -> Settings:
    """As the ISP's own, but reached here; a log-in outlives a day of the demo's clock."""
    isp = settings.isp.model_copy(update={"portal_url": url})
    portal = settings.portal.model_copy(update={"session_idle_minutes": 30 * _MINUTES_PER_DAY, "session_days": 90})
    voip = settings.voip.model_copy(update={"url": voip_url})
    return settings.model_copy(update={"isp": isp, "portal": portal, "voip": voip})


async def _furnish(world: World) -> None:
    password_hash = await asyncio.to_thread(hash_password, PASSWORD)
    cast = [person for person in world.people if person.about]
    numbers = [person.number for person in cast]
    async with world.store.transaction() as session:
        await session.execute(update(Customer).values(password_hash=password_hash))
        mine = select(Service.id).join(Contract, Contract.id == Service.contract_id)
        ids = await session.scalars(mine.where(Contract.number.in_(numbers)).order_by(Service.id))
        await session.execute(insert(Usage), [row for id_ in ids for row in _usage(id_)])
        await telephones.furnish(session, cast, world.settings, password_hash, world.clock.now())


def _usage(service_id: int) -> Iterator[dict[str, Any]]:
    """What a family of that number transfers: evenings more, weekends more."""
    day, months = BEGINS_AT.date(), dict[date, int]()
    while day <= _DATA_UNTIL.date():
        down_bytes = sum(_down_bytes(service_id, day, hour) for hour in range(24))
        months[day.replace(day=1)] = months.get(day.replace(day=1), 0) + down_bytes
        yield _row(service_id, "day", _midnight(day), down_bytes)
        day += timedelta(days=1)
    yield from (_row(service_id, "month", _midnight(month), sum_) for month, sum_ in months.items())
    for hours in range(_HOURS):
        local = (_HOURS_FROM + timedelta(hours=hours)).astimezone(ZONE)
        yield _row(service_id, "hour", local, _down_bytes(service_id, local.date(), local.hour))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), ZONE)


def _down_bytes(service_id: int, day: date, hour: int) -> int:
    evening = math.exp(-((hour - 20.5) ** 2) / 9) + 0.04
    mood = 1 + 0.5 * math.sin(day.toordinal() * 1.7 + service_id) + (0.8 if day.weekday() > 4 else 0)
    return int(evening * mood * 1.4e9)


def _row(service_id: int, span: str, starts_at: datetime, down_bytes: int) -> dict[str, Any]:
    counted = {"down_bytes": down_bytes, "up_bytes": down_bytes // 9}
    return {"service_id": service_id, "span": span, "starts_at": starts_at.astimezone(UTC), **counted}
