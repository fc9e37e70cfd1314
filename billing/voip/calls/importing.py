"""Call records out of files: dropped into the watched folder, or appended to files that are followed."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from billing.store.engine import Store
from billing.voip.calls.detect import SIZE_BYTES_MAX, read
from billing.voip.calls.following import Follower, Piece, named
from billing.voip.calls.record import CallRecord
from billing.voip.settling import Recorded, record_calls
from billing.watched_folder import Outcome, Seen, content, take_ready
from config.errors import CallsRejected, Problem
from config.settings import Settings


@dataclass(frozen=True, slots=True)
class Followed:
    """What a piece of a followed file brought."""

    path: Path
    recorded: Recorded
    problems: tuple[Problem, ...]
    """Of the lines that are no records: they are passed over, because those behind them must not wait."""


async def import_ready(
    store: Store, folder: Path, settings: Settings, now: datetime, seen: Seen
) -> list[Outcome[Recorded]]:
    """Imports every file of the folder that is ready, all or nothing each; raises as `take_ready` does."""
    return await take_ready(folder, seen, partial(_import_one, store, settings, now))


async def _import_one(store: Store, settings: Settings, now: datetime, path: Path) -> Outcome[Recorded]:
    try:
        records = await asyncio.to_thread(_read, path, settings)
    except (CallsRejected, OSError) as error:
        return Outcome(path.name, None, str(error))
    async with store.transaction() as session:
        return Outcome(path.name, await record_calls(session, records, settings, now))


def _read(path: Path, settings: Settings) -> list[CallRecord]:
    return read(content(path, SIZE_BYTES_MAX), settings.zone)


async def read_on(store: Store, follower: Follower, settings: Settings, now: datetime) -> list[Followed]:
    """Imports what is new in the followed files, a piece in a transaction.

    A file that can't be read is among the problems, and keeps no other from its turn. Errors of the database pass:
    what was not stored is read again at the next look.
    """
    done: list[Followed] = []
    for pattern in follower.patterns:
        try:
            for path in await asyncio.to_thread(named, pattern):
                while piece := await asyncio.to_thread(follower.next_piece, path):
                    done.append(await _take(store, follower, piece, settings, now))
        except OSError as error:
            problem = Problem(error.filename or pattern, error.strerror or str(error))
            done.append(Followed(Path(pattern), Recorded(), (problem,)))
    return done


async def _take(store: Store, follower: Follower, piece: Piece, settings: Settings, now: datetime) -> Followed:
    reading, name = await asyncio.to_thread(piece.reading, settings.zone)
    recorded = Recorded()
    if reading.records:
        async with store.transaction() as session:
            recorded = await record_calls(session, reading.records, settings, now)
    follower.advance(piece, name)
    return Followed(piece.path, recorded, reading.problems)
