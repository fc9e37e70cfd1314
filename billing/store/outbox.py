"""Mails that are to be sent: written in the transaction of their cause, sent later by whoever claims them.

A mail is claimed for a while (a lease) and marked when the server took it. A sender that dies in between
leaves a lease that runs out, and the mail goes out again: at least once, and always under the same
Message-ID, so that the recipient's side sees that it is the same mail. Nothing is sent in a transaction.

A mail may wait for long before its first try: no mail server is set up, or it can't be reached. What it says about
a debt or a line is then no longer true, so mails of those kinds expire `EXPIRES_AFTER` they were written.

A billing run writes a hundred thousand mails at once. They go last and at a rate of their own, so that they neither
hold up a notice nor look like spam; and their rows hold no text yet (`Mail.attaches`), which a run could not afford.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.store.tables import Mail

FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=6)
TRIES_MAX = 21
"""With the waits between them: three days from the first try, however long the mail had waited for that one."""
EXPIRES_AFTER = timedelta(days=2)
EXPIRING_KINDS = frozenset(("reminder", "notice", "suspended", "restored", "voip_low_credit"))
PRIORITIES = {"reminder": 1, "invoice": 2, "credit_note": 2, "voip_statement": 2}
"""What goes after the others; any other kind is 0, because somebody waits for it."""
BULK = 2
"""Mails of this priority have a rate of their own."""
EXPIRED = "expired"
"""How `last_error` begins for a mail that was not sent because it was no longer true; nobody refused it."""
IS_WAITING = Mail.sent_at.is_(None) & Mail.failed_at.is_(None)
# The index on `sent_at` finds the few that were never sent.
_IS_GIVEN_UP = Mail.sent_at.is_(None) & Mail.failed_at.is_not(None)
IS_EXPIRED = _IS_GIVEN_UP & Mail.last_error.startswith(EXPIRED)
IS_FAILED = _IS_GIVEN_UP & ~IS_EXPIRED & Mail.dismissed_at.is_(None)
"""Refused for good, and nobody has looked at it."""
_CHUNK_ROWS = 500
_NO_DOMAIN = "hradlo.invalid"  # mails are written before a sender is set up, too
_ERROR_LENGTH_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Draft:
    """A mail as its room wrote it."""

    dedup_key: str
    """Says what the mail is, e.g. `reminder:42:3:1001`; the second one of a key is not written."""
    contract_id: int | None
    kind: str
    recipient: str
    subject: str
    text: str
    html: str
    qr_payment: str = ""
    attaches: str = ""


async def put(session: AsyncSession, drafts: Sequence[Draft], now: datetime, *, domain: str) -> int:
    """Writes drafts down and returns how many were new; `domain` (`sender_domain`) is for the Message-ID."""
    insert = postgresql_insert if session.get_bind().dialect.name == "postgresql" else sqlite_insert
    # any conflict: the Message-ID follows from the key, and of two writers at once either may be seen first
    statement = insert(Mail).on_conflict_do_nothing().returning(Mail.id)
    count = 0
    for start in range(0, len(drafts), _CHUNK_ROWS):
        rows = [_row(draft, now, domain) for draft in drafts[start : start + _CHUNK_ROWS]]
        count += len((await session.execute(statement, rows)).all())
    return count


async def claim(
    session: AsyncSession, now: datetime, limit: int, lease_seconds: float, *, with_bulk: bool = True
) -> list[Mail]:
    """Takes at most `limit` mails that are due; nobody else gets them before the lease runs out."""
    due = _due(now, with_bulk).limit(limit).with_for_update(skip_locked=True)
    ids = (await session.execute(due)).scalars().all()
    if not ids:
        return []
    leased = (
        update(Mail)
        .where(Mail.id.in_(ids))
        .values(lease_until=now + timedelta(seconds=lease_seconds), tries=Mail.tries + 1)
        .returning(Mail)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return sorted((await session.execute(leased)).scalars(), key=lambda mail: (mail.priority, mail.id))


async def is_due(session: AsyncSession, now: datetime, *, with_bulk: bool = True) -> bool:
    """Whether there is any mail to claim."""
    return await session.scalar(_due(now, with_bulk).limit(1)) is not None


async def recently_sent(
    session: AsyncSession, since: datetime, now: datetime, *, only_bulk: bool = False
) -> list[datetime]:
    """When mails were sent after `since`; those that somebody is just sending count as sent now."""
    kinds = (Mail.priority == BULK,) if only_bulk else ()
    sent = await session.scalars(select(Mail.sent_at).where(Mail.sent_at > since, *kinds))
    under_way = select(func.count()).where(Mail.lease_until > now, IS_WAITING, *kinds)
    return [at for at in sent if at is not None] + [now] * (await session.scalar(under_way) or 0)


async def write_down(session: AsyncSession, mail_id: int, *, text: str, html: str, qr_payment: str) -> None:
    """What a mail says that had no text yet, so that every try says the same."""
    said = update(Mail).where(Mail.id == mail_id).values(text=text, html=html, qr_payment=qr_payment)
    await session.execute(said)


async def mark_sent(session: AsyncSession, mail_id: int, now: datetime) -> None:
    """The server took the mail. What was written from a document can be written again, so it is not kept."""
    taken = update(Mail).where(Mail.id == mail_id)
    await session.execute(taken.values(sent_at=now, lease_until=None, last_error=""))
    await session.execute(taken.where(Mail.attaches != "").values(text="", html=""))


async def mark_failed(session: AsyncSession, mail_id: int, error: str, now: datetime, is_final: bool) -> None:
    """The server did not take the mail: it is tried again later, unless the refusal is final or one of too many."""
    mail = await session.get_one(Mail, mail_id, populate_existing=True)
    mail.last_error = error[:_ERROR_LENGTH_MAX]
    mail.lease_until = None
    if is_final or mail.tries >= TRIES_MAX:
        mail.failed_at = now
    else:
        mail.next_try_at = now + wait_after(mail.tries)
    await session.flush()


def is_expired(mail: Mail, now: datetime) -> bool:
    """What it says was true too long ago to be sent now."""
    return mail.kind in EXPIRING_KINDS and now - mail.created_at >= EXPIRES_AFTER


def wait_after(tries: int) -> timedelta:
    """How long to wait after so many tries: a minute, doubled each time, up to six hours."""
    doublings = min(max(tries - 1, 0), 16)  # bounded, so that no count of tries can overflow
    doubled: timedelta = FIRST_WAIT * 2**doublings
    return min(doubled, LONGEST_WAIT)


def sender_domain(sender: str) -> str:
    """What stands after the @ of a sender such as ``My ISP <billing@isp.example>``, in ASCII."""
    _, at, domain = sender.strip().removesuffix(">").rpartition("@")
    try:
        return domain.encode("idna").decode("ascii") if at and domain else _NO_DOMAIN
    except UnicodeError:
        return _NO_DOMAIN


def message_id(dedup_key: str, domain: str) -> str:
    """The same for ever for the same mail."""
    return f"<{hashlib.sha256(dedup_key.encode()).hexdigest()[:32]}@{domain}>"


def _due(now: datetime, with_bulk: bool) -> Select[int]:
    due = select(Mail.id).where(
        IS_WAITING,
        Mail.next_try_at <= now,
        or_(Mail.lease_until.is_(None), Mail.lease_until <= now),
    )
    if not with_bulk:
        due = due.where(Mail.priority < BULK)
    return due.order_by(Mail.priority, Mail.next_try_at, Mail.id)


def _row(draft: Draft, now: datetime, domain: str) -> dict[str, Any]:
    return {
        **asdict(draft),
        "priority": PRIORITIES.get(draft.kind, 0),
        "message_id": message_id(draft.dedup_key, domain),
        "created_at": now,
        "next_try_at": now,
        "tries": 0,
        "last_error": "",
    }
