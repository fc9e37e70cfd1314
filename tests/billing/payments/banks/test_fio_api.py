"""The client keeps the bank's rules by itself, and its token to itself."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import date

import aiohttp
import pytest
from aiohttp import web

from billing.payments.banks.detect import read
from billing.payments.banks.fio_api import FioApi
from config.errors import BankUnreachable, NotAllowed
from tests.billing.payments.fio_server import TODAY, TOKEN, FioServer, Seconds, fio_server


@pytest.fixture
def bank() -> FioServer:
    return FioServer(Seconds(), [(7, TODAY, "130.10", "1001"), (9, TODAY, "-20.05", "")])


@pytest.fixture
async def api(bank: FioServer) -> AsyncIterator[FioApi]:
    async with fio_server(bank) as url, aiohttp.ClientSession() as http:
        yield FioApi(http, url, TOKEN, seconds=bank.seconds, wait=bank.seconds.wait)


async def test_a_period_is_a_statement_that_adds_up(api: FioApi) -> None:
    [statement] = read(await api.period(TODAY, TODAY))

    assert [(line.bank_ref, str(line.amount)) for line in statement.lines] == [("fio-7", "130.10"), ("fio-9", "-20.05")]


async def test_every_address_of_the_bank_is_asked_as_it_wants(bank: FioServer, api: FioApi) -> None:
    await api.period(date(2026, 11, 1), TODAY)
    await api.statement(2026, 11)
    await api.set_last_id("7")
    [statement] = read(await api.last())

    assert bank.asked == [
        "periods/2026-11-01/2026-11-20/transactions.json",
        "by-id/2026/11/transactions.json",
        "set-last-id/7/",
        "last/transactions.json",
    ]
    assert [line.bank_ref for line in statement.lines] == ["fio-9"]


async def test_the_bank_is_never_asked_twice_within_thirty_seconds(bank: FioServer, api: FioApi) -> None:
    await asyncio.gather(*(api.period(TODAY, TODAY) for _ in range(3)))

    assert bank.seconds.waited == [31, 31]
    assert len(bank.asked) == 3


async def test_no_second_is_waited_that_has_passed_already(bank: FioServer, api: FioApi) -> None:
    await api.period(TODAY, TODAY)
    bank.seconds.now += 25

    await api.period(TODAY, TODAY)

    assert bank.seconds.waited == [6]


async def test_a_token_that_somebody_else_just_used_is_tried_again(bank: FioServer, api: FioApi) -> None:
    bank.last_use_seconds = bank.seconds.now - 1

    await api.period(TODAY, TODAY)

    assert bank.seconds.waited == [31]
    assert len(bank.asked) == 2


async def test_a_token_that_is_always_in_use_is_given_up(
    bank: FioServer, api: FioApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wait_while_somebody_else_asks(seconds: float) -> None:
        bank.seconds.now += seconds
        bank.last_use_seconds = bank.seconds.now

    monkeypatch.setattr(api, "_wait", wait_while_somebody_else_asks)
    bank.last_use_seconds = bank.seconds.now

    with pytest.raises(BankUnreachable, match="Give every program a token of its own"):
        await api.period(TODAY, TODAY)
    assert len(bank.asked) == 3


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "does not know this address"),
        (413, "too many movements"),
        (422, "only after an authorisation"),
        (500, "does not accept the token"),
        (503, "answers with the status 503"),
        (302, "answers with the status 302"),
    ],
)
async def test_what_the_bank_refuses_is_said_in_words(bank: FioServer, api: FioApi, status: int, message: str) -> None:
    elsewhere = {"Location": "http://127.0.0.1:1/"} if status == 302 else {}
    bank.answer = web.Response(status=status, headers=elsewhere)

    with pytest.raises(BankUnreachable, match=message) as caught:
        await api.period(TODAY, TODAY)
    assert TOKEN not in str(caught.value)


async def test_days_long_ago_need_a_person(api: FioApi) -> None:
    with pytest.raises(BankUnreachable, match="only after an authorisation"):
        await api.period(date(2026, 1, 1), TODAY)


async def test_an_unknown_token_is_refused(bank: FioServer) -> None:
    async with fio_server(bank) as url, aiohttp.ClientSession() as http:
        with pytest.raises(BankUnreachable, match="does not accept the token"):
            await FioApi(http, url, "x" * 64, seconds=bank.seconds, wait=bank.seconds.wait).last()


async def test_a_bank_that_is_not_there_is_no_surprise_and_the_token_is_in_no_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    seconds = Seconds()
    async with aiohttp.ClientSession() as http:
        api = FioApi(http, "http://127.0.0.1:1/rest", TOKEN, seconds=seconds, wait=seconds.wait)
        with pytest.raises(BankUnreachable, match="can't be reached") as caught:
            await api.last()

    shown = "".join([str(caught.value), repr(caught.value), repr(api), caplog.text])
    assert TOKEN not in shown
    assert caught.value.__suppress_context__


async def test_an_endless_answer_is_cut_off(bank: FioServer, api: FioApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.payments.banks.fio_api.SIZE_BYTES_MAX", 1000)
    bank.answer = web.Response(body=b" " * 5000)

    with pytest.raises(BankUnreachable, match="longer than 1000 bytes"):
        await api.period(TODAY, TODAY)


@pytest.mark.parametrize("token", ["", "short", "with/slash" * 4, "with\nline" * 4, "ž" * 64])
async def test_what_can_be_no_token_is_refused_without_being_shown(token: str) -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(NotAllowed) as caught:
            FioApi(http, "http://127.0.0.1:1", token)
    if token:
        assert token not in str(caught.value)
