"""The monthly statement of calls: each number's calls of the month that has ended, by mail, once."""

from datetime import date, datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.voip import mails, months
from billing.voip.tables import VoipCall, VoipNumber
from config.settings import Settings

NUMBERS_AT_ONCE = 200
BEGINS_ON_DAY = 2
"""Of the next month, so that the last day's records have come."""


async def write_statements(session: AsyncSession, settings: Settings, now: datetime) -> int:
    """Writes statements that are due, of some numbers; returns how many numbers were looked at, 0 when all are done.

    Which month a number was told of stands with the number, in the same transaction: it is told once.
    """
    month_on = _month_due(settings, now)
    if month_on is None:
        return 0
    month = f"{month_on:%Y-%m}"
    due = mails.owners().where(VoipNumber.stated_until < month).limit(NUMBERS_AT_ONCE)
    rows = (await session.execute(due.with_for_update(of=VoipNumber, skip_locked=True))).all()
    for row in rows:
        calls = await _calls(session, row.id, month_on, settings)
        if calls:
            await mails.put_statement(session, row, calls, month_on, settings, now)
    done = update(VoipNumber).where(VoipNumber.id.in_([row.id for row in rows])).values(stated_until=month)
    await session.execute(done.execution_options(synchronize_session=False))
    return len(rows)


async def is_due(session: AsyncSession, settings: Settings, now: datetime) -> bool:
    """Whether there is any statement to write."""
    month_on = _month_due(settings, now)
    if month_on is None:
        return False
    due = select(VoipNumber.id).where(VoipNumber.stated_until < f"{month_on:%Y-%m}").limit(1)
    return await session.scalar(due) is not None


def _month_due(settings: Settings, now: datetime) -> date | None:
    """The first day of the month that is to be told of; None while it is too early, or nobody wants it."""
    local = now.astimezone(settings.zone)
    begins_at = datetime.combine(local.date().replace(day=BEGINS_ON_DAY), settings.dunning.day_starts_at, settings.zone)
    if not settings.voip.mails_statement or local < begins_at:
        return None
    return months.before(local.date())


async def _calls(session: AsyncSession, number_id: int, month_on: date, settings: Settings) -> list[VoipCall]:
    """What was called and answered in a month, the oldest first."""
    from_at, until_at = months.bounds(month_on, settings.zone)
    query = select(VoipCall).where(
        VoipCall.number_id == number_id,
        VoipCall.state == "rated",
        VoipCall.is_incoming.is_(False),
        VoipCall.billed_seconds > 0,
        VoipCall.started_at >= from_at,
        VoipCall.started_at < until_at,
    )
    return list(await session.scalars(query.order_by(VoipCall.started_at, VoipCall.id)))
