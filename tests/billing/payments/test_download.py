"""A download goes on where the database ends, whatever happened in between."""

from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import func, select

from billing.money import Money
from billing.payments.banks.fio_api import FioApi
from billing.payments.download import FioAccount, download
from billing.payments.tables import Payment
from billing.store.engine import Store
from config.errors import BankUnreachable, StatementRejected
from config.settings import Settings
from tests.billing.payments.fio_server import TODAY, TOKEN, FioServer, Seconds, fio_server
from tests.billing.payments.world import NOW, add_debtor

SETTINGS = Settings.model_validate({"payments": {"accounts": ["2000123456/2010"]}})


@pytest.fixture
def bank() -> FioServer:
    return FioServer(Seconds(), [(7, TODAY - timedelta(days=40), "200.00", "1001"), (9, TODAY, "-20.05", "")])


@pytest.fixture
async def source(bank: FioServer) -> AsyncIterator[FioAccount]:
    async with fio_server(bank) as url, aiohttp.ClientSession() as http:
        yield FioAccount(FioApi(http, url, TOKEN, seconds=bank.seconds, wait=bank.seconds.wait))


async def _payments(store: Store) -> int:
    async with store.reading() as session:
        return await session.scalar(select(func.count()).select_from(Payment)) or 0


async def test_the_first_download_goes_back_as_far_as_the_bank_lets_it(
    store: Store, bank: FioServer, source: FioAccount
) -> None:
    await add_debtor(store, i26001="500")

    report = await download(store, source, SETTINGS, NOW)

    assert (report.new, report.matched, report.received) == (1, 1, Money(20000))
    assert bank.asked[-1] == "periods/2026-08-23/2026-11-20/transactions.json"


async def test_the_next_one_begins_at_the_last_movement_that_is_stored(
    store: Store, bank: FioServer, source: FioAccount
) -> None:
    bank.movements.append((11, TODAY - timedelta(days=1), "1.00", "1001"))
    await download(store, source, SETTINGS, NOW)
    bank.movements.append((12, TODAY, "2.00", "1001"))

    report = await download(store, source, SETTINGS, NOW)

    assert (report.new, report.known) == (1, 1)
    assert bank.asked[-1] == "periods/2026-11-16/2026-11-20/transactions.json"


async def test_downloading_again_after_a_crash_adds_nothing(store: Store, bank: FioServer, source: FioAccount) -> None:
    await download(store, source, SETTINGS, NOW)
    started_again = FioAccount(source.api)

    report = await download(store, started_again, SETTINGS, NOW)

    assert report.new == 0
    assert await _payments(store) == 1


async def test_an_answer_that_does_not_add_up_stores_nothing(store: Store, bank: FioServer, source: FioAccount) -> None:
    source.account = "2000123456/2010"
    wrong = bank._statement(TODAY, TODAY, bank.movements).text or ""
    bank.answer = web.Response(text=wrong.replace('"closingBalance": ', '"closingBalance": 1'))

    with pytest.raises(StatementRejected, match="new balance"):
        await download(store, source, SETTINGS, NOW)

    assert await _payments(store) == 0


async def test_a_bank_that_is_down_stores_nothing(store: Store, bank: FioServer, source: FioAccount) -> None:
    bank.answer = web.Response(status=503)

    with pytest.raises(BankUnreachable):
        await download(store, source, SETTINGS, NOW)

    assert await _payments(store) == 0


async def test_a_token_for_somebody_elses_account_is_refused(store: Store, source: FioAccount) -> None:
    foreign = Settings.model_validate({"payments": {"accounts": ["123/0800"]}})

    with pytest.raises(StatementRejected, match="not one of yours"):
        await download(store, source, foreign, NOW)
