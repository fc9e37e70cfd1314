"""How long lines took to open after what their subscribers did, read from the journal."""

from collections import defaultdict
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.store.tables import JournalEntry

CAUSES = {
    "payment": ("payment.matched", "payment.assigned", "payment.recorded"),
    "acknowledgement": ("notice.acknowledged",),
}
"""What opens a line -> its entries in the journal."""
WITHIN = timedelta(hours=1)
"""A line that opens later than that after a payment opens for another reason: the debt was still too large."""
LOOKED_AT = timedelta(days=1)
ENTRIES_MAX = 100_000
"""… and no more of the newest entries than these: the journal is long, and is asked every few seconds."""
_OPENED = '"after":"open"'


async def seconds_to_open(session: AsyncSession, cause: str, now: datetime) -> list[float]:
    """From each cause to the open line, of the lines that opened within the last day."""
    since_at = now - LOOKED_AT
    causes = await _entries(session, CAUSES[cause], since_at - WITHIN)
    opened = await _entries(session, ("line.changed",), since_at, _OPENED)
    return [
        (at - max(before)).total_seconds()
        for contract_id, moments in opened.items()
        for at in moments
        if (before := [each for each in causes.get(contract_id, ()) if at - WITHIN <= each <= at])
    ]


async def _entries(
    session: AsyncSession, actions: tuple[str, ...], since_at: datetime, detail: str = ""
) -> dict[int, list[datetime]]:
    """When such entries were written, by contract."""
    newest = select(func.max(JournalEntry.id)).scalar_subquery()
    query = select(JournalEntry.contract_id, JournalEntry.at).where(
        JournalEntry.id > newest - ENTRIES_MAX,
        JournalEntry.action.in_(actions),
        JournalEntry.at >= since_at,
        JournalEntry.detail.contains(detail),
    )
    found = defaultdict[int, list[datetime]](list)
    for contract_id, at in await session.execute(query):
        if contract_id is not None:
            found[contract_id].append(at)
    return found
