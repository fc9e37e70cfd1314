"""What is kept too long goes; what is in use, and what proves something, stays."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select

from billing.customers import logins
from billing.customers.tables import Contract, Customer, LoginSession, OneTimeLink
from billing.dunning.tables import Line
from billing.store.engine import Store
from billing.store.journal import Mark
from config.errors import NotAllowed
from daemon import tidying
from daemon.tidying import LINKS_KEPT, LOGINS_KEPT, tidy
from daemon.witness import FILE_NAME, Sight, stay_awake
from tests.scenario import Isp


@pytest.fixture
async def isp(each_store: Store, tmp_path: Path) -> Isp:
    made = Isp(each_store, tmp_path)
    await made.add("1001", "10.1.0.5")
    return made


async def tidy_later(isp: Isp, **delta: float) -> None:
    """Time passes, and the engine looked all the while."""
    isp.clock.advance(**delta)
    stay_awake(isp.settings.daemon.state_directory, isp.clock)
    await tidy(isp.store, isp.settings, isp.clock)


async def count(isp: Isp, table: type[LoginSession | OneTimeLink | Line]) -> int:
    async with isp.store.reading() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_a_log_in_that_nobody_used_for_a_year_goes(isp: Isp) -> None:
    async with isp.store.transaction() as session:
        for _ in range(2):
            await logins.open_session(session, 1, source_address="10.1.0.5", user_agent="", now=isp.clock.now())
    isp.clock.advance(days=100)
    async with isp.store.transaction() as session:
        await logins.touch(session, 1, isp.clock.now())

    await tidy_later(isp, seconds=(LOGINS_KEPT - timedelta(days=50)).total_seconds())

    async with isp.store.reading() as session:
        assert list(await session.scalars(select(LoginSession.id))) == [1]


async def test_a_link_goes_a_month_after_it_expired(isp: Isp) -> None:
    async with isp.store.transaction() as session:
        await logins.make_link(session, "password", 1, "jana@isp.example", lasts=timedelta(), now=isp.clock.now())

    await tidy_later(isp, seconds=LINKS_KEPT.total_seconds())
    assert await count(isp, OneTimeLink) == 1

    await tidy_later(isp, seconds=1)
    assert await count(isp, OneTimeLink) == 0


async def test_by_a_clock_that_the_engine_doubts_nothing_goes(isp: Isp) -> None:
    """It was set ten years ahead: nobody has waited for that long."""
    async with isp.store.transaction() as session:
        await logins.open_session(session, 1, source_address="10.1.0.5", user_agent="", now=isp.clock.now())
    sight = Sight(isp.clock.now(), isp.clock.boottime_seconds(), Mark(0, ""))
    (isp.settings.daemon.state_directory / FILE_NAME).write_text(sight.as_text(), encoding="utf-8")
    isp.clock.jump_to(isp.clock.now() + timedelta(days=3650))

    with pytest.raises(NotAllowed, match="The clock was set by"):
        await tidy(isp.store, isp.settings, isp.clock)
    assert await count(isp, LoginSession) == 1


async def test_lines_that_were_left_at_a_site_are_opened_some_at_a_time(
    isp: Isp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "RECORDED_AT_ONCE", 2)
    async with isp.store.transaction() as session:
        customer = (await session.scalars(select(Customer.id))).one()
        rows = [{"number": str(number), "customer_id": customer} for number in range(2001, 2006)]
        ids = list(await session.scalars(insert(Contract).returning(Contract.id), rows))
        lines = [{"contract_id": id_, "site": "gone", "state": "suspended", "since_at": isp.clock.now()} for id_ in ids]
        await session.execute(insert(Line), lines)

    await tidy(isp.store, isp.settings, isp.clock)

    assert await count(isp, Line) == 0
