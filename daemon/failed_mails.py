"""Mails that a server refused for good: a person corrects the address and sends them again, or sets them aside."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract, Customer
from billing.store import journal, outbox
from billing.store.tables import Mail
from config.days import day_of
from config.errors import NotAllowed, NotFound
from config.settings import Settings


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


async def retry(
    session: AsyncSession, mail_ids: Iterable[int], settings: Settings, *, actor: str, now: datetime
) -> dict[int, str]:
    """Lets mails go again, each to the address that its customer has now; returns those by the mails' ids.

    Raises `NotFound`, or `NotAllowed` where the customer has no address, what the mail says is no longer true, or it
    is of no contract (a link, a message to the admin): its address can't be looked up.
    """
    await journal.lock(session)
    return {mail_id: await _retry(session, mail_id, settings, actor, now) for mail_id in dict.fromkeys(mail_ids)}


async def _retry(session: AsyncSession, mail_id: int, settings: Settings, actor: str, now: datetime) -> str:
    mail = await _failed(session, mail_id)
    aside = f"Set it aside: hradlo mails dismiss {mail_id}"
    if mail.contract_id is None:
        raise NotAllowed(f"Mail {mail_id} ({mail.kind}) is of no contract; it can't be sent again.", aside)
    if outbox.is_expired(mail, now):
        written_on = day_of(mail.created_at, settings.zone)
        raise NotAllowed(f"Mail {mail_id} ({mail.kind}) says what was true on {written_on}.", aside)
    query = select(Customer.email).join(Contract, Contract.customer_id == Customer.id)
    recipient = await session.scalar(query.where(Contract.id == mail.contract_id))
    if not recipient:
        raise NotAllowed(
            f"The customer of mail {mail_id} has no e-mail address.", "Correct it first: hradlo import customers"
        )
    mail.recipient, mail.failed_at, mail.next_try_at, mail.tries = recipient, None, now, 0
    await session.flush()
    await _journal(session, "mail.retried", mail, actor, "", now)
    return recipient


async def dismiss(session: AsyncSession, mail_ids: Iterable[int] | None, *, actor: str, why: str, now: datetime) -> int:
    """Sets mails aside, or all that failed, and says how many; raises `NotFound`.

    They are counted no more, and stay in their contracts' reports.
    """
    await journal.lock(session)
    chosen = [each.id for each in await failed_mails(session)] if mail_ids is None else list(dict.fromkeys(mail_ids))
    for mail_id in chosen:
        mail = await _failed(session, mail_id)
        await session.execute(update(Mail).where(Mail.id == mail_id).values(dismissed_at=now))
        await _journal(session, "mail.dismissed", mail, actor, why, now)
    return len(chosen)


async def _failed(session: AsyncSession, mail_id: int) -> Mail:
    mail = await session.scalar(select(Mail).where(Mail.id == mail_id, outbox.IS_FAILED))
    if mail is None:
        raise NotFound(f"There is no failed mail {mail_id}.", "Which there are: hradlo mails failed")
    return mail


async def _journal(session: AsyncSession, action: str, mail: Mail, actor: str, why: str, now: datetime) -> None:
    detail = {"mail_id": mail.id, "kind": mail.kind, "recipient": mail.recipient}
    await journal.append(
        session, at=now, actor=actor, action=action, contract_id=mail.contract_id, detail=detail, why=why
    )
