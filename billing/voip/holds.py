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
from typing import Any, cast

from sqlalchemy import Table, bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning.facts import Stage
from billing.dunning.tables import Standing
from billing.store.schema import Instant
from billing.voip import decks, numbers
from billing.voip.credit import NONE, Credit
from billing.voip.numbers import Called, Nature
from billing.voip.rating import DeckHead, Rate
from billing.voip.tables import CreditAmount, VoipDeck, VoipHold, VoipNumber
from config.errors import NotAllowed
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


# Built once: a question comes two hundred times a second, and has five milliseconds.
_NUMBER, _HOLD, _DECK = (cast(Table, each.__table__) for each in (VoipNumber, VoipHold, VoipDeck))
_STANDING = cast(Table, Standing.__table__)
_DECK_THEN = (
    select(_DECK.c.id)
    .where(_DECK.c.name == _NUMBER.c.deck, _DECK.c.valid_from_at <= bindparam("at", type_=Instant))
    .order_by(_DECK.c.valid_from_at.desc(), _DECK.c.id.desc())
    .limit(1)
    .correlate(_NUMBER)
    .scalar_subquery()
)
_KNOWN = select(
    _HOLD.c.number_id.label("held_by"),
    _HOLD.c.called,
    _HOLD.c.state.label("hold_state"),
    _HOLD.c.amount,
    _HOLD.c.seconds_max,
).where(_HOLD.c.call_id == bindparam("of_call"))
_QUESTION = (
    select(
        _NUMBER.c.id,
        _NUMBER.c.deck,
        _NUMBER.c.state,
        _NUMBER.c.balance,
        _NUMBER.c.reserved,
        _STANDING.c.stage,
        _DECK.c.id.label("deck_id"),
        _DECK.c.version,
        *_KNOWN.selected_columns,
    )
    .select_from(
        _NUMBER.outerjoin(_STANDING, _STANDING.c.contract_id == _NUMBER.c.contract_id)
        .outerjoin(_HOLD, _HOLD.c.call_id == bindparam("of_call"))
        .outerjoin(_DECK, _DECK.c.id == _DECK_THEN)
    )
    .where(_NUMBER.c.number == bindparam("of_number"))
    .with_for_update(of=_NUMBER)
)
_RESERVE = (
    update(_NUMBER)
    .where(
        _NUMBER.c.id == bindparam("of_id"),
        _NUMBER.c.balance >= _NUMBER.c.reserved + bindparam("amount_", type_=CreditAmount),
    )
    .values(reserved=_NUMBER.c.reserved + bindparam("amount_", type_=CreditAmount))
)
_HOLD_ON_SQLITE = sqlite_insert(_HOLD).on_conflict_do_nothing()
_HOLD_ON_POSTGRESQL = postgresql_insert(_HOLD).on_conflict_do_nothing()


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
    caller_number = _as_number(caller, country)
    asked = await _ask(session, caller_number, call_id[:CALL_ID_LENGTH_MAX], now) if caller_number else None
    if asked is None:
        return Verdict(False, Reason.UNKNOWN_CALLER)
    if asked.state == "closed":
        return Verdict(False, Reason.CLOSED)
    deck = await decks.loaded(session, DeckHead(asked.deck_id, asked.version, asked.deck)) if asked.version else None
    rate = deck.rate_of(target) if deck else None
    if target.nature is Nature.FREE or (rate is not None and rate.is_free):
        return Verdict(True, Reason.FREE)
    if asked.state == "blocked":
        return Verdict(False, Reason.BLOCKED)
    if asked.stage == Stage.SUSPENDED.value:
        return Verdict(False, Reason.SUSPENDED)
    if rate is None:
        return Verdict(False, Reason.NO_RATE)
    if asked.held_by is not None:
        return _again(asked, asked.id, target)
    return await _held(session, asked, target, rate, call_id[:CALL_ID_LENGTH_MAX], settings, now)


async def expire_holds(session: AsyncSession, now: datetime) -> int:
    """Frees the holds whose calls must have ended and left no record; returns how many those were."""
    is_over = (VoipHold.state == "open") & (VoipHold.expires_at <= now)
    count = 0
    for number_id in sorted(await session.scalars(select(VoipHold.number_id).where(is_over).distinct())):
        # locks the number before its holds, as everybody does
        await session.execute(select(VoipNumber.id).where(VoipNumber.id == number_id).with_for_update())
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


def _as_number(text: str, country: str) -> str | None:
    try:
        return str(numbers.called(text, country))
    except ValueError:
        return None


async def _ask(session: AsyncSession, number: str, call_id: str, now: datetime) -> Any:
    """All that decides, in one query (`_QUESTION`), with the number's row locked; None for nobody's number."""
    found = await session.execute(_QUESTION, {"of_number": number, "of_call": call_id, "at": now})
    return found.one_or_none()


async def _held(
    session: AsyncSession, asked: Any, target: Called, rate: Rate, call_id: str, settings: Settings, now: datetime
) -> Verdict:
    voip = settings.voip
    seconds = rate.affordable_seconds(asked.balance - asked.reserved, voip.hold_minutes * 60 + voip.tick_seconds)
    told, amount = seconds - voip.tick_seconds, rate.cost(seconds)
    if told <= 0:
        return Verdict(False, Reason.NO_CREDIT)
    row = {
        "call_id": call_id,
        "number_id": asked.id,
        "called": str(target),
        "rate_id": rate.id,
        "amount": amount,
        "seconds_max": told,
        "state": "open",
        "created_at": now,
        "expires_at": now + timedelta(seconds=RINGING_SECONDS + seconds, minutes=voip.hold_grace_minutes),
        "ended_at": None,
    }
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    if not _count(await session.execute(_HOLD_ON_POSTGRESQL if is_postgresql else _HOLD_ON_SQLITE, row)):
        # the same call was asked about at the same moment (PostgreSQL): its answer is there by now
        known = (await session.execute(_KNOWN, {"of_call": call_id})).one()
        return _again(known, asked.id, target)
    if not _count(await session.execute(_RESERVE, {"of_id": asked.id, "amount_": amount})):
        raise NotAllowed("The credit changed under its lock.")  # and so does nothing at all
    return Verdict(True, Reason.CREDIT, told, amount)


def _again(known: Any, number_id: int, target: Called) -> Verdict:
    """The same answer to the same question; a call that has ended does not begin again."""
    if known.hold_state != "open" or (known.held_by, known.called) != (number_id, str(target)):
        return Verdict(False, Reason.CALL_ENDED)
    return Verdict(True, Reason.CREDIT, known.seconds_max, known.amount)


def _count(result: Any) -> int:
    """Rows that a statement wrote."""
    return int(result.rowcount)
