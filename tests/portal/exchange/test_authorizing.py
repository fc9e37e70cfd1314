"""`POST /voip/authorize`: what the exchange is told, and that anything else than an answer means no."""

import base64
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from billing.store.engine import Store
from config.errors import InputRejected, SettingsError
from config.settings import parse
from portal.exchange.app import make_exchange_app
from portal.exchange.authorizing import QUESTION_BYTES_MAX, Question, is_about_help, question
from tests.billing.voip.world import NUMBER, add_number, credit_of, problems
from tests.portal.exchange.exchange import TOKEN, Exchange, exchange

UNAVAILABLE = (503, {"allowed": False, "max_seconds": None, "reason": "unavailable"})
EMERGENCY = (200, {"allowed": True, "max_seconds": None, "reason": "emergency"})


@pytest.fixture
async def pbx(store: Store, tmp_path: Path) -> AsyncIterator[Exchange]:
    async with exchange(store, tmp_path) as opened:
        yield opened


async def test_a_call_with_credit_may_last_as_long_as_the_credit(store: Store, pbx: Exchange) -> None:
    await add_number(store, credit="2.4")  # a minute

    assert await pbx.ask() == (200, {"allowed": True, "max_seconds": 58, "reason": "credit"})
    assert await pbx.ask() == (200, {"allowed": True, "max_seconds": 58, "reason": "credit"})
    assert await pbx.ask("call-2") == (200, {"allowed": False, "max_seconds": None, "reason": "no_credit"})
    assert await credit_of(store) == ("2.40", "2.40")
    assert await problems(store) == []


async def test_a_stranger_is_refused_with_the_reason(pbx: Exchange) -> None:
    assert await pbx.ask(caller="+420910999999") == (
        200,
        {"allowed": False, "max_seconds": None, "reason": "unknown_caller"},
    )


async def test_emergency_numbers_pass_while_the_database_is_away_and_nothing_else_does(
    store: Store, pbx: Exchange
) -> None:
    await add_number(store, credit="100")
    async with store.transaction() as session:
        await session.execute(text("ALTER TABLE voip_number RENAME TO elsewhere"))

    assert await pbx.ask(called="112") == await pbx.ask(called="+420 155", caller="nobody") == EMERGENCY
    assert await pbx.ask() == UNAVAILABLE


async def test_a_question_about_an_emergency_number_may_lack_everything_else(pbx: Exchange) -> None:
    assert await pbx.post("/voip/authorize", b'{"called": "158"}') == EMERGENCY


async def test_a_database_that_is_held_up_is_a_no_in_time_and_the_hold_is_the_next_answer(
    store: Store, pbx: Exchange, database_url: str
) -> None:
    await add_number(store, credit="2.4")
    pbx.be_patient(0.2)
    other = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    assert await pbx.ask() == UNAVAILABLE
    assert await pbx.ask(called="150") == EMERGENCY
    other.execute("ROLLBACK")
    other.close()
    pbx.be_patient(30)
    assert (await pbx.ask())[1]["reason"] == "credit"
    assert await credit_of(store) == ("2.40", "2.40")


@pytest.mark.parametrize("token", ["", f"Bearer {TOKEN}x", "Bearer", f"Digest {TOKEN}", "Basic x", "Bearer ř"])
async def test_without_the_token_nothing_is_answered(pbx: Exchange, token: str) -> None:
    pbx.token = token

    assert await pbx.ask(called="112") == (401, {"allowed": False, "max_seconds": None, "reason": "wrong_token"})


async def test_the_token_may_come_as_a_password(pbx: Exchange) -> None:
    pbx.token = f"Basic {base64.b64encode(f'hradlo:{TOKEN}'.encode()).decode()}"

    assert await pbx.ask(called="112") == EMERGENCY


async def test_only_the_addresses_of_the_settings_are_answered_whatever_a_header_says(pbx: Exchange) -> None:
    pbx.local_address = "127.0.0.2"

    status, told = await pbx.post("/voip/authorize", b"{}", {"X-Forwarded-For": "127.0.0.1"})

    assert (status, told["reason"]) == (403, "unknown_exchange")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "body"),
        (b"\xff", "body"),
        (b"[]", "body"),
        (b"[" * 10_000, "body"),
        (b" " * (QUESTION_BYTES_MAX + 1), "body"),
        (b'{"caller": "1", "called": 602123456, "call_id": "x"}', "called"),
        (b'{"caller": "", "called": "602123456", "call_id": "x"}', "caller"),
        (b'{"caller": "1", "called": "602123456"}', "call_id"),
        (b'{"caller": "1", "called": "602123456", "call_id": "a\\u0000b"}', "call_id"),
    ],
)
async def test_a_question_that_is_none_is_refused_and_names_what_is_wrong(
    pbx: Exchange, body: bytes, named: str
) -> None:
    status, told = await pbx.post("/voip/authorize", body)

    assert (status, told["allowed"], told["reason"]) == (400, False, "bad_request")
    assert told["problems"][0].startswith(f"{named}: ")


async def test_an_address_that_is_not_there_allows_nothing(pbx: Exchange) -> None:
    assert (await pbx.post("/voip/other", b"{}"))[1]["allowed"] is False


async def test_nothing_is_answered_to_a_get(pbx: Exchange) -> None:
    async with (
        aiohttp.ClientSession(headers={"Authorization": pbx.token}) as session,
        session.get(pbx.server.make_url("/voip/authorize")) as response,
    ):
        assert (response.status, response.headers["Allow"]) == (405, "POST")
        assert (await response.json())["allowed"] is False


def test_there_is_no_exchange_without_a_token(store: Store, tmp_path: Path) -> None:
    settings = parse(f'[secrets]\ndirectory = "{tmp_path}"')

    with pytest.raises(SettingsError, match="secret voip_token"):
        make_exchange_app(settings, store, None, lambda: None)  # type: ignore[arg-type]
    (tmp_path / "voip_token").write_text("short")
    with pytest.raises(SettingsError, match="shorter than 32"):
        make_exchange_app(settings, store, None, lambda: None)  # type: ignore[arg-type]


@given(st.binary(max_size=100) | st.from_regex(r'\{"call(ed|er|_id)": .*\}').map(str.encode))
def test_any_body_is_a_question_or_refused_and_nothing_else(body: bytes) -> None:
    is_about_help(body, "CZ")
    try:
        found = question(body)
    except InputRejected:
        return

    assert isinstance(found, Question)


@given(st.text(min_size=1, max_size=20))
def test_no_number_is_an_emergency_that_is_none(called: str) -> None:
    body = json.dumps({"caller": NUMBER, "called": called, "call_id": "1"}).encode()

    assert is_about_help(body, "CZ") == (called.strip() in ("112", "150", "155", "156", "158"))
