"""Call records become charged calls: rated at the instant of their answer, once each, whoever sends them how often.

    record ─► seen before? ─► whose? ─► which deck counted then? ─► price ─► its hold is freed, the credit charged

What can't be decided (nobody's number, no price) is stored and waits for a person; a record that comes again with
other content is not counted and is shown beside the first one. The credit never falls below what other calls
reserve: of a call that cost more than its hold and the free credit together, the rest is the ISP's loss, and stands
in the call (`price` less `charged`).

Records are taken in batches, one batch at a time. Whoever changes credit locks the number first, then its holds, so
that nobody waits for ever.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.importing import in_chunks
from billing.store.bulk import execute_many
from billing.voip.calls.record import CallRecord
from billing.voip.charging import Rated, Rater, authorized_as, charge, owners_of
from billing.voip.credit import NONE, Credit
from billing.voip.tables import VoipCall
from config.counting import counted
from config.settings import Settings

_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('hradlo.voip.calls'))")
_CALL = cast(Table, VoipCall.__table__)

COUNTS = ("rated", "waiting", "repeated", "disputed")
"""What of `Recorded` is told to programs."""
Key = tuple[str, str]
"""Source and uid."""


@dataclass
class Recorded:
    """What became of records."""

    rated: int = 0
    waiting: int = 0
    repeated: int = 0
    """Known already, with the same content."""
    disputed: int = 0
    """Known already, with other content: not counted, a person must look."""
    charged: Credit = NONE

    def __add__(self, other: "Recorded") -> "Recorded":
        return Recorded(
            self.rated + other.rated,
            self.waiting + other.waiting,
            self.repeated + other.repeated,
            self.disputed + other.disputed,
            self.charged + other.charged,
        )

    def __str__(self) -> str:
        return (
            f"{counted(self.rated, 'call')} ({self.charged} charged), {self.waiting} waiting, {self.repeated} known, "
            f"{self.disputed} disputed"
        )


async def record_calls(
    session: AsyncSession, records: Sequence[CallRecord], settings: Settings, now: datetime
) -> Recorded:
    """Stores, rates and charges records; see the module. Nothing that a record may say makes it raise."""
    await lock(session)
    done = Recorded()
    for chunk in in_chunks(records):
        await _record(session, chunk, settings, now, done)
    return done


async def lock(session: AsyncSession) -> None:
    """Waits until nobody else records calls, and keeps others waiting until this transaction ends."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite: a writing transaction is alone anyway
        await session.execute(_LOCK)


async def _record(
    session: AsyncSession, records: Sequence[CallRecord], settings: Settings, now: datetime, done: Recorded
) -> None:
    fresh, disputes = await _unknown(session, records, done)
    if not fresh:
        return
    owners = await owners_of(session, fresh, settings.isp.country)
    authorized = await authorized_as(session, [each.call_id for each in fresh if each.caller not in owners])
    rater = Rater(session, owners, settings.isp.country, authorized)
    rated = [await rater.rate(record) for record in fresh]
    done.charged += (await charge(session, rated, settings, now)).total
    await execute_many(session, insert(_CALL), [_row(each, disputes, now) for each in rated])
    done.rated += sum(each.state == "rated" for each in rated)
    done.waiting += sum(each.state == "waiting" for each in rated)


async def _unknown(
    session: AsyncSession, records: Sequence[CallRecord], done: Recorded
) -> tuple[list[CallRecord], dict[Key, str]]:
    """The records that were never seen, and what others said under their ids; what is stored is compared."""
    stored: dict[Key, Any] = {}
    for source in {record.source for record in records}:
        uids = [record.uid for record in records if record.source == source]
        query = select(_CALL).where(_CALL.c.source == source, _CALL.c.uid.in_(uids))
        stored |= {(row.source, row.uid): row for row in await session.execute(query)}
    fresh: dict[Key, CallRecord] = {}
    disputes: dict[Key, str] = {}
    for record in records:
        key: Key = (record.source, record.uid)
        before = stored.get(key) or fresh.get(key)
        if before is None:
            fresh[key] = record
        elif _content(before) == _content(record):
            done.repeated += 1
        else:
            done.disputed += 1
            disputes[key] = _words(record)
    for key in disputes.keys() & stored.keys():
        disputed = update(_CALL).where(_CALL.c.id == stored[key].id).values(dispute=disputes[key])
        await session.execute(disputed)
    return list(fresh.values()), disputes


def _content(record: Any) -> tuple[Any, ...]:
    return (
        record.caller,
        record.called,
        record.started_at,
        record.answered_at,
        record.billed_seconds,
    )


def _words(record: CallRecord) -> str:
    return (
        f"{record.caller} called {record.called} at {record.started_at.isoformat(timespec='seconds')} "
        f"for {record.billed_seconds} s"
    )


def _row(each: Rated, disputes: Mapping[Key, str], now: datetime) -> dict[str, Any]:
    record = each.record
    return {
        "source": record.source,
        "uid": record.uid,
        "call_id": record.call_id,
        "caller": record.caller,
        "called": record.called,
        "started_at": record.started_at,
        "answered_at": record.answered_at,
        "billed_seconds": record.billed_seconds,
        "state": each.state,
        "why": each.why,
        "number_id": each.owner.id if each.owner else None,
        "is_incoming": each.is_incoming,
        "destination": each.destination,
        "rate_id": each.rate_id,
        "price": each.price,
        "charged": each.charged,
        "dispute": disputes.get((record.source, record.uid), ""),
        "recorded_at": now,
    }
