"""Real calls: sipp calls through Kamailio with the project's configuration, which asks a running Hradlo.

What the calls cost is computed here from Kamailio's own records, slowly and plainly, and is the balance to the
ten-thousandth of a crown.
"""

import asyncio
import shutil
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from math import ceil
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from billing.store.engine import Store
from tests.billing.voip.world import DECK, add_contract, add_deck, add_number, credit_of, problems
from tests.voip_exchange.telephony import (
    EXCHANGE,
    GATEWAY,
    PATIENCE_SECONDS,
    TOKEN,
    Telephony,
    missing_for_calls,
    pinging,
    running_engine,
    running_telephony,
    until,
)

LACK = missing_for_calls()
pytestmark = [pytest.mark.skipif(bool(LACK), reason=LACK)]

E4_PER_MINUTE = 60_001
"""6.0001 CZK: no second has a round price."""
AMERICA = "0012125550100"
BUSY = "0012125550199"
EMERGENCY = "112"
SETTINGS = "hold_minutes = 1"


@pytest.fixture(scope="module")
def url(migrated_database: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with a contract and a deck."""
    made = f"sqlite:///{shutil.copy(migrated_database, tmp_path_factory.mktemp('database') / 'hradlo.db')}"
    asyncio.run(_fill(made))
    return made


async def _fill(url: str) -> None:
    store = Store.open(url)
    await add_contract(store)
    await add_deck(store, DECK.replace("1,USA a Kanada,6,0,1,1", "1,USA a Kanada,6.0001,0,1,1"))
    await store.close()


@pytest.fixture(scope="module")
def telephony(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Telephony]:
    with running_telephony(tmp_path_factory.mktemp("telephony"), url, SETTINGS) as running:
        yield running


@pytest.fixture
async def store(url: str, telephony: Telephony) -> AsyncIterator[Store]:
    opened = Store.open(url)
    yield opened
    await opened.close()


_numbers = iter(range(910_000_001, 910_000_100))


async def subscriber(store: Store, credit: str) -> tuple[int, str]:
    """A number with so much credit: its id, and as the exchange writes it."""
    number = str(next(_numbers))
    return await add_number(store, f"+420{number}", credit=credit), number


async def send_records(telephony: Telephony, caller: str) -> None:
    """As an exchange sends its records."""
    body = "".join(f"{line}\n" for line in telephony.records if f"|{caller}|" in line)
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"http://127.0.0.1:{telephony.http_port}/voip/calls",
            data=body.encode(),
            headers={"Authorization": f"Bearer {TOKEN}"},
        ) as response,
    ):
        assert response.status == 200, await response.text()


def reserved(url: str, number_id: int) -> int:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
        return int(database.execute("SELECT reserved FROM voip_number WHERE id = ?", [number_id]).fetchone()[0])


def cost_e4(records: list[list[str]]) -> int:
    """What these records cost, by the letter of the deck."""
    return sum(ceil(E4_PER_MINUTE * int(float(record[2])) / 60) for record in records)


def e4(text: str) -> int:
    units, _, fraction = text.partition(".")
    return int(units) * 10_000 + int(fraction.ljust(4, "0"))


async def in_a_thread(telephony: Telephony, *what: str, **how: Any) -> str:
    return await asyncio.to_thread(telephony.call, *what, **how)


async def test_a_call_is_connected_and_its_record_is_charged(store: Store, telephony: Telephony) -> None:
    number_id, caller = await subscriber(store, "10")

    assert await in_a_thread(telephony, caller, AMERICA, seconds=1.3) == "ended"

    records = telephony.records_of(caller)
    await send_records(telephony, caller)
    assert [(record[4], record[5]) for record in records] == [(caller, AMERICA)]
    assert cost_e4(records) == ceil(E4_PER_MINUTE / 60) == 1001
    assert await credit_of(store, number_id) == ("9.8999", "0.00")
    assert await problems(store) == []


async def test_a_call_is_cut_when_its_credit_is_used_up(store: Store, telephony: Telephony) -> None:
    number_id, caller = await subscriber(store, "0.4001")  # 4 s; 2 s are kept for the exchange's tick

    assert await in_a_thread(telephony, caller, AMERICA, "waits") == "cut"

    records = telephony.records_of(caller)
    await send_records(telephony, caller)
    balance, reserved = await credit_of(store, number_id)
    assert 1 <= float(records[0][2]) <= 4
    assert (e4(balance), reserved) == (4001 - cost_e4(records), "0.00")
    assert await problems(store) == []


async def test_a_call_that_is_held_and_taken_up_again_is_cut_no_later(store: Store, telephony: Telephony) -> None:
    _, caller = await subscriber(store, "0.5001")  # 5 s, so it is cut after 3

    assert await in_a_thread(telephony, caller, AMERICA, "holds") == "cut"

    assert float(telephony.records_of(caller)[0][2]) < 4.2  # held after 2 s: 3 s more would be 5


async def test_two_calls_with_one_call_id_are_paid_twice(store: Store, telephony: Telephony) -> None:
    number_id, caller = await subscriber(store, "10")

    for _ in range(2):
        assert await in_a_thread(telephony, caller, AMERICA, seconds=1.3, call_id="chosen-by-the-caller") == "ended"

    records = telephony.records_of(caller, 2)
    await send_records(telephony, caller)
    assert len({record[3] for record in records}) == 2
    assert await credit_of(store, number_id) == ("9.7998", "0.00")


async def test_an_invite_that_is_repeated_while_hradlo_is_slow_is_one_call(store: Store, telephony: Telephony) -> None:
    number_id, caller = await subscriber(store, "20")
    telephony.hradlo.send_signal(signal.SIGSTOP)
    awake = asyncio.get_running_loop().call_later(1.2, telephony.hradlo.send_signal, signal.SIGCONT)
    try:
        assert await in_a_thread(telephony, caller, AMERICA, first_repeat_seconds=0.2) == "ended"
    finally:
        awake.cancel()
        telephony.hradlo.send_signal(signal.SIGCONT)

    assert await credit_of(store, number_id) == ("20.00", "6.2002")
    assert len(telephony.records_of(caller)) == 1


async def test_a_call_from_outside_reaches_the_exchange_and_costs_nothing(store: Store, telephony: Telephony) -> None:
    number_id, called = await subscriber(store, "10")

    assert await in_a_thread(telephony, "0012125550100", called, seconds=1.1, is_incoming=True) == "ended"

    assert telephony.records_of(called)[0][4] == "0012125550100"
    await send_records(telephony, called)
    assert await credit_of(store, number_id) == ("10.00", "0.00")
    assert await problems(store) == []


async def test_without_credit_a_call_is_refused_and_leaves_nothing_reserved(store: Store, telephony: Telephony) -> None:
    number_id, caller = await subscriber(store, "0.01")

    assert await in_a_thread(telephony, caller, AMERICA) == "402"

    assert await credit_of(store, number_id) == ("0.01", "0.00")


async def test_help_can_be_called_without_credit_and_by_strangers(store: Store, telephony: Telephony) -> None:
    number_id, caller = await subscriber(store, "")

    assert await in_a_thread(telephony, caller, EMERGENCY) == "ended"
    assert await in_a_thread(telephony, "999", EMERGENCY) == "ended"

    telephony.records_of(caller)
    await send_records(telephony, caller)
    assert await credit_of(store, number_id) == ("0.00", "0.00")


async def test_strangers_and_what_is_no_number_are_refused(store: Store, telephony: Telephony) -> None:
    _, caller = await subscriber(store, "10")

    assert await in_a_thread(telephony, "999", AMERICA) == "403"
    assert await in_a_thread(telephony, caller, "33") == "404"
    assert await in_a_thread(telephony, caller, "anna") == "484"


def test_whoever_is_neither_the_exchange_nor_the_gateway_is_not_answered(telephony: Telephony) -> None:
    with pinging(telephony, "127.0.0.13") as stranger:
        for address in (EXCHANGE, GATEWAY, EXCHANGE):
            with pinging(telephony, address) as known:
                known.settimeout(PATIENCE_SECONDS)
                assert known.recv(4096).startswith(b"SIP/2.0 200")

        stranger.setblocking(False)
        with pytest.raises(BlockingIOError):
            stranger.recv(4096)


async def test_a_call_that_nobody_answers_costs_nothing_and_frees_its_credit(
    store: Store, telephony: Telephony
) -> None:
    number_id, caller = await subscriber(store, "10")

    assert await in_a_thread(telephony, caller, BUSY) == "486"
    assert (await credit_of(store, number_id))[1] != "0.00"

    telephony.records_of(caller)
    await send_records(telephony, caller)
    assert await credit_of(store, number_id) == ("10.00", "0.00")


async def test_ten_calls_at_once_can_not_spend_the_same_credit(store: Store, telephony: Telephony) -> None:
    """Each call holds 62 s at most, 6.2002 CZK: of 20 CZK there is enough for three, and 1.3994 for a shorter one."""
    number_id, caller = await subscriber(store, "20")

    outcome = await in_a_thread(telephony, caller, AMERICA, seconds=1.2, calls=10)

    assert outcome == " ".join(["402"] * 6 + ["ended"] * 4)
    records = telephony.records_of(caller, 4)
    await send_records(telephony, caller)
    await send_records(telephony, caller)  # once more, as after a lost answer
    balance, reserved = await credit_of(store, number_id)
    assert (e4(balance), reserved) == (200_000 - cost_e4(records), "0.00")
    assert await problems(store) == []


async def test_records_come_back_by_the_files_that_kamailio_writes(
    url: str, store: Store, telephony: Telephony
) -> None:
    number_id, caller = await subscriber(store, "10")
    assert await in_a_thread(telephony, caller, AMERICA, seconds=2.2) == "ended"
    with running_engine(telephony, url):
        await asyncio.to_thread(until, "the call's hold is settled", lambda: reserved(url, number_id) == 0)

    assert cost_e4(telephony.records_of(caller)) == 2001
    assert await credit_of(store, number_id) == ("9.7999", "0.00")
    assert await problems(store) == []


async def test_while_hradlo_hangs_help_is_reached_and_nothing_else(store: Store, telephony: Telephony) -> None:
    _, caller = await subscriber(store, "10")
    telephony.hradlo.send_signal(signal.SIGSTOP)
    try:
        assert await in_a_thread(telephony, caller, EMERGENCY) == "ended"
        assert await in_a_thread(telephony, caller, AMERICA) == "503"
    finally:
        telephony.hradlo.send_signal(signal.SIGCONT)
