"""Log-ins of the VoIP zone: the same sessions as the portal's, of a number instead of a customer.

A customer's session opens no number and a number's opens no customer: each is found through its own owner alone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.logins import is_over, is_stale
from billing.customers.passwords import new_token, token_sha256
from billing.customers.tables import Contract, Customer, LoginSession
from billing.store import journal
from billing.voip.tables import VoipNumber

ACTOR = "subscriber"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose number a session belongs to."""

    session_id: int
    number_id: int
    number: str
    """E.164 with its +."""
    deck: str
    contract_number: str
    language: str
    must_change_password: bool = False


async def open_session(
    session: AsyncSession, number: VoipNumber, *, source_address: str, user_agent: str, now: datetime
) -> str:
    """A new session; returns its token, which is stored nowhere."""
    token = new_token()
    row = {"voip_number_id": number.id, "created_at": now, "seen_at": now, "source_address": source_address}
    await session.execute(
        insert(LoginSession).values(token_sha256=token_sha256(token), user_agent=user_agent[:300], **row)
    )
    detail = {"number": number.number, "source_address": source_address}
    await journal.append(
        session, at=now, actor=ACTOR, action="voip.logged_in", contract_id=number.contract_id, detail=detail
    )
    return token


async def logged_in(
    session: AsyncSession, token: str, now: datetime, *, idle: timedelta, lasts: timedelta
) -> tuple[Caller, bool] | None:
    """Whose session a token is, and whether it is time to `touch` it; None for one that is over or never was."""
    query = (
        select(LoginSession, VoipNumber, Contract.number, Customer.language)
        .join(VoipNumber, VoipNumber.id == LoginSession.voip_number_id)
        .join(Contract, Contract.id == VoipNumber.contract_id)
        .join(Customer, Customer.id == Contract.customer_id)
        .where(LoginSession.token_sha256 == token_sha256(token), LoginSession.ended_at.is_(None))
        .where(VoipNumber.state != "closed")
    )
    row = (await session.execute(query)).first()
    if row is None:
        return None
    open_one, number, contract_number, language = row
    if is_over(open_one.seen_at, open_one.created_at, now, idle=idle, lasts=lasts):
        return None
    caller = Caller(open_one.id, number.id, number.number, number.deck, contract_number, language)
    return caller, is_stale(open_one.seen_at, now)


async def end_all(session: AsyncSession, number_id: int, now: datetime) -> None:
    """Ends every log-in of a number."""
    running = (LoginSession.voip_number_id == number_id) & LoginSession.ended_at.is_(None)
    await session.execute(update(LoginSession).where(running).values(ended_at=now))
