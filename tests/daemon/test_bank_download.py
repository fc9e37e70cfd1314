"""The job asks every account, tells what came, and never tells its token."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs

from billing.payments.banks import fio_api
from billing.payments.banks.fio_api import FioApi
from billing.payments.download import FioAccount
from billing.store.engine import Store
from config.clock import TestClock
from config.settings import Settings
from daemon.bank_download import download_all, keep_downloading
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


class _Stopped(Exception):
    """The test has seen enough."""


class _Hasty(Seconds):
    """The bank's clock: every request comes a minute after the one before."""

    @property
    def now(self) -> float:  # type: ignore[override]
        self._now = getattr(self, "_now", 0.0) + 60
        return self._now

    @now.setter
    def now(self, value: float) -> None:
        """It can't be set."""


async def test_the_engine_is_woken_when_payments_came(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fio_api, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(fio_api, "MARGIN_SECONDS", 0)
    (tmp_path / "fio_token").write_text(f"{TOKEN}\n")
    await add_debtor(store, i26001="500")
    woken = asyncio.Event()

    async def stop() -> None:
        await woken.wait()
        raise _Stopped

    async with fio_server(FioServer(_Hasty(), [(7, TODAY, "200.00", "1001")])) as url:
        settings = Settings.model_validate(
            {"secrets": {"directory": tmp_path}, "fio": {"tokens": ("fio_token",), "url": url}}
        )
        try:
            async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
                tasks.create_task(keep_downloading(settings, store, TestClock(NOW), on_duty, woken.set))
                tasks.create_task(stop())
        except* _Stopped:
            pass

    assert woken.is_set()


async def on_duty() -> None:
    """This engine is the one that asks the bank."""
