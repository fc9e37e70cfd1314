"""May this call begin, and for how long? What an exchange asks before it connects, answered from the credit.

    emergency ─► always                      free number ─► yes, without a hold
    paid ─► caller known and active? contract not suspended? price known? ─► a hold, and the seconds that it covers

A hold sets credit aside: the cost of the call's first `hold_minutes`, or of as much as the free credit covers. It is
taken by one conditional UPDATE, so ten calls at once never share the same credit. It is freed by the call's record
(`settling`), or by itself when the call must have ended long ago. Asking again for the same call gives the same
answer. Whatever can't be known lets no paid call pass.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning.facts import Stage
from billing.dunning.tables import Standing
from billing.voip import decks, numbers
from billing.voip.credit import NONE, Credit
from billing.voip.numbers import Called, Nature
from billing.voip.rating import Rate
from billing.voip.tables import VoipHold, VoipNumber
from config.settings import Settings

CALL_ID_LENGTH_MAX = 128
KEPT_AFTER_END = timedelta(days=90)
"""So long a call's id can't be used again."""
RINGING_SECONDS = 180
"""A call rings for so long at most before its seconds begin to count."""


class Reason(StrEnum):
    """Why a call may begin, or may not; the words that an exchange gets."""

    EMERGENCY = "emergency"
    FREE = "free"
    CREDIT = "credit"
    NOT_A_NUMBER = "not_a_number"
    UNKNOWN_CALLER = "unknown_caller"
    CLOSED = "closed"
    BLOCKED = "blocked"
    SUSPENDED = "suspended"
    NO_RATE = "no_rate"
    NO_CREDIT = "no_credit"
    CALL_ENDED = "call_ended"
    """The call with this id has ended; or another call has this id."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to an exchange."""

    allowed: bool
    reason: Reason
    max_seconds: int | None = None
    """Of the answered call; None = no limit. Nothing to count when it is not allowed."""
    reserved: Credit = NONE


EMERGENCY = Verdict(True, Reason.EMERGENCY)
"""What is answered about an emergency number before anybody is asked, the database least of all."""


async def authorize(
    session: AsyncSession, *, caller: str, called: str, call_id: str, settings: Settings, now: datetime
) -> Verdict:
    """Decides about a call that is about to begin and, when it is paid and allowed, reserves credit for it.

    Never raises about what an exchange may send. The caller asks `numbers.is_emergency` itself first, so that a
    database that is down keeps nobody from help.
    """
    country = settings.isp.country
    try:
        target = numbers.called(called, country)
    except ValueError:
        return Verdict(False, Reason.NOT_A_NUMBER)
    if target.nature is Nature.EMERGENCY:
        return EMERGENCY
    number = await _number(session, caller, country)
    refusal = _refusal(number)
    if number is None or refusal is not None:
        return refusal or Verdict(False, Reason.UNKNOWN_CALLER)
    deck = await decks.deck_at(session, number.deck, now)
    rate = deck.rate_of(target) if deck else None
    if target.nature is Nature.FREE or (rate is not None and rate.is_free):
        return Verdict(True, Reason.FREE)
    if number.state == "blocked":
        return Verdict(False, Reason.BLOCKED)
    if number.is_suspended:
        return Verdict(False, Reason.SUSPENDED)
    if rate is None:
        return Verdict(False, Reason.NO_RATE)
    return await _held(session, number, target, rate, call_id[:CALL_ID_LENGTH_MAX], settings, now)


async def expire_holds(session: AsyncSession, now: datetime) -> int:
    """Frees the holds whose calls must have ended and left no record; returns how many those were."""
    is_over = (VoipHold.state == "open") & (VoipHold.expires_at <= now)
    count = 0
    for number_id in sorted(await session.scalars(select(VoipHold.number_id).where(is_over).distinct())):
        await _free_credit(session, number_id)  # locks the number before its holds, as everybody does
        expired = update(VoipHold).where(VoipHold.number_id == number_id, is_over)
        expired = expired.values(state="expired", ended_at=now).execution_options(synchronize_session=False)
        amounts = (await session.scalars(expired.returning(VoipHold.amount))).all()
        freed = update(VoipNumber).where(VoipNumber.id == number_id)
        freed = freed.values(reserved=VoipNumber.reserved - Credit.total(amounts))
        await session.execute(freed.execution_options(synchronize_session=False))
        count += len(amounts)
    return count


