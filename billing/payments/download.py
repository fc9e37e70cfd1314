"""Downloads from a bank's API: what came since the last movement that is stored.

The database alone remembers how far it is. A download begins some days before the last stored movement of the
account, because a bank may book late, and what is known already adds nothing; so a crash at any place, two programs at
once, and a bookmark that somebody else moved at the bank are all harmless. The movements come with the balances
around them, so each download is checked like a statement that was imported from a file.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.payments.banks.detect import read
from billing.payments.banks.fio_api import FioApi
from billing.payments.importing import ImportReport, import_statements
from billing.payments.tables import Payment
from billing.store.engine import Store
from config.days import day_of
from config.settings import Settings

OVERLAP_DAYS = 3
DAYS_BACK_MAX = 89
"""What is older than 90 days is given out after an authorisation by a person only."""


@dataclass(slots=True)
class FioAccount:
    """An account at Fio while the program runs."""

    api: FioApi
    account: str = field(default="", init=False)
    """Which one the token is for: the first answer says it."""


async def download(store: Store, source: FioAccount, settings: Settings, now: datetime) -> ImportReport:
    """Imports the newest movements in a transaction of its own.

    Raises `BankUnreachable`, `StatementRejected`, or what the database raises; nothing is stored then.
    """
    today = day_of(now, settings.zone)
    if not source.account:
        source.account = read(await source.api.period(today, today), "fio")[0].account
    async with store.reading() as session:
        first = await _first_day(session, source.account, today)
    statements = read(await source.api.period(first, today), "fio")
    async with store.transaction() as session:
        return await import_statements(
            session,
            statements,
            f"Fio {first} to {today}",
            now,
            accounts=settings.payments.accounts,
            currency=settings.isp.currency,
        )


async def _first_day(session: AsyncSession, account: str, today: date) -> date:
    ours = (Payment.account == account, Payment.bank_ref.like("fio-%"))
    last = await session.scalar(select(func.max(Payment.booked_on)).where(*ours))
    earliest = today - timedelta(days=DAYS_BACK_MAX)
    return max(earliest, last - timedelta(days=OVERLAP_DAYS)) if last else earliest
