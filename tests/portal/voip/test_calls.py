"""The calls of a number: month by month, looked through, and as a file."""

import csv
import io

from tests.portal.voip.street import Handset, Street


async def test_the_calls_of_this_month_stand_with_their_length_and_price(jana: Handset) -> None:
    page = await jana.get("/calls")

    for words in (
        "+49 30 123456",
        "Německo",
        "3:20",
        "CZK\xa012.542",
        "+420 601 123 456",
        "1:35",
        "CZK\xa03.80",
        "2 calls",
    ):
        assert words in page.text


async def test_a_search_finds_by_digits_and_by_destination(jana: Handset) -> None:
    assert "Německo" not in (await jana.get("/calls?q=601%20123")).text
    assert "Česko mobil" not in (await jana.get("/calls?q=n%C4%9Bmecko")).text
    assert "No calls." in (await jana.get("/calls?q=Mars")).text


async def test_another_month_shows_its_own(voip: Street, jana: Handset) -> None:
    voip.clock.advance(days=30)
    jana = await voip.browser().enter()

    assert "No calls." in (await jana.get("/calls")).text
    assert "2 calls" in (await jana.get("/calls?month=2026-03")).text


async def test_the_file_has_the_same_calls_for_a_spreadsheet(jana: Handset) -> None:
    answer = await jana.get("/calls.csv?month=2026-03")

    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["Content-Disposition"] == 'attachment; filename="calls-2026-03.csv"'
    assert [(row["destination"], row["seconds"], row["charged"]) for row in rows] == [
        ("Německo", "200", "12.542"),
        ("Česko mobil", "95", "3.80"),
    ]
