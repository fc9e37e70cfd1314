"""Call records out of files: dropped into the watched folder, or appended to files that are followed.

They are stored some at a time, because SQLite has one writer: whoever wants to call meanwhile must not wait for a
whole file. What a crash leaves half done is completed by the same file, which adds nothing twice.
"""

import asyncio
from collections.abc import Sequence
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

RECORDS_AT_ONCE = 500
PAUSE_SECONDS = 0.05
"""Between two times, so that another process gets its turn: SQLite has no queue."""


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
    """Imports every file of the folder that is ready; one with a bad line is refused whole. Raises as `take_ready`."""
    return await take_ready(folder, seen, partial(_import_one, store, settings, now))


async def _import_one(store: Store, settings: Settings, now: datetime, path: Path) -> Outcome[Recorded]:
    try:
        records = await asyncio.to_thread(_read, path, settings)
    except (CallsRejected, OSError) as error:
        return Outcome(path.name, None, str(error))
    return Outcome(path.name, await record_in_turns(store, records, settings, now))


def _read(path: Path, settings: Settings) -> list[CallRecord]:
    return read(content(path, SIZE_BYTES_MAX), settings.zone)


async def read_on(store: Store, follower: Follower, settings: Settings, now: datetime) -> list[Followed]:
    """Imports what is new in the followed files.

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
    recorded = await record_in_turns(store, reading.records, settings, now)
    follower.advance(piece, name)
    return Followed(piece.path, recorded, reading.problems)


async def record_in_turns(store: Store, records: Sequence[CallRecord], settings: Settings, now: datetime) -> Recorded:
    """Stores, rates and charges records that were read without a problem; see `settling.record_calls`."""
    recorded = Recorded()
    for start in range(0, len(records), RECORDS_AT_ONCE):
        if start:
            await asyncio.sleep(PAUSE_SECONDS)
        async with store.transaction() as session:
            recorded += await record_calls(session, records[start : start + RECORDS_AT_ONCE], settings, now)
    return recorded