async def is_any_over(session: AsyncSession, now: datetime) -> bool:
    """Whether `expire_holds` or `forget_holds` has anything to do."""
    is_over = (VoipHold.state == "open") & (VoipHold.expires_at <= now)
    is_old = VoipHold.ended_at < now - KEPT_AFTER_END
    return await session.scalar(select(VoipHold.call_id).where(is_over | is_old).limit(1)) is not None


async def forget_holds(session: AsyncSession, now: datetime) -> None:
    """Deletes holds that ended long ago; their calls stay for ever."""
    await session.execute(delete(VoipHold).where(VoipHold.ended_at < now - KEPT_AFTER_END))


@dataclass(frozen=True, slots=True)
class _Caller:
    """What decides about the caller."""

    id: int
    deck: str
    state: str
    is_suspended: bool


async def _number(session: AsyncSession, caller: str, country: str) -> _Caller | None:
    try:
        text = str(numbers.called(caller, country))
    except ValueError:
        return None
    query = (
        select(VoipNumber.id, VoipNumber.deck, VoipNumber.state, Standing.stage)
        .outerjoin(Standing, Standing.contract_id == VoipNumber.contract_id)
        .where(VoipNumber.number == text)
    )
    row = (await session.execute(query)).one_or_none()
    return _Caller(row.id, row.deck, row.state, row.stage == Stage.SUSPENDED.value) if row else None


def _refusal(number: _Caller | None) -> Verdict | None:
    if number is None:
        return Verdict(False, Reason.UNKNOWN_CALLER)
    return Verdict(False, Reason.CLOSED) if number.state == "closed" else None


async def _held(
    session: AsyncSession,
    number: _Caller,
    target: Called,
    rate: Rate,
    call_id: str,
    settings: Settings,
    now: datetime,
) -> Verdict:
    free_credit = await _free_credit(session, number.id)  # locks the number, so that what follows is one at a time
    known = await session.get(VoipHold, call_id, populate_existing=True)
    if known is not None:
        return _again(known, number, target)
    voip = settings.voip
    seconds = rate.affordable_seconds(free_credit, voip.hold_minutes * 60 + voip.tick_seconds)
    told, amount = seconds - voip.tick_seconds, rate.cost(seconds)
    if told <= 0 or not await _reserve(session, number.id, amount):
        return Verdict(False, Reason.NO_CREDIT)
    lasts = timedelta(seconds=RINGING_SECONDS + seconds, minutes=voip.hold_grace_minutes)
    row = {
        "call_id": call_id,
        "number_id": number.id,
        "called": str(target),
        "rate_id": rate.id,
        "amount": amount,
        "seconds_max": told,
        "state": "open",
        "created_at": now,
        "expires_at": now + lasts,
    }
    await session.execute(insert(VoipHold).values(**row))
    return Verdict(True, Reason.CREDIT, told, amount)


def _again(known: VoipHold, number: _Caller, target: Called) -> Verdict:
    """The same answer to the same question; a call that has ended does not begin again."""
    if known.state != "open" or (known.number_id, known.called) != (number.id, str(target)):
        return Verdict(False, Reason.CALL_ENDED)
    return Verdict(True, Reason.CREDIT, known.seconds_max, known.amount)


async def _free_credit(session: AsyncSession, number_id: int) -> Credit:
    found = select(VoipNumber.balance, VoipNumber.reserved).where(VoipNumber.id == number_id).with_for_update()
    balance, reserved = (await session.execute(found)).one()
    return balance - reserved


async def _reserve(session: AsyncSession, number_id: int, amount: Credit) -> bool:
    reserved = (
        update(VoipNumber)
        .where(VoipNumber.id == number_id, VoipNumber.balance >= VoipNumber.reserved + amount)
        .values(reserved=VoipNumber.reserved + amount)
        .execution_options(synchronize_session=False)
    )
    result = await session.execute(reserved.returning(VoipNumber.id))
    return result.one_or_none() is not None
