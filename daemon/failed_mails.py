"""Mails that a server refused for good: a person corrects the address and sends them again, or sets them aside."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract, Customer
from billing.store import journal, outbox
from billing.store.tables import Mail
from config.errors import NotAllowed, NotFound


@dataclass(frozen=True, slots=True)
class FailedMail:
    """One of them, as a person looks at it."""

    id: int
    failed_at: datetime
    contract: str
    kind: str
    recipient: str
    error: str


async def failed_mails(session: AsyncSession) -> list[FailedMail]:
    """Those that nobody has looked at, the oldest first."""
    query = (
        select(Mail.id, Mail.failed_at, func.coalesce(Contract.number, ""), Mail.kind, Mail.recipient, Mail.last_error)
        .outerjoin(Contract, Contract.id == Mail.contract_id)
        .where(outbox.IS_FAILED)
        .order_by(Mail.id)
    )
    rows = await session.execute(query)
    return [FailedMail(*row) for row in rows]  # type: ignore[arg-type]  # what failed has its instant


async def retry(session: AsyncSession, mail_id: int, *, actor: str, now: datetime) -> str:
    """Lets a mail go again, to the address that its customer has now, and returns that.

    Raises `NotFound`, or `NotAllowed` where the customer has no address, or what the mail says is no longer true.
    """
    mail = await _failed(session, mail_id)
    if outbox.is_expired(mail, now):
        raise NotAllowed(
            f"Mail {mail_id} ({mail.kind}) says what was true on {mail.created_at:%Y-%m-%d}; it is not sent again.",
            f"Set it aside: hradlo mails dismiss {mail_id}",
        )
    recipient = await _address_now(session, mail)
    if not recipient:
        raise NotAllowed(
            f"The customer of mail {mail_id} has no e-mail address.", "Correct it first: hradlo import customers"
        )
    mail.recipient, mail.failed_at, mail.next_try_at, mail.tries = recipient, None, now, 0
    await session.flush()
    await _journal(session, "mail.retried", mail, actor, "", now)
    return recipient


async def dismiss(session: AsyncSession, mail_ids: Collection[int], *, actor: str, why: str, now: datetime) -> None:
    """Sets mails aside: they are counted no more, and stay in their contracts' reports. Raises `NotFound`."""
    for mail_id in mail_ids:
        mail = await _failed(session, mail_id)
        await session.execute(update(Mail).where(Mail.id == mail_id).values(dismissed_at=now))
        await _journal(session, "mail.dismissed", mail, actor, why, now)


async def _failed(session: AsyncSession, mail_id: int) -> Mail:
    mail = await session.scalar(select(Mail).where(Mail.id == mail_id, outbox.IS_FAILED))
    if mail is None:
        raise NotFound(f"There is no failed mail {mail_id}.", "Which there are: hradlo mails failed")
    return mail


async def _address_now(session: AsyncSession, mail: Mail) -> str:
    """A contract's customer may have another address by now; other mails go where they were meant to go."""
    if mail.contract_id is None:
        return mail.recipient
    query = select(Customer.email).join(Contract, Contract.customer_id == Customer.id)
    return await session.scalar(query.where(Contract.id == mail.contract_id)) or ""


async def _journal(session: AsyncSession, action: str, mail: Mail, actor: str, why: str, now: datetime) -> None:
    detail = {"mail_id": mail.id, "kind": mail.kind, "recipient": mail.recipient}
    await journal.append(
        session, at=now, actor=actor, action=action, contract_id=mail.contract_id, detail=detail, why=why
    )
