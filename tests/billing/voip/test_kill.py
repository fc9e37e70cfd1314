"""kill -9 in the middle of top-ups and calls: done again, everything is there exactly once."""

import asyncio
import random
import signal
import sys
from pathlib import Path

from sqlalchemy import func, select

from billing.invoicing.tables import Invoice
from billing.store.engine import Store
from billing.store.tables import Mail
from billing.voip.credit import Credit
from billing.voip.tables import VoipCall, VoipTopUp
from config.clock import monotonic_seconds
from config.settings import parse
from tests.billing.voip.world import add_number, ask, buy, call, credit_of, problems, settle

KILLS = 8
TIMES = 6
"""In each round: a top-up of 100.00, and a call of a minute at 2.40."""
NO_CAP = parse("[voip]\nmonthly_cap = 1000000.00")
ROOT = Path(__file__).resolve().parents[3]


async def telephone(url: str, kill: int) -> None:
    """What the killed process does: as the zone and the exchange do it, each step in its transaction."""
    store = Store.open(url)
    for n in range(TIMES):
        await buy(store, 1, "100", key=f"confirmation-{kill:04d}-{n:04d}", settings=NO_CAP)
        await ask(store, f"c{kill}-{n}")
        await settle(store, call(f"c{kill}-{n}"))
    await store.close()


async def run_and_kill(url: str, kill: int, after_seconds: float) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.billing.voip.test_kill", url, str(kill)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert (await process.stdout.readline()) == b"begins\n"
    await asyncio.sleep(after_seconds)
    process.kill()
    await process.wait()


async def test_after_eight_kills_every_top_up_and_every_call_is_there_exactly_once(
    store: Store, database_url: str
) -> None:
    await add_number(store)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    began = monotonic_seconds()
    await telephone(database_url, 0)
    whole_seconds = monotonic_seconds() - began

    for kill in range(1, KILLS + 1):
        await run_and_kill(database_url, kill, moments.uniform(0.0, whole_seconds))
        assert await problems(store) == []
        await telephone(database_url, kill)

    done = (KILLS + 1) * TIMES
    expected = Credit(done * (1_000_000 - 24_000))
    assert await credit_of(store) == (str(expected), "0.00")
    assert await counts(store) == {"top_ups": done, "invoices": done, "invoice_mails": done, "calls": done}
    assert await problems(store) == []


async def counts(store: Store) -> dict[str, int | None]:
    async with store.reading() as session:
        return {
            "top_ups": await session.scalar(select(func.count()).select_from(VoipTopUp)),
            "invoices": await session.scalar(select(func.count()).select_from(Invoice)),
            "invoice_mails": await session.scalar(select(func.count()).where(Mail.kind == "invoice")),
            "calls": await session.scalar(select(func.count()).select_from(VoipCall)),
        }


if __name__ == "__main__":
    print("begins", flush=True)
    asyncio.run(telephone(sys.argv[1], int(sys.argv[2])))
    signal.pause()  # the test kills in any case
