"""A VoIP zone on loopback: Jana's two numbers and Petr's one, two of which share an ending; and a price deck."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select, update

from billing.customers.passwords import hash_password
from billing.customers.tables import Customer
from billing.invoicing.tables import Invoice
from billing.store.engine import Store
from billing.voip import operations
from billing.voip.tables import VoipNumber
from config.clock import TestClock
from portal.voip.app import make_voip_app
from portal.voip.booth import Booth
from tests.billing.voip.world import NOW, NUMBER, add_number, buy, call, settle
from tests.portal.customer.house import VOIP_ORIGIN as ORIGIN
from tests.portal.customer.house import Browser, Written, served, settings_in

PETRS = "+420910555456"
"""Ends like Jana's."""
SECOND = "+420910123457"
PASSWORD, PETRS_PASSWORD, SECONDS_PASSWORD = "tri-slova-a-kun", "ctyri-ruzove-hory", "jeden-zeleny-most"
_HASHES = {password: hash_password(password) for password in (PASSWORD, PETRS_PASSWORD, SECONDS_PASSWORD)}


@dataclass
class Street(Written):
    """The running zone."""

    store: Store
    clock: TestClock
    booth: Booth
    port: int
    ids: dict[str, int]
    rings: list[int] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return self.booth.origin

    def browser(self, **headers: str) -> "Handset":
        return Handset(self, headers)

    async def credit_of(self, number: str = NUMBER) -> str:
        async with self.store.reading() as session:
            return str((await operations.view(session, self.ids[number])).balance)

    async def invoices(self) -> list[Invoice]:
        async with self.store.reading() as session:
            return list(await session.scalars(select(Invoice).order_by(Invoice.id)))


class Handset(Browser):
    """A browser in the VoIP zone."""

    async def enter(self, number: str = NUMBER[-3:], password: str = PASSWORD) -> "Handset":
        answer = await self.post("/login", number=number, password=password)
        assert (answer.status, answer.location) == (303, "/credit")
        await self.get("/account")
        return self

    @property
    def session(self) -> str:
        return self.cookies.get(Booth.session_cookie, "")


async def furnish(store: Store) -> dict[str, int]:
    """The numbers with their passwords; Jana's first has credit and has called."""
    ids = {
        NUMBER: await add_number(store, contract="3001"),
        SECOND: await add_number(store, SECOND, contract="3001"),
        PETRS: await add_number(store, PETRS, contract="3002"),
    }
    passwords = {NUMBER: PASSWORD, SECOND: SECONDS_PASSWORD, PETRS: PETRS_PASSWORD}
    async with store.transaction() as session:
        await session.execute(update(Customer).values(language="en"))
        for number, number_id in ids.items():
            row = await session.get_one(VoipNumber, number_id)
            hashed = _HASHES[passwords[number]]
            await operations.set_password_hash(session, row, hashed, actor="test", now=NOW)
    await buy(store, ids[NUMBER], "200", key="furnishing-" + "k" * 20)
    await settle(store, call("c1", billed_seconds=95), call("c2", "+4930123456", billed_seconds=200))
    return ids


@asynccontextmanager
async def street(store: Store, folder: Path, port: int = 0) -> AsyncIterator[Street]:
    ids = await furnish(store)
    clock, rings = TestClock(NOW), list[int]()
    url = f"http://127.0.0.1:{port}" if port else ORIGIN
    booth = Booth(settings_in(folder, voip_url=url), store, clock, lambda: rings.append(1))
    async with served(make_voip_app(booth), port) as its_port:
        yield Street(store, clock, booth, its_port, ids, rings)
