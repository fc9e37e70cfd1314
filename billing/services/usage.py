"""Transferred data: from a router's counters to hours, days and months of each service.

Counters only grow, until their router reboots or their table is made anew: then they begin from zero, under
another *generation*. What was transferred between two readings is therefore the difference under the same
generation, and the whole new value under another one (or when it shrank). A reading is stored in the transaction
that counts it, so a crash neither loses bytes nor counts them twice.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import Table, delete, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.importing import in_chunks
from billing.services.tables import Service, ServiceAddress, Usage, UsageCounter
from billing.store.engine import Store
from config.settings import Usage as Retention

SPANS = ("hour", "day", "month")
_ROWS_AT_ONCE = 2000
_USAGE = cast(Table, Usage.__table__)
_COUNTER = cast(Table, UsageCounter.__table__)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the counters of one network say."""

    network: str
    down_bytes: int
    up_bytes: int


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Data within one hour, day or month."""

    starts_at: datetime
    down_bytes: int
    up_bytes: int


def transferred(before: Reading | None, is_same_generation: bool, now: Reading) -> tuple[int, int]:
    """Bytes (down, up) between two readings; pure. A first reading counts nothing: nobody knows since when."""
    if before is None:
        return 0, 0
    return (
        _grown(before.down_bytes, now.down_bytes, is_same_generation),
        _grown(before.up_bytes, now.up_bytes, is_same_generation),
    )


def _grown(before: int, now: int, is_same_generation: bool) -> int:
    return now - before if is_same_generation and now >= before else now


def starts(at: datetime, zone: ZoneInfo) -> dict[str, datetime]:
    """When the hour, the day and the month of an instant began on the ISP's clock; pure."""
    local = at.astimezone(zone)
    day = datetime.combine(local.date(), time(), zone)
    month = datetime.combine(local.date().replace(day=1), time(), zone)
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return {"hour": hour, "day": day.astimezone(UTC), "month": month.astimezone(UTC)}


async def collect(
    session: AsyncSession, site: str, readings: Iterable[Reading], generation: str, *, zone: ZoneInfo, now: datetime
) -> int:
    """Counts what was transferred at a site since its last readings, and keeps these; returns the bytes counted."""
    of_site = select(ServiceAddress.service_id, ServiceAddress.network).where(ServiceAddress.site == site)
    services = {network: service_id for service_id, network in await session.execute(of_site)}
    counters = select(UsageCounter).where(UsageCounter.site == site)
    known = {row.network: row for row in await session.scalars(counters)}
    sums: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    kept = []
    for reading in readings:
        if reading.network not in services:
            continue
        last = known.get(reading.network)
        before = Reading(last.network, last.down_bytes, last.up_bytes) if last else None
        down, up = transferred(before, last is not None and last.generation == generation, reading)
        if down or up:
            sums[services[reading.network]][0] += down
            sums[services[reading.network]][1] += up
        if last is None or down or up or last.generation != generation:
            kept.append({"site": site, **_kept(reading, generation, now)})
    await _keep_readings(session, kept)
    await _add(session, sums, zone, now)
    return sum(down + up for down, up in sums.values())


def _kept(reading: Reading, generation: str, now: datetime) -> dict[str, Any]:
    values = {"down_bytes": reading.down_bytes, "up_bytes": reading.up_bytes}
    return {"network": reading.network, "generation": generation, "read_at": now, **values}


def _insert(session: AsyncSession, table: Table) -> Any:
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    return (postgresql_insert if is_postgresql else sqlite_insert)(table)


async def _keep_readings(session: AsyncSession, kept: Sequence[Mapping[str, Any]]) -> None:
    statement = _insert(session, _COUNTER)
    names = ("generation", "down_bytes", "up_bytes", "read_at")
    statement = statement.on_conflict_do_update(
        index_elements=["site", "network"], set_={name: statement.excluded[name] for name in names}
    )
    for start in range(0, len(kept), _ROWS_AT_ONCE):
        await session.execute(statement, kept[start : start + _ROWS_AT_ONCE])


async def _add(session: AsyncSession, sums: Mapping[int, Sequence[int]], zone: ZoneInfo, now: datetime) -> None:
    statement = _insert(session, _USAGE)
    statement = statement.on_conflict_do_update(
        index_elements=["service_id", "span", "starts_at"],
        set_={name: _USAGE.c[name] + statement.excluded[name] for name in ("down_bytes", "up_bytes")},
    )
    rows = [
        {"service_id": service_id, "span": span, "starts_at": starts_at, "down_bytes": down, "up_bytes": up}
        for span, starts_at in starts(now, zone).items()
        for service_id, (down, up) in sorted(sums.items())  # in one order: several engines may count at once
    ]
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        await session.execute(statement, rows[start : start + _ROWS_AT_ONCE])


async def forget(store: Store, retention: Retention, now: datetime) -> None:
    """Deletes what is older than the settings keep it.

    Service by service, as the table's key begins with it, and some at a time: nobody waits while millions are read.
    """
    days = dict(
        zip(SPANS, (retention.keep_hours_days, retention.keep_days_days, retention.keep_months_days), strict=True)
    )
    async with store.reading() as session:
        services = (await session.scalars(select(Service.id).order_by(Service.id))).all()
    for chunk in in_chunks(services):
        async with store.transaction() as session:
            for span in SPANS:
                old = (Usage.span == span) & (Usage.starts_at < now - timedelta(days=days[span]))
                await session.execute(delete(Usage).where(Usage.service_id.in_(chunk), old))


async def usage(
    session: AsyncSession, service_id: int, span: str, from_on: date, until_on: date, *, zone: ZoneInfo
) -> list[UsageRow]:
    """The data of a service by hour, day or month, from the first to the last day, oldest first."""
    begins = datetime.combine(from_on.replace(day=1) if span == "month" else from_on, time(), zone)
    ends = datetime.combine(until_on + timedelta(days=1), time(), zone)
    rows = await session.execute(
        select(Usage.starts_at, Usage.down_bytes, Usage.up_bytes)
        .where(Usage.service_id == service_id, Usage.span == span)
        .where(Usage.starts_at >= begins, Usage.starts_at < ends)
        .order_by(Usage.starts_at)
    )
    return [UsageRow(*row) for row in rows]
