"""Calls as a spreadsheet reads them."""

from zoneinfo import ZoneInfo

from sqlalchemy import select

from billing.store.engine import Store
from billing.voip.calls_csv import as_csv
from billing.voip.tables import VoipCall
from tests.billing.voip.world import NUMBER, add_number, call, settle


async def test_calls_are_lines_with_local_times_and_no_formulas(store: Store) -> None:
    await add_number(store, credit="10")
    await settle(store, call("c1", billed_seconds=61), call("c2", caller='=HYPERLINK("x")', called=NUMBER))

    async with store.reading() as session:
        text = as_csv(await session.scalars(select(VoipCall).order_by(VoipCall.id)), ZoneInfo("Europe/Prague"))

    assert text.splitlines() == [
        "started_at,direction,caller,called,destination,seconds,price,charged",
        "2026-03-02 10:00:00,out,+420910123456,+420601123456,Česko mobil,61,2.44,2.44",
        '2026-03-02 10:00:00,in,"\'=HYPERLINK(""x"")",+420910123456,,60,0.00,0.00',
    ]
