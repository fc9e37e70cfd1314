"""The audit journal: who did what, when and why; and the feed of what has changed.

Each row's hash covers the hash of the row before and every column of its own. So a row that was changed,
removed, put in or moved breaks the chain there, and `verify` names it. Rows cut from the *end* leave a chain
that is whole: against that, note a `Mark` elsewhere (a log, a backup) and give it to `verify`.

Ids have no gaps and grow in the order of commits: whoever appends holds a lock until its transaction ends.
So "everything after the last id that I saw" (`changed_since`) can't miss a transaction that commits late.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, cast

from sqlalchemy import Row, Table, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.money import Money
from billing.store.bulk import execute_many
from billing.store.tables import JournalEntry
from config.errors import JournalBroken

GENESIS = "0" * 64
ENGINE = "engine"
"""The actor whose entries wake no engine: every one of them decides the same by itself."""
_CHUNK_ROWS = 5_000
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('hradlo.journal'))")
CHANNEL = "hradlo"
"""Where PostgreSQL tells every engine of a commit; see `presence`."""
_NOTIFY = text(f"SELECT pg_notify('{CHANNEL}', '')")
_REMEDY = "Somebody changed the journal outside Hradlo: keep this database as evidence and compare it with a backup."

_table = JournalEntry.__table__.c


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be written down."""

    at: datetime
    actor: str
    action: str
    contract_id: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """The last row of a journal; noted elsewhere it proves later that nothing was cut off."""

    id: int
    hash: str


async def append(
    session: AsyncSession,
    *,
    at: datetime,
    actor: str,
    action: str,
    contract_id: int | None = None,
    detail: Mapping[str, Any] | None = None,
    why: str = "",
) -> int:
    """Writes one entry and returns its id."""
    return await append_many(session, [Entry(at, actor, action, contract_id, detail or {}, why)])


async def append_many(session: AsyncSession, entries: Sequence[Entry]) -> int:
    """Writes entries in their order and returns the id of the last one; engines hear of it when it is committed."""
    await lock(session)
    if _is_postgresql(session) and any(entry.actor != ENGINE for entry in entries):
        await session.execute(_NOTIFY)
    last = await mark(session)
    for start in range(0, len(entries), _CHUNK_ROWS):
        rows: list[dict[str, Any]] = []
        for entry in entries[start : start + _CHUNK_ROWS]:
            row = _row(last, entry)
            last = Mark(row["id"], row["hash"])
            rows.append(row)
        # The table, not the class: the ORM would begin a new statement wherever contract_id changes to NULL.
        await execute_many(session, insert(cast(Table, JournalEntry.__table__)), rows)
    return last.id


async def lock(session: AsyncSession) -> None:
    """Waits until no other transaction appends, and keeps others waiting until this one ends.

    Whoever reads, decides and writes what others write, too, calls it before the read.
    """
    # SQLite: a writing transaction holds the only write lock since its BEGIN IMMEDIATE.
    if _is_postgresql(session):
        await session.execute(_LOCK)


def _is_postgresql(session: AsyncSession) -> bool:
    return session.get_bind().dialect.name == "postgresql"


async def head(session: AsyncSession) -> int:
    """The id of the last entry; 0 when there is none."""
    return (await session.execute(select(func.max(_table.id)))).scalar() or 0


async def mark(session: AsyncSession) -> Mark:
    """The last entry, to be noted outside of the database."""
    row = (await session.execute(select(_table.id, _table.hash).order_by(_table.id.desc()).limit(1))).one_or_none()
    return Mark(row.id, row.hash) if row else Mark(0, GENESIS)


async def has(session: AsyncSession, known: Mark) -> bool:
    """Whether the entry that was noted is still there, and the same."""
    return await session.scalar(select(_table.hash).where(_table.id == known.id)) == known.hash


async def changed_since(session: AsyncSession, after_id: int) -> tuple[int, set[int]]:
    """The head, and the contracts that have entries after `after_id`.

    A head below `after_id` means that the database was restored from an older copy.
    """
    last = await head(session)
    contracts = select(_table.contract_id).where(
        _table.id > after_id, _table.id <= last, _table.contract_id.is_not(None)
    )
    return last, set((await session.execute(contracts.distinct())).scalars())


async def verify(session: AsyncSession, known: Mark | None = None) -> int:
    """Reads the whole journal and returns the number of its rows; raises `JournalBroken` at the first bad one."""
    last, known_hash = Mark(0, GENESIS), ""
    async for row in _rows(session):
        if row.id != last.id + 1:
            raise JournalBroken(f"Journal row {last.id + 1} is missing: row {row.id} follows row {last.id}.", _REMEDY)
        if row.hash != _hash(last.hash, _content(row._asdict())):
            raise JournalBroken(
                f"Journal row {row.id} ({row.at:%Y-%m-%d %H:%M:%S} UTC, {row.action}) does not match its hash: "
                "it, or its place, was changed.",
                _REMEDY,
            )
        last = Mark(row.id, row.hash)
        if known and row.id == known.id:
            known_hash = row.hash
    if known and known.id > last.id:
        raise JournalBroken(f"Journal rows {last.id + 1} to {known.id} were cut off at the end.", _REMEDY)
    if known and known.id and known.hash != known_hash:
        raise JournalBroken(f"Journal row {known.id} is not the one that was noted: the chain was rewritten.", _REMEDY)
    return last.id


async def _rows(session: AsyncSession) -> AsyncIterator[Row[Any]]:
    """All rows in order, a chunk at a time."""
    last_id = 0
    while True:
        chunk = select(JournalEntry.__table__).where(_table.id > last_id).order_by(_table.id).limit(_CHUNK_ROWS)
        rows = (await session.execute(chunk)).all()
        for row in rows:
            yield row
        if len(rows) < _CHUNK_ROWS:
            return
        last_id = rows[-1].id


def _row(previous: Mark, entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": previous.id + 1,
        "at": entry.at.astimezone(UTC),
        "actor": entry.actor,
        "action": entry.action,
        "contract_id": entry.contract_id,
        "detail": _canonical(entry.detail),
        "why": entry.why,
    }
    return {**row, "hash": _hash(previous.hash, row)}


def content_of(entry: JournalEntry) -> str:
    """What an entry's hash covers, after the hash of the one before: so that anybody can reckon it."""
    names = [column.name for column in JournalEntry.__table__.columns]
    return _canonical(_content({name: getattr(entry, name) for name in names}))


def _content(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "hash"}


def _hash(previous_hash: str, content: Mapping[str, Any]) -> str:
    return hashlib.sha256((previous_hash + _canonical(content)).encode()).hexdigest()


def _canonical(value: Mapping[str, Any]) -> str:
    """The one JSON text of a value: sorted keys, no spaces, ASCII only."""
    return _ENCODER.encode(value)


def _plain(value: object) -> str:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, Money):
        return str(value)
    raise TypeError(f"{value!r} can't stand in the journal")


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_plain)  # made once, for millions of rows
