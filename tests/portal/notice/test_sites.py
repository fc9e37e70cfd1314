"""Three subscribers with the same private address: at the gateway, behind one router, behind another.

Who is asking is the address and the site, and the site is the port alone: a token, a header or a Host from elsewhere
makes nobody somebody else.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path

import pytest
from sqlalchemy import func, select

from billing.dunning.tables import Acknowledgement, Line
from billing.store.engine import Store
from billing.store.tables import JournalEntry
from portal.client_address import FORWARDING_HEADERS
from tests.portal.subscribers import (
    ANNA,
    NOBODY,
    Gateway,
    acknowledgements,
    add_subscriber,
    count,
    free_port,
    gateway,
    settings_in,
)

SITES = ("main", "hill", "mill")
INVOICES = {"main": "20261001", "hill": "20262001", "mill": "20263001"}


@dataclass
class Town:
    """The web role, as it is asked from each site."""

    store: Store
    at: dict[str, Gateway]
    """Site -> the way of its subscribers to the server."""


@asynccontextmanager
async def serving(store: Store, folder: Path) -> AsyncIterator[Town]:
    own, hill, mill = free_port(), free_port(), free_port()
    routers = "".join(
        f"""
        [[routeros]]
        site = "{site}"
        host = "192.0.2.1"
        notice_address = "127.0.0.1"
        notice_port = {port}
        """
        for site, port in (("hill", hill), ("mill", mill))
    )
    limits = "requests_per_minute = 1000000\nconnections_per_address = 1000"
    settings = settings_in(folder, own, notice=limits, extra=routers)
    async with gateway(store, folder, settings=settings) as web:
        ports = dict(zip(SITES, (own, hill, mill), strict=True))
        yield Town(store, {site: replace(web, port=port) for site, port in ports.items()})


@pytest.fixture
async def town(store: Store, tmp_path: Path) -> AsyncIterator[Town]:
    for number, site in enumerate(SITES, 1):
        await add_subscriber(store, f"{number}001", [ANNA], invoices={INVOICES[site]: "599.00"}, site=site)
    async with serving(store, tmp_path) as made:
        yield made


@pytest.mark.parametrize("site", SITES)
async def test_each_sees_the_own_invoice_and_nobody_elses(town: Town, site: str) -> None:
    page = await town.at[site].ask()

    assert [number for number in INVOICES.values() if number in page.body] == [INVOICES[site]]


@pytest.mark.parametrize("site", SITES)
async def test_an_intercepted_page_leads_to_the_sites_own_notice_and_back_again(town: Town, site: str) -> None:
    web = town.at[site]
    own_url = f"http://127.0.0.1:{web.port}"
    redirect = await web.ask(target="/news", host="example.com")
    page = await web.ask(target=redirect.location.removeprefix(own_url))
    answer = await web.acknowledge(page.token, wanted=page.wanted)

    assert redirect.location.startswith(f"{own_url}/?w=")
    assert answer.location == "http://example.com/news"
    [kept] = await acknowledgements(town.store)
    async with town.store.reading() as session:
        detail = await session.scalar(select(JournalEntry.detail).where(JournalEntry.action == "notice.acknowledged"))
    assert kept.source_address == ANNA
    assert (f'"site":"{site}"' in (detail or "")) is (site != "main")


@pytest.mark.parametrize(("mine", "theirs"), list(permutations(SITES, 2)))
async def test_no_token_of_one_site_counts_at_another(town: Town, mine: str, theirs: str) -> None:
    """The same source address, a good token, the right contract's notice: and it is the wrong site."""
    page = await town.at[mine].ask()
    redirect = await town.at[mine].ask(target="/news", host="example.com")
    wanted = redirect.location.partition("?w=")[2]
    before = await count(town.store, JournalEntry)
    hosts = {"Host": f"127.0.0.1:{town.at[mine].port}"}
    forged = [{}, *({name: ANNA} for name in sorted(FORWARDING_HEADERS)), {"X-Site": mine}, hosts]

    answers = [await town.at[theirs].acknowledge(page.token, headers=headers) for headers in forged]
    shown = await town.at[theirs].ask(target=f"/?w={wanted}")

    assert [answer.status for answer in answers[:-1]] == [403] * (len(answers) - 1)
    assert answers[-1].status == 503  # another site's Host is somebody else's page: intercepted
    assert shown.wanted == ""
    assert await count(town.store, Acknowledgement) == 0
    assert await count(town.store, JournalEntry) == before


async def test_an_address_that_is_somebodys_elsewhere_is_nobodys_here(town: Town, store: Store) -> None:
    await add_subscriber(store, "9001", [NOBODY], invoices={"20269001": "599.00"}, site="hill")

    assert "20269001" in (await town.at["hill"].ask(source=NOBODY)).body
    for site in ("main", "mill"):
        assert "20269001" not in (await town.at[site].ask(source=NOBODY)).body


async def test_an_acknowledgement_waits_for_the_line_of_its_own_site_alone(town: Town, store: Store) -> None:
    """A contract with services at two sites, one of which is away: who asks at the other one goes on at once."""
    async with store.transaction() as session:
        contract_id = await session.scalar(select(func.min(Line.contract_id)))
        session.add(Line(contract_id=contract_id, site="away", state="notice", since_at=town.at["main"].clock.now()))
    web = town.at["main"]
    redirect = await web.ask(target="/news", host="example.com")
    page = await web.ask(target=redirect.location.removeprefix(web.url))
    async with store.transaction() as session:
        line = await session.get_one(Line, (contract_id, "main"))
        await session.delete(line)  # the engine of this site was quick

    answer = await web.acknowledge(page.token, wanted=page.wanted)

    assert answer.location == "http://example.com/news"
