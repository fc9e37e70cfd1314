"""How a customer comes into the portal and out again: sessions, one-time links, passwords.

Tokens are known to the browser (or the mail) alone; what is stored is their hash, so a stolen database opens no
session. Each function takes part in the caller's transaction. What a customer does is in the audit journal, for
each of the customer's contracts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.passwords import new_token, token_sha256
from billing.customers.tables import Contract, Customer, LoginSession, OneTimeLink
from billing.store import journal

ACTOR = "customer"
_TOUCH_EVERY = timedelta(minutes=1)
_ADDRESSES_KNOWN = 50
PASSWORD_LINKS_MAX = 3
"""So many links for a password are good at the same time: anybody may ask for one, so one more must neither end those
that the customer has in the mail, nor fill the mailbox."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a log-in is checked against."""

    customer_id: int
    password_hash: str
    email: str
    language: str


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """Who a session belongs to."""

    session_id: int
    customer_id: int
    customer_number: str
    name: str
    language: str
    must_change_password: bool


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One browser, for the list of them."""

    id: int
    created_at: datetime
    seen_at: datetime
    source_address: str
    user_agent: str


async def credentials(session: AsyncSession, customer_number: str) -> Credentials | None:
    """The credentials of a customer; None for nobody."""
    columns = (Customer.id, Customer.password_hash, Customer.email, Customer.language)
    row = (await session.execute(select(*columns).where(Customer.number == customer_number.strip()))).first()
    return Credentials(*row) if row else None


async def open_session(
    session: AsyncSession, customer_id: int, *, source_address: str, user_agent: str, now: datetime
) -> str:
    """A new session; returns its token, which is stored nowhere."""
    token = new_token()
    row = {"customer_id": customer_id, "created_at": now, "seen_at": now, "source_address": source_address}
    await session.execute(
        insert(LoginSession).values(token_sha256=token_sha256(token), user_agent=user_agent[:300], **row)
    )
    await note(session, customer_id, "customer.logged_in", now, {"source_address": source_address})
    return token


async def logged_in(
    session: AsyncSession, token: str, now: datetime, *, idle: timedelta, lasts: timedelta
) -> tuple[LoggedIn, bool] | None:
    """Whose session a token is, and whether it is time to `touch` it; None for one that is over or never was."""
    query = (
        select(
            LoginSession.id,
            LoginSession.seen_at,
            LoginSession.created_at,
            Customer.id,
            Customer.number,
            Customer.name,
            Customer.language,
            Customer.password_is_one_time,
        )
        .join(Customer, Customer.id == LoginSession.customer_id)
        .where(LoginSession.token_sha256 == token_sha256(token), LoginSession.ended_at.is_(None))
    )
    row = (await session.execute(query)).first()
    if row is None:
        return None
    session_id, seen_at, created_at, customer_id, number, name, language, is_one_time = row
    if is_over(seen_at, created_at, now, idle=idle, lasts=lasts):
        return None
    return LoggedIn(session_id, customer_id, number, name, language, is_one_time), is_stale(seen_at, now)


def is_over(seen_at: datetime, created_at: datetime, now: datetime, *, idle: timedelta, lasts: timedelta) -> bool:
    """Whether a session has ended by itself: too long unused, or too old."""
    return now - seen_at >= idle or now - created_at >= lasts


def is_stale(seen_at: datetime, now: datetime) -> bool:
    """Whether it is time to `touch` a session that is being used."""
    return now - seen_at >= _TOUCH_EVERY


async def addresses_of(session: AsyncSession, customer_id: int) -> list[str]:
    """From where somebody logged in as this customer lately, the newest first."""
    query = (
        select(LoginSession.source_address)
        .where(LoginSession.customer_id == customer_id)
        .order_by(LoginSession.id.desc())
        .limit(_ADDRESSES_KNOWN)
    )
    return list(await session.scalars(query))


async def touch(session: AsyncSession, session_id: int, now: datetime) -> None:
    """The session was used; once a minute is enough."""
    await session.execute(update(LoginSession).where(LoginSession.id == session_id).values(seen_at=now))


async def sessions_of(session: AsyncSession, customer_id: int, since_at: datetime) -> list[OpenSession]:
    """The sessions that were used since then and not ended, the newest first."""
    query = (
        select(LoginSession)
        .where(LoginSession.customer_id == customer_id, LoginSession.ended_at.is_(None))
        .where(LoginSession.seen_at > since_at)
        .order_by(LoginSession.seen_at.desc(), LoginSession.id.desc())
    )
    return [
        OpenSession(row.id, row.created_at, row.seen_at, row.source_address, row.user_agent)
        for row in await session.scalars(query)
    ]


async def end_session(session: AsyncSession, session_id: int, now: datetime) -> None:
    """Logs one browser out."""
    await session.execute(update(LoginSession).where(LoginSession.id == session_id).values(ended_at=now))


async def end_sessions(session: AsyncSession, customer_id: int, now: datetime, *, but: int = 0) -> None:
    """Logs all browsers of a customer out, except the session `but`."""
    running = (LoginSession.customer_id == customer_id) & LoginSession.ended_at.is_(None) & (LoginSession.id != but)
    await session.execute(update(LoginSession).where(running).values(ended_at=now))
    await note(session, customer_id, "customer.logged_out", now, {"everywhere": True})


async def set_password(
    session: AsyncSession, customer_id: int, password_hash: str, now: datetime, *, actor: str = ACTOR, one_time: bool
) -> None:
    """A new password; every session and every unused link of the customer ends with the old one."""
    values = {"password_hash": password_hash, "password_is_one_time": one_time}
    await session.execute(update(Customer).where(Customer.id == customer_id).values(**values))
    running = (LoginSession.customer_id == customer_id) & LoginSession.ended_at.is_(None)
    await session.execute(update(LoginSession).where(running).values(ended_at=now))
    await end_links(session, customer_id, now)
    await note(session, customer_id, "customer.password_changed", now, actor=actor)


async def end_links(session: AsyncSession, customer_id: int, now: datetime) -> None:
    """Ends every unused link, for an address as well: who was inside unasked may have sent one to an address of their
    own, and who reads the old address must not come in by what was sent there."""
    unused = (OneTimeLink.customer_id == customer_id) & OneTimeLink.used_at.is_(None)
    await session.execute(update(OneTimeLink).where(unused).values(used_at=now))


async def make_link(
    session: AsyncSession, kind: str, customer_id: int, email: str, *, lasts: timedelta, now: datetime
) -> str:
    """A one-time link to be mailed to `email`; returns its token. Of links for a new address, the older one ends."""
    older = (OneTimeLink.customer_id == customer_id) & (OneTimeLink.kind == kind) & OneTimeLink.used_at.is_(None)
    if kind == "email":
        await session.execute(update(OneTimeLink).where(older).values(used_at=now))
    token = new_token()
    row = {"kind": kind, "customer_id": customer_id, "email": email, "created_at": now, "expires_at": now + lasts}
    await session.execute(insert(OneTimeLink).values(token_sha256=token_sha256(token), **row))
    return token


async def may_mail_password_link(session: AsyncSession, customer_id: int, now: datetime) -> bool:
    """Whether one more link for a password may be made: not while the customer has enough of them."""
    mine = (OneTimeLink.customer_id == customer_id) & (OneTimeLink.kind == "password")
    good = mine & OneTimeLink.used_at.is_(None) & (OneTimeLink.expires_at > now)
    return (await session.scalar(select(func.count()).where(good)) or 0) < PASSWORD_LINKS_MAX


async def link(session: AsyncSession, kind: str, token: str, now: datetime) -> tuple[int, str] | None:
    """The customer and the address of a link that can still be used; it stays usable until `use_link`."""
    query = select(OneTimeLink.customer_id, OneTimeLink.email).where(*_usable(kind, token, now))
    row = (await session.execute(query)).first()
    return (row[0], row[1]) if row else None


async def pending_email(session: AsyncSession, customer_id: int, now: datetime) -> str:
    """The new address that waits for its link to be opened; empty when none does."""
    waits = (OneTimeLink.customer_id == customer_id) & (OneTimeLink.kind == "email") & OneTimeLink.used_at.is_(None)
    return await session.scalar(select(OneTimeLink.email).where(waits, OneTimeLink.expires_at > now)) or ""


async def use_link(session: AsyncSession, kind: str, token: str, now: datetime) -> tuple[int, str] | None:
    """Uses a link up: of two who click at once, one gets it."""
    found = await link(session, kind, token, now)
    if found is None:
        return None
    used = await session.execute(
        update(OneTimeLink).where(*_usable(kind, token, now)).values(used_at=now).returning(OneTimeLink.id)
    )
    return found if used.first() else None


def _usable(kind: str, token: str, now: datetime) -> Sequence[Any]:
    return (
        OneTimeLink.token_sha256 == token_sha256(token),
        OneTimeLink.kind == kind,
        OneTimeLink.used_at.is_(None),
        OneTimeLink.expires_at > now,
    )


async def note(
    session: AsyncSession,
    customer_id: int,
    action: str,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
    *,
    actor: str = ACTOR,
    why: str = "",
) -> None:
    """One journal entry for each contract of the customer (or one for none), as `hradlo show` looks by contract."""
    number = await session.scalar(select(Customer.number).where(Customer.id == customer_id))
    found = await session.scalars(select(Contract.id).where(Contract.customer_id == customer_id).order_by(Contract.id))
    contract_ids: list[int | None] = list(found)
    entries = [
        journal.Entry(now, actor, action, contract_id, {"customer": number, **(detail or {})}, why)
        for contract_id in contract_ids or [None]
    ]
    await journal.append_many(session, entries)
