"""From a coupon to credit and its invoice: asked, confirmed, counted once, and never above the month's cap."""

import asyncio
import re
from datetime import UTC, datetime

from aiohttp.test_utils import TestServer
from sqlalchemy import update

from billing.customers.passwords import hash_password
from billing.customers.tables import Customer
from billing.money import Money
from billing.voip import topping_up
from billing.voip.tables import VoipNumber
from portal.customer.app import make_portal_app
from portal.customer.office import Office
from tests.billing.voip.world import NUMBER
from tests.portal.customer.house import Answer, House
from tests.portal.voip.street import ORIGIN, PASSWORD, Handset, Street

START = "183.658"
_KEY = re.compile(r'name="key" value="([0-9a-f]{64})"')


async def asked(browser: Handset, amount: str = "300.00") -> str:
    """Opens the question; its key."""
    page = await browser.get(f"/top-up?amount={amount}")
    found = _KEY.search(page.text)
    assert found
    return found[1]


async def confirmed(browser: Handset, key: str, amount: str = "300.00") -> Answer:
    return await browser.post("/top-up", amount=amount, key=key)


async def test_the_question_names_the_amount_and_changes_nothing(voip: Street, jana: Handset) -> None:
    before = await voip.actions()

    page = await jana.get("/top-up?amount=300.00")

    assert "Do you really want to top up CZK\xa0300.00?" in page.text
    assert await voip.actions() == before
    assert await voip.credit_of() == START


async def test_confirmed_the_credit_is_there_with_an_invoice_of_its_own_and_a_mail(voip: Street, jana: Handset) -> None:
    answer = await confirmed(jana, await asked(jana))

    assert answer.status == 303
    page = await jana.get(answer.location)
    invoice = (await voip.invoices())[-1]
    assert (await voip.credit_of(), str(invoice.total), str(invoice.open)) == ("483.658", "300.00", "300.00")
    assert answer.location == f"/top-ups/{invoice.number}"
    for words in ("CZK\xa0300.00 are topped up", invoice.number, "3001", "/billing", "data:image/png"):
        assert words in page.text
    assert (await voip.mails())[-1].attaches == invoice.number
    assert voip.rings


async def test_who_goes_back_after_topping_up_reads_that_it_is_done(voip: Street, jana: Handset) -> None:
    voip.clock.advance(minutes=10)
    assert "a moment ago" not in (await jana.get("/top-up?amount=300.00")).text

    await confirmed(jana, await asked(jana))

    assert "You topped up CZK\xa0300.00 a moment ago" in (await jana.get("/top-up?amount=300.00")).text


async def test_a_double_click_and_a_reload_top_up_once(voip: Street, jana: Handset) -> None:
    key = await asked(jana)

    answers = [*await asyncio.gather(*(confirmed(jana, key) for _ in range(5))), await confirmed(jana, key)]

    assert {answer.location for answer in answers} == {f"/top-ups/{(await voip.invoices())[-1].number}"}
    assert (await voip.credit_of(), len(await voip.invoices())) == ("483.658", 2)


async def test_the_same_question_confirmed_in_two_browsers_tops_up_once(voip: Street, jana: Handset) -> None:
    other = await voip.browser().enter()
    first, second = await asked(jana), await asked(other)

    await confirmed(jana, first)
    await confirmed(other, second)

    assert (await voip.credit_of(), len(await voip.invoices())) == ("483.658", 2)


async def test_a_question_that_was_overtaken_is_asked_again(voip: Street, jana: Handset) -> None:
    stale = await asked(jana, "100.00")
    await confirmed(jana, await asked(jana))

    answer = await confirmed(jana, stale, "100.00")

    assert answer.status == 409
    assert "Credit was topped up meanwhile" in answer.text
    assert await voip.credit_of() == "483.658"
    again = _KEY.search(answer.text)
    assert again
    assert (await confirmed(jana, again[1], "100.00")).status == 303
    assert await voip.credit_of() == "583.658"


