"""Whether a mail still says the truth when it is about to be sent.

A mail is written in the transaction of its cause and sent when the mail server can be reached: mostly within
seconds, sometimes days later. Nobody shall be asked then for what was paid meanwhile.
"""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning.notices import view
from billing.dunning.policy import Policy
from billing.store import outbox
from billing.store.tables import Mail
from config.settings import Settings

ASKING_KINDS = frozenset(("reminder", "notice"))


async def stale_why(session: AsyncSession, mail: Mail, settings: Settings, now: datetime) -> str:
    """Why a mail is not to be sent any more, as its `last_error`; empty when it is."""
    if outbox.is_expired(mail, now):
        last = f"; the last try: {mail.last_error}" if mail.last_error else ""
        return f"{outbox.EXPIRED}: not sent within {outbox.EXPIRES_AFTER.days} days{last}"
    if mail.kind in ASKING_KINDS and mail.contract_id is not None:
        seen = await view(session, mail.contract_id, Policy.from_settings(settings), now)
        if not seen.invoices:
            return f"{outbox.EXPIRED}: nothing is overdue any more"
    return ""
