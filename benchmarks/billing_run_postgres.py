"""The billing run of `billing_run`, on a real PostgreSQL that keeps what it promised (fsync on).

Beside it: the very rows that the run writes, put into an empty database by the bare `asyncpg`, with all of its
triggers and indexes.
"""

import asyncio
from datetime import date

import asyncpg

from benchmarks.billing_run import CONTRACTS, WRITTEN, billed, fill, rows_of
from benchmarks.table import Row
from config.clock import monotonic_seconds
from tests.postgres import find_binaries, running_server

NEEDS_POSTGRESQL = True
COVERED_UNTIL_ON = date(2026, 11, 30)


def run(scale: float = 1.0) -> list[Row]:
    contracts = max(50, int(CONTRACTS * scale))
    binaries = find_binaries()
    assert binaries is not None
    with running_server(binaries, is_durable=True) as server:
        whole, bare = server.create_database(), server.create_database()
        asyncio.run(fill(whole, contracts))
        seconds, memory = billed(whole, contracts)
        asyncio.run(fill(bare, contracts))
        bare_seconds = asyncio.run(_write_the_same_rows(whole, bare))
    return rows_of(contracts, "PostgreSQL", seconds, memory, "asyncpg", bare_seconds)


async def _write_the_same_rows(whole: str, bare: str) -> float:
    """Seconds that the bare driver needs for what the run wrote; reading it is not counted."""
    source, target = await asyncpg.connect(whole), await asyncpg.connect(bare)
    seconds = 0.0
    try:
        async with target.transaction():
            for table in WRITTEN:
                rows = [tuple(row) for row in await source.fetch(f"SELECT * FROM {table} ORDER BY 1")]
                if table == "ledger_transaction":
                    rows = [(*row[:-1], False) for row in rows]  # they begin unsealed
                places = ",".join(f"${n}" for n in range(1, len(rows[0]) + 1))
                began = monotonic_seconds()
                await target.executemany(f"INSERT INTO {table} VALUES ({places})", rows)
                seconds += monotonic_seconds() - began
            began = monotonic_seconds()
            await target.execute("UPDATE ledger_transaction SET is_sealed = true")
            await target.execute("UPDATE service SET billed_until_on = $1", COVERED_UNTIL_ON)
        return seconds + monotonic_seconds() - began
    finally:
        await source.close()
        await target.close()
