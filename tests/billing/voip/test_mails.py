"""The mails about telephone credit: low credit once for each dip, last month's calls once."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from billing.store.engine import Store
from billing.store.tables import Mail
from billing.voip.mails import duration
from billing.voip.statements import is_due, write_statements
from config.settings import parse
from tests.billing.voip.world import NOW, NUMBER, SECOND, SETTINGS, add_number, buy, call, settle

APRIL = datetime(2026, 4, 2, 8, tzinfo=UTC)


async def mails(store: Store, kind: str) -> list[Mail]:
    async with store.reading() as session:
        return list(await session.scalars(select(Mail).where(Mail.kind == kind).order_by(Mail.id)))


async def state(store: Store, now: datetime = APRIL) -> int:
    async with store.transaction() as session:
        return await write_statements(session, SETTINGS, now)


async def test_low_credit_is_told_once_for_each_time_that_it_falls(store: Store) -> None:
    number_id = await add_number(store, credit="21")

    await settle(store, call("c1"))
    await settle(store, call("c2"), now=NOW + timedelta(minutes=5))
    told_once = await mails(store, "voip_low_credit")
    await buy(store, number_id, "100")
    await settle(store, call("c3", billed_seconds=2490), now=NOW + timedelta(hours=1))

    assert [mail.subject for mail in told_once] == ["Dochází telefonní kredit: zbývá 18,60\xa0Kč"]
    assert "+420\xa0910\xa0123\xa0456" in told_once[0].text
    assert len(await mails(store, "voip_low_credit")) == 2


async def test_credit_that_was_never_there_is_not_low(store: Store) -> None:
    await add_number(store)

    await settle(store, call("c1", called="800123456"))

    assert await mails(store, "voip_low_credit") == []


async def test_a_statement_lists_last_months_paid_calls_by_the_isps_calendar(store: Store) -> None:
    await add_number(store, credit="200")
    in_february_here = datetime(2026, 2, 28, 22, 59, tzinfo=UTC)
    in_march_here = datetime(2026, 2, 28, 23, 0, tzinfo=UTC)
    await settle(
        store,
        call("feb", started_at=in_february_here, answered_at=in_february_here),
        call("mar", started_at=in_march_here, answered_at=in_march_here, billed_seconds=61),
        call("de", called="+4930123456", billed_seconds=61, started_at=NOW, answered_at=NOW),
        call("nobody", billed_seconds=0, answered_at=None),
        call("in", caller="+420601999999", called=NUMBER),
    )

    await state(store)

    [mail] = await mails(store, "voip_statement")
    assert mail.subject == "Telefonní hovory za březen 2026: 8,961\xa0Kč"
    assert "1. 3. 2026 0:00  +420 601 123 456  1:01  2,44\xa0Kč" in mail.text
    assert "2. 3. 2026 10:00  +49 30 123456  1:01  6,521\xa0Kč" in mail.text
    assert "2 hovory, 2:02, 8,961\xa0Kč" in mail.text


async def test_a_statement_is_written_once_and_to_nobody_who_did_not_call(each_store: Store) -> None:
    await add_number(each_store, credit="200")
    await add_number(each_store, SECOND, credit="200")
    await settle(each_store, call("c1"))

    looked_at = [await state(each_store), await state(each_store), await state(each_store, APRIL + timedelta(days=9))]

    assert looked_at == [2, 0, 0]
    assert len(await mails(each_store, "voip_statement")) == 1


async def test_a_statement_waits_for_the_second_day_and_for_the_morning(store: Store) -> None:
    await add_number(store, credit="200")
    evening, night = datetime(2026, 4, 1, 18, tzinfo=UTC), datetime(2026, 4, 2, 5, 59, tzinfo=UTC)
    off = parse("[voip]\nmails_statement = false")

    async with store.reading() as session:
        due = [await is_due(session, SETTINGS, now) for now in (evening, night, APRIL)]
        wanted = await is_due(session, off, APRIL)

    assert (due, wanted) == ([False, False, True], False)


def test_durations_are_shown_as_a_telephone_does() -> None:
    assert [duration(seconds) for seconds in (0, 7, 754, 3723)] == ["0:00", "0:07", "12:34", "1:02:03"]
