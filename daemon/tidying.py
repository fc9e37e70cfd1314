"""Once an hour: what is kept too long goes, and lines that were left behind at a site are open.

What proves something stays: the journal, the ledger, notices and their acknowledgements, mails. Transferred data goes
by the settings; of the portal, log-ins that nobody used for a year and links that are of no use go, with the
addresses and browsers in them.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete, select

from billing.customers.tables import LoginSession, OneTimeLink
from billing.dunning.line_changes import LineChange, record_lines
from billing.dunning.lines import left_behind
from billing.importing import in_chunks
from billing.services.usage import forget
from billing.store import journal
from billing.store.engine import Store
from config.clock import Clock
from config.settings import Settings
from daemon.deciding import RECORDED_AT_ONCE
from daemon.witness import require_believed_clock

LOGINS_KEPT = timedelta(days=366)
"""From where somebody logged in before counts when others try their number."""
LINKS_KEPT = timedelta(days=30)


async def tidy(store: Store, settings: Settings, clock: Clock) -> None:
    """All of it; what one part did stays done when a later one fails.

    Raises `NotAllowed` while the engine doubts the clock: one that is years ahead would delete what is in use.
    """
    require_believed_clock(settings.daemon.state_directory, clock)
    now = clock.now()
    await forget(store, settings.usage, now)
    await _forget_logins(store, now)
    await _open_left_behind(store, settings, now)


async def _forget_logins(store: Store, now: datetime) -> None:
    async with store.reading() as session:  # found first, and deleted by their ids: a search would keep writers waiting
        unused = await session.scalars(select(LoginSession.id).where(LoginSession.seen_at < now - LOGINS_KEPT))
        expired = await session.scalars(select(OneTimeLink.id).where(OneTimeLink.expires_at < now - LINKS_KEPT))
        logins, links = unused.all(), expired.all()
    for table, found in ((LoginSession, logins), (OneTimeLink, links)):
        for ids in in_chunks(found):
            async with store.transaction() as session:
                await session.execute(delete(table).where(table.id.in_(ids)))


async def _open_left_behind(store: Store, settings: Settings, now: datetime) -> None:
    async with store.reading() as session:
        behind = await left_behind(session)
    while behind:
        async with store.transaction() as session:
            await journal.lock(session)
            behind = await left_behind(session)  # some may have an address there again
            for site, lines in behind.items():
                changes = [LineChange(contract_id, line, "open") for contract_id, line in lines.items()]
                await record_lines(session, site, changes[:RECORDED_AT_ONCE], settings, now)
