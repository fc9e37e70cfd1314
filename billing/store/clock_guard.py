"""A clock that stands far behind the journal decides nothing and acknowledges nothing.

A gateway whose battery is empty wakes up years ago. What it wrote then would be evidence with a false date, and
what it decided would be wrong. So whoever writes because of the time asks here first.

When the journal itself is what is wrong (the clock was ahead for a while, and was set right), a person says so:
`accept` writes an entry, and what stands before that no longer counts.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.store import journal
from billing.store.tables import JournalEntry
from config.errors import ClockBehind

BEHIND_MAX = timedelta(hours=1)
"""Two machines may differ by so much, and a summer time that was set by hand."""
ENTRIES_LOOKED_AT = 1000
"""The newest so many: what a wrong clock lets others write (an import, say) must not hide what stood before."""
ACCEPTED = "clock.accepted"
_REMEDY = "Set the clock (timedatectl). If it is right, and was ahead before: hradlo audit accept-clock, which says so."


async def newest_at(session: AsyncSession) -> datetime | None:
    """The latest instant that the journal knows of; None when it is empty."""
    table = JournalEntry.__table__.c
    after_id = await journal.head(session) - ENTRIES_LOOKED_AT
    accepted_id = await session.scalar(select(func.max(table.id)).where(table.id > after_id, table.action == ACCEPTED))
    first_id = max(after_id + 1, accepted_id or 0)
    found: datetime | None = await session.scalar(select(func.max(table.at)).where(table.id >= first_id))
    return found


async def require_plausible(session: AsyncSession, now: datetime) -> None:
    """Raises `ClockBehind` when `now` is far before what the journal knows."""
    newest = await newest_at(session)
    if newest is not None and now < newest - BEHIND_MAX:
        raise ClockBehind(
            f"The clock says {_words(now)}, but the journal has an entry of {_words(newest)}: "
            "nothing is decided, and the network stays as it is.",
            _REMEDY,
        )


async def accept(session: AsyncSession, *, actor: str, why: str, now: datetime) -> None:
    """A person says that the clock is right now."""
    before = await newest_at(session)
    detail = {"now": now, **({"newest_before": before} if before else {})}
    await journal.append(session, at=now, actor=actor, action=ACCEPTED, detail=detail, why=why)


def _words(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
