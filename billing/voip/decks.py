"""Price decks in the database: imported whole, found by name and instant, kept in memory while they are used.

A deck never changes after its import, so what is in memory can't be stale: which deck counts at an instant is one
small query each time, and the deck itself is read once.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, cast
from uuid import uuid4

from sqlalchemy import Table, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.importing import in_chunks, storable
from billing.store import journal
from billing.store.bulk import execute_many
from billing.voip.deck_file import Changes, DeckRow, compared, oddities, read_deck
from billing.voip.rating import Deck, DeckHead, Rate
from billing.voip.tables import VoipDeck, VoipRate
from config.days import day_of
from config.errors import NotAllowed, Problem
from config.settings import Settings

STANDARD = "standard"
"""The name of a deck where none is given."""
DECKS_IN_MEMORY_MAX = 16
_NAME_LENGTH_MAX = 40
_RATE = cast(Table, VoipRate.__table__)
_loaded: dict[str, Deck] = {}


@dataclass(frozen=True, slots=True)
class DeckReport:
    """What an import did, or would do."""

    name: str
    valid_from_at: datetime
    rates: int
    changes: Changes
    warnings: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class DeckView:
    """A deck as an admin sees it in a list."""

    name: str
    valid_from_at: datetime
    imported_at: datetime
    imported_by: str
    source: str
    rates: int
    is_valid_now: bool


async def import_deck(
    session: AsyncSession,
    data: bytes,
    source: str,
    settings: Settings,
    *,
    valid_from_on: date,
    name: str = STANDARD,
    dry_run: bool = False,
    actor: str,
    now: datetime,
) -> DeckReport:
    """Takes a file as the deck of that name from a day on; raises `InputRejected` with all that is wrong with it.

    It counts as soon as the caller's transaction commits, whole. Calls that are rated keep their price. `dry_run`
    checks and compares the same and writes nothing.
    """
    if not name or len(name) > _NAME_LENGTH_MAX or not name.isprintable():
        raise NotAllowed(f"{name!r} is no name of a deck.", f"Use 1 to {_NAME_LENGTH_MAX} characters.")
    country = settings.isp.country
    sheet = read_deck(data, source, country)
    sheet.require_good()
    valid_from_at = datetime.combine(valid_from_on, time(), settings.zone)
    before = await deck_at(session, name, max(now, valid_from_at))
    changes = compared(sheet.rows, before)
    head = DeckHead(0, "", name)
    warnings = oddities(Deck(head, [_rate(row) for row in sheet.rows]), country, changes)
    if valid_from_on < day_of(now, settings.zone):
        warnings = (
            Problem("--valid-from", f"{valid_from_on} is past: calls that are rated keep their price"),
            *warnings,
        )
    report = DeckReport(name, valid_from_at, len(sheet.rows), changes, warnings)
    if not dry_run:
        await _write(session, sheet.rows, report, data, source, actor, now)
    return report


async def deck_at(session: AsyncSession, name: str, at: datetime) -> Deck | None:
    """The deck of that name that counts at an instant; None before there was one."""
    head = await head_at(session, name, at)
    return await loaded(session, head) if head else None


async def head_at(session: AsyncSession, name: str, at: datetime) -> DeckHead | None:
    """Which deck of that name counts at an instant."""
    query = (
        select(VoipDeck.id, VoipDeck.version, VoipDeck.name)
        .where(VoipDeck.name == name, VoipDeck.valid_from_at <= at)
        .order_by(VoipDeck.valid_from_at.desc(), VoipDeck.id.desc())
        .limit(1)
    )
    row = (await session.execute(query)).one_or_none()
    return DeckHead(row.id, row.version, row.name) if row else None


async def validity(session: AsyncSession, name: str) -> list[tuple[datetime, DeckHead]]:
    """Every deck of that name with the instant from which it counts, the one that counts longest first.

    The first one that is not later than an instant is the one that `head_at` finds.
    """
    query = select(VoipDeck.valid_from_at, VoipDeck.id, VoipDeck.version, VoipDeck.name).where(VoipDeck.name == name)
    rows = await session.execute(query.order_by(VoipDeck.valid_from_at.desc(), VoipDeck.id.desc()))
    return [(row.valid_from_at, DeckHead(row.id, row.version, row.name)) for row in rows]


async def loaded(session: AsyncSession, head: DeckHead) -> Deck:
    """The whole deck, from memory when it was used before."""
    found = _loaded.get(head.version)
    if found is None:
        rows = await session.execute(
            select(
                _RATE.c.id,
                _RATE.c.prefix,
                _RATE.c.destination,
                _RATE.c.price_per_minute,
                _RATE.c.connect,
                _RATE.c.first_seconds,
                _RATE.c.step_seconds,
            ).where(_RATE.c.deck_id == head.id)
        )
        found = Deck(head, [Rate(r[0], r[1], r[2], r[3].e4, r[4].e4, r[5], r[6]) for r in rows])
        while len(_loaded) >= DECKS_IN_MEMORY_MAX:
            del _loaded[next(iter(_loaded))]
        _loaded[head.version] = found
    return found


async def decks(session: AsyncSession, now: datetime) -> list[DeckView]:
    """Every deck, the newest first."""
    counts = select(VoipRate.deck_id, func.count().label("rates")).group_by(VoipRate.deck_id).subquery()
    query = select(VoipDeck, counts.c.rates).outerjoin(counts, counts.c.deck_id == VoipDeck.id)
    rows = await session.execute(query.order_by(VoipDeck.name, VoipDeck.valid_from_at.desc(), VoipDeck.id.desc()))
    found: list[DeckView] = []
    valid: set[str] = set()
    for deck, rates in rows:
        is_valid = deck.valid_from_at <= now and deck.name not in valid
        if is_valid:
            valid.add(deck.name)
        found.append(
            DeckView(
                deck.name, deck.valid_from_at, deck.imported_at, deck.imported_by, deck.source, rates or 0, is_valid
            )
        )
    return found


async def _write(
    session: AsyncSession,
    rows: list[DeckRow],
    report: DeckReport,
    data: bytes,
    source: str,
    actor: str,
    now: datetime,
) -> None:
    deck = VoipDeck(
        version=uuid4().hex,
        name=report.name,
        valid_from_at=report.valid_from_at,
        source=storable(source),
        sha256=hashlib.sha256(data).hexdigest(),
        imported_at=now,
        imported_by=actor,
    )
    session.add(deck)
    await session.flush()
    for chunk in in_chunks(rows):
        await execute_many(session, insert(_RATE), [_values(deck.id, row) for row in chunk])
    detail: dict[str, Any] = {
        "deck": report.name,
        "from": report.valid_from_at.date(),
        "rates": report.rates,
        "raised": len(report.changes.raised),
        "lowered": len(report.changes.lowered),
        "sha256": deck.sha256,
    }
    await journal.append(session, at=now, actor=actor, action="voip.deck_imported", detail=detail)


def _values(deck_id: int, row: DeckRow) -> dict[str, Any]:
    return {
        "deck_id": deck_id,
        "prefix": row.prefix,
        "destination": row.destination,
        "price_per_minute": row.price_per_minute,
        "connect": row.connect,
        "first_seconds": row.first_seconds,
        "step_seconds": row.step_seconds,
    }


def _rate(row: DeckRow) -> Rate:
    """A row of the file as it would rate, before it has an id."""
    price, connect = row.price_per_minute.e4, row.connect.e4
    return Rate(None, row.prefix, row.destination, price, connect, row.first_seconds, row.step_seconds)
