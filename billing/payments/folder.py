"""Bank statements that are dropped into the watched folder are imported by themselves (see `watched_folder`)."""

import asyncio
from datetime import datetime
from functools import partial
from pathlib import Path

from billing.payments.banks.detect import SIZE_BYTES_MAX, read
from billing.payments.banks.statement import Statement
from billing.payments.operations import ImportReport, import_statements
from billing.store.engine import Store
from billing.watched_folder import Outcome, Seen, content, take_ready
from config.errors import InputRejected, NotAllowed, StatementRejected
from config.settings import Settings


async def import_ready(
    store: Store, folder: Path, settings: Settings, now: datetime, seen: Seen
) -> list[Outcome[ImportReport]]:
    """Imports every file that is ready, each in a transaction of its own; raises as `take_ready` does."""
    return await take_ready(folder, seen, partial(_import_one, store, settings, now))


async def _import_one(store: Store, settings: Settings, now: datetime, path: Path) -> Outcome[ImportReport]:
    try:
        statements = await asyncio.to_thread(_read, path)
    except (StatementRejected, OSError) as error:
        return Outcome(path.name, None, str(error))
    try:
        async with store.transaction() as session:
            report = await import_statements(
                session,
                statements,
                path.name,
                now,
                accounts=settings.payments.accounts,
                currency=settings.isp.currency,
            )
    except (InputRejected, NotAllowed) as error:
        return Outcome(path.name, None, str(error))
    return Outcome(path.name, report)


def _read(path: Path) -> list[Statement]:
    return read(content(path, SIZE_BYTES_MAX))
