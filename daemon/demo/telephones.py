"""Telephones of the demo: a price list, a number with credit for each of the cast, and some calls before now."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from billing.voip import operations
from billing.voip.calls.record import CallRecord
from billing.voip.credit import Credit
from billing.voip.decks import import_deck
from billing.voip.settling import record_calls
from billing.voip.tables import VoipNumber
from config.settings import Settings
from daemon.demo.people import BEGINS_AT, Subscriber

_ACTOR = "demo"
_CREDIT = Credit.parse("150")
PRICES = """\
prefix,destination,price_per_minute,connect,first_seconds,step_seconds
420,Česko pevná síť,0.90,0,60,1
4206,Česko mobil,1.21,0,60,1
4207,Česko mobil,1.21,0,60,1
42090,Česko audiotex,60.00,0,60,60
420976,Česko audiotex,60.00,0,60,60
421,Slovensko,2.42,0,60,1
43,Rakousko,2.42,0,60,1
49,Německo,2.42,0,60,1
48,Polsko,2.42,0,60,1
44,Velká Británie,3.0105,0,60,1
1,USA a Kanada,1.815,0,60,1
short:118,Informace o číslech,30.00,15.00,60,60
short:12,Služby operátora,5.00,0,60,60
short:13,Služby operátora,5.00,0,60,60
short:14,Zkrácená čísla firem,4.00,0,60,60
"""
_CALLS = (
    # hours before now, whom, for how many seconds
    (2, "+420601123456", 187),
    (26, "+420577123456", 64),
    (49, "+421905123456", 615),
    (75, "1188", 41),
    (98, "800123456", 900),
    (122, "+420720123456", 12),
    (146, "+441632960001", 305),
)


ENDING = "101"
"""The last digits of the first number: what its owner logs in with."""


def number_of(position: int) -> str:
    """The telephone number of so manieth of the cast."""
    return f"+4209100001{position:02d}"


async def furnish(
    session: AsyncSession, cast: list[Subscriber], settings: Settings, password_hash: str, now: datetime
) -> None:
    """Everything through the same operations as in real life."""
    await import_deck(
        session,
        PRICES.encode(),
        "ceny-hovoru.csv",
        settings,
        valid_from_on=BEGINS_AT.date().replace(day=1),
        actor=_ACTOR,
        now=now,
    )
    for position, person in enumerate(cast, start=1):
        number = number_of(position)
        number_id = await operations.add_number(session, number, person.number, settings, actor=_ACTOR, now=now)
        row = await session.get_one(VoipNumber, number_id)
        await operations.set_password_hash(session, row, password_hash, actor=_ACTOR, now=now)
        await operations.correct(session, row, _CREDIT, settings, why="welcome", actor=_ACTOR, now=now)
        await record_calls(session, [_record(number, n, now) for n in range(len(_CALLS))], settings, now)


def _record(caller: str, position: int, now: datetime) -> CallRecord:
    hours, called, seconds = _CALLS[position]
    answered_at = (now - timedelta(hours=hours)).replace(microsecond=0)
    uid = f"{caller}-{position}"
    return CallRecord(
        source="asterisk",
        uid=uid,
        call_id=uid,
        caller=caller,
        called=called,
        started_at=answered_at - timedelta(seconds=9),
        answered_at=answered_at,
        ended_at=answered_at + timedelta(seconds=seconds),
        billed_seconds=seconds,
        disposition="answered",
    )