async def test_a_made_up_key_and_a_made_up_amount_top_up_nothing(voip: Street, jana: Handset) -> None:
    assert (await confirmed(jana, "0" * 64)).status == 409
    assert (await confirmed(jana, await asked(jana), "299.00")).status == 400
    assert (await jana.get("/top-up?amount=1.00")).status == 400
    assert await voip.credit_of() == START


async def test_another_numbers_key_is_worth_nothing(voip: Street, jana: Handset, petr: Handset) -> None:
    assert (await confirmed(petr, await asked(jana))).status == 409
    assert await voip.credit_of() == START


async def test_above_the_cap_the_page_says_how_much_is_left_and_how_to_ask(voip: Street, jana: Handset) -> None:
    page = await jana.get("/top-up?amount=1000.00")

    assert page.status == 409
    for words in ("At most CZK\xa01,000.00", "CZK\xa0800.00 are left", "+420 800 555 019", "podpora@isp.example"):
        assert words in page.text


async def test_a_coupon_that_exceeds_the_cap_meanwhile_is_refused(voip: Street, jana: Handset) -> None:
    key = await asked(jana, "500.00")
    async with voip.store.transaction() as session:
        number = await session.get_one(VoipNumber, voip.ids[NUMBER])
        await topping_up.top_up(
            session, number.id, Money(500_00), key="by hand, by the admin", settings=voip.booth.settings,
            actor="admin:eva", now=voip.clock.now(),
        )  # fmt: skip

    answer = await confirmed(jana, key, "500.00")

    assert answer.status == 409
    assert await voip.credit_of() == "683.658"


async def test_what_the_isp_allows_above_the_cap_can_be_topped_up(voip: Street, jana: Handset) -> None:
    async with voip.store.transaction() as session:
        number = await session.get_one(VoipNumber, voip.ids[NUMBER])
        await topping_up.allow(
            session, number, Money(500_00), month="2026-03", why="asked", actor="admin:eva", now=voip.clock.now()
        )

    assert (await confirmed(jana, await asked(jana, "1000.00"), "1000.00")).status == 303


async def test_next_month_the_cap_begins_anew(voip: Street, jana: Handset) -> None:
    voip.clock.advance(days=30)
    jana = await voip.browser().enter()

    assert "CZK\xa00.00 of CZK\xa01,000.00 were topped up here" in (await jana.get("/credit")).text


async def test_the_month_turns_at_midnight_where_the_isp_is(voip: Street) -> None:
    """In Prague, which is two hours ahead of UTC then."""
    seen = []
    for at in (datetime(2026, 3, 31, 21, 59, tzinfo=UTC), datetime(2026, 3, 31, 22, 1, tzinfo=UTC)):
        voip.clock.move_to(at)
        jana = await voip.browser().enter()
        seen.append("CZK\xa0200.00 of" in (await jana.get("/credit")).text)

    assert seen == [True, False]


async def test_a_blocked_number_is_told_so_and_offered_no_coupon(voip: Street, jana: Handset) -> None:
    from billing.voip import operations

    key = await asked(jana)
    async with voip.store.transaction() as session:
        number = await session.get_one(VoipNumber, voip.ids[NUMBER])
        await operations.set_state(session, number, "blocked", why="", actor="test", now=voip.clock.now())

    assert (await confirmed(jana, key)).location == "/credit"
    page = await jana.get("/credit")
    assert "This number is blocked" in page.text
    assert 'name="amount"' not in page.text
    assert await voip.credit_of() == START


async def test_the_customer_portal_names_the_number_with_its_credit_and_leads_here(voip: Street) -> None:
    async with voip.store.transaction() as session:
        await session.execute(update(Customer).values(password_hash=hash_password(PASSWORD)))
    office = Office(voip.booth.settings, voip.store, voip.clock, lambda: None)
    async with TestServer(make_portal_app(office)) as server:
        assert server.port
        browser = House(voip.store, voip.clock, office, server.port).browser()
        await browser.post("/login", number="3001", password=PASSWORD)
        page = await browser.get("/services")

    assert [words for words in ("910 123 456", "CZK\xa0183.66", f"{ORIGIN}/credit") if words not in page.text] == []
    assert "910 555 456" not in page.text
