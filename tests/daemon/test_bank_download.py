"""The job asks every account, tells what came, and never tells its token."""

import aiohttp
from structlog.testing import capture_logs

from billing.payments.banks.fio_api import FioApi
from billing.payments.download import FioAccount
from billing.store.engine import Store
from config.clock import TestClock
from config.settings import Settings
from daemon.bank_download import download_all
from tests.billing.payments.fio_server import TODAY, TOKEN, FioServer, Seconds, fio_server
from tests.billing.payments.world import NOW, add_debtor


async def test_an_account_that_fails_keeps_no_other_from_its_turn(store: Store) -> None:
    await add_debtor(store, i26001="500")
    bank = FioServer(Seconds(), [(7, TODAY, "200.00", "1001")])
    async with fio_server(bank) as url, aiohttp.ClientSession() as http:
        sources = {
            name: FioAccount(FioApi(http, url, token, seconds=bank.seconds, wait=bank.seconds.wait))
            for name, token in (("fio_old", "x" * 64), ("fio_token", TOKEN))
        }
        with capture_logs() as logs:
            new = await download_all(Settings(), store, TestClock(NOW), sources)

    assert new == 1
    assert [entry["event"] for entry in logs] == ["bank not downloaded", "bank downloaded"]
    assert logs[0]["source"] == "fio_old"
    assert (logs[1]["account"], logs[1]["new"], logs[1]["matched"]) == ("2000123456/2010", 1, 1)
    assert TOKEN not in str(logs)
    assert "x" * 64 not in str(logs)
