"""What will a call cost? Asked by anybody, answered as a page and as JSON."""

import json

import pytest

from tests.billing.voip.world import DECK, MOBILE, add_deck
from tests.portal.voip.street import Handset, Street


@pytest.mark.parametrize("typed", ["601123456", "601 123 456", "+420 601 123 456", "00420601123456", "+420-601-123456"])
async def test_a_number_is_read_however_people_type_it(voip: Street, typed: str) -> None:
    answer = await voip.browser().ask("GET", "/price.json?number=" + typed.replace("+", "%2B").replace(" ", "%20"))

    assert json.loads(answer.text) == {
        "number": MOBILE,
        "kind": "ordinary",
        "is_callable": True,
        "is_free": False,
        "destination": "Česko mobil",
        "currency": "CZK",
        "price_per_minute": "2.40",
        "connection_fee": "0.00",
        "first_seconds": 60,
        "step_seconds": 1,
        "examples": [{"minutes": 1, "price": "2.40"}, {"minutes": 10, "price": "24.00"}],
    }


async def test_the_page_says_price_connection_counting_and_two_examples(voip: Street) -> None:
    page = await voip.browser().get("/?number=0049301234567")

    assert page.status == 200
    for words in (
        "+49 30 1234567",
        "Německo",
        "CZK\xa03.0105",
        "CZK\xa00.50",
        "each minute that has begun",
        "CZK\xa030.605",
    ):
        assert words in page.text


@pytest.mark.parametrize("number", ["112", "150", "155", "158", "+420112"])
async def test_emergency_numbers_are_free_and_said_to_get_through_without_credit(voip: Street, number: str) -> None:
    page = await voip.browser().get("/?number=" + number.replace("+", "%2B"))

    assert "free of charge" in page.text
    assert "even without credit" in page.text


async def test_a_free_number_is_free_and_a_short_one_has_its_price(voip: Street) -> None:
    browser = voip.browser()

    assert json.loads((await browser.get("/price.json?number=800123456")).text)["is_free"] is True
    assert json.loads((await browser.get("/price.json?number=1188")).text)["connection_fee"] == "15.00"


async def test_a_number_without_a_price_can_not_be_called(voip: Street) -> None:
    browser = voip.browser()

    assert json.loads((await browser.get("/price.json?number=%2B88212345678")).text)["is_callable"] is False
    assert "can't be called from us" in (await browser.get("/?number=%2B88212345678")).text


@pytest.mark.parametrize("typed", ["abc", "1", "%2B", "601 123 456 789 012 345 678", "<script>"])
async def test_what_is_no_number_is_said_to_be_none(voip: Street, typed: str) -> None:
    browser = voip.browser()

    page = await browser.get(f"/?number={typed}")

    assert page.status == 422
    assert "no telephone number" in page.text
    assert (await browser.get(f"/price.json?number={typed}")).status == 422


async def test_who_is_logged_in_sees_the_prices_of_their_tariff(voip: Street, jana: Handset) -> None:
    from sqlalchemy import update

    from billing.voip.tables import VoipNumber

    await add_deck(voip.store, DECK.replace("420601,Česko mobil,2.40", "420601,Česko mobil,0.90"), name="friends")
    async with voip.store.transaction() as session:
        await session.execute(update(VoipNumber).where(VoipNumber.number.endswith("123456")).values(deck="friends"))

    mine = json.loads((await jana.get("/price.json?number=601123456")).text)
    everybodys = json.loads((await voip.browser().get("/price.json?number=601123456")).text)

    assert (mine["price_per_minute"], everybodys["price_per_minute"]) == ("0.90", "2.40")


async def test_one_address_asks_only_so_often(voip: Street) -> None:
    browser = voip.browser()
    statuses = {(await browser.get("/price.json?number=112")).status for _ in range(60)}

    assert statuses == {200, 429}
