"""`POST /voip/calls`: records that an exchange sends are charged once, or the exchange keeps them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from billing.store.engine import Store
from billing.voip.calls.record import CallRecord
from portal.exchange.receiving import BODY_BYTES_MAX
from tests.billing.voip.calls.exchanges import ANSWERED, WRITERS, Writer, kamailio
from tests.billing.voip.world import MOBILE, NOW, NUMBER, add_number, credit_of, problems
from tests.portal.exchange.exchange import Exchange, exchange


def minute(call_id: str = "1772442000.1") -> CallRecord:
    """A call of a minute: 2.40 CZK."""
    return replace(
        ANSWERED,
        call_id=call_id,
        caller=NUMBER,
        called=MOBILE,
        started_at=NOW,
        answered_at=NOW,
        ended_at=NOW + timedelta(seconds=60),
        billed_seconds=60,
    )


@pytest.fixture
async def pbx(store: Store, tmp_path: Path) -> AsyncIterator[Exchange]:
    async with exchange(store, tmp_path) as opened:
        await add_number(store, credit="100")
        yield opened


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
async def test_records_are_charged_once_however_often_they_come(store: Store, pbx: Exchange, write: Writer) -> None:
    body = write([minute()])

    first, again = await pbx.post("/voip/calls", body), await pbx.post("/voip/calls", body)

    assert first == (200, {"rated": 1, "waiting": 0, "repeated": 0, "disputed": 0})
    assert again == (200, {"rated": 0, "waiting": 0, "repeated": 1, "disputed": 0})
    assert await credit_of(store) == ("97.60", "0.00")
    assert await problems(store) == []
    assert pbx.rings


async def test_the_record_of_a_call_that_was_asked_about_frees_its_hold(store: Store, pbx: Exchange) -> None:
    await pbx.ask("1772442000.1")
    assert (await credit_of(store))[1] != "0.00"

    await pbx.post("/voip/calls", WRITERS["asterisk"]([minute()]))

    assert await credit_of(store) == ("97.60", "0.00")


async def test_one_bad_line_keeps_all_out_and_is_named(store: Store, pbx: Exchange) -> None:
    status, told = await pbx.post("/voip/calls", kamailio([minute()]) + b"1772442000|torn\n")

    assert (status, told) == (422, {"problems": [{"place": "line 2", "message": "has 2 columns instead of 8"}]})
    assert (await credit_of(store))[0] == "100.00"


async def test_while_the_database_is_away_the_exchange_is_told_to_keep_its_records(store: Store, pbx: Exchange) -> None:
    async with store.transaction() as session:
        await session.execute(text("ALTER TABLE voip_call RENAME TO elsewhere"))

    assert (await pbx.post("/voip/calls", kamailio([minute()])))[0] == 503


async def test_a_body_without_end_is_refused(pbx: Exchange) -> None:
    assert (await pbx.post("/voip/calls", b"1" * (BODY_BYTES_MAX + 1)))[0] == 413


async def test_a_format_that_is_named_is_not_guessed(pbx: Exchange) -> None:
    assert (await pbx.post("/voip/calls?format=kamailio", kamailio([minute()])))[0] == 200
    assert (await pbx.post("/voip/calls?format=asterisk", kamailio([minute()])))[0] == 422
    assert (await pbx.post("/voip/calls?format=excel", kamailio([minute()])))[0] == 400


async def test_strangers_send_no_records(store: Store, pbx: Exchange) -> None:
    pbx.token = ""

    assert (await pbx.post("/voip/calls", kamailio([minute()])))[0] == 401
    assert (await credit_of(store))[0] == "100.00"
