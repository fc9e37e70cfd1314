"""What a customer finds in each section, and what can be changed there."""

import asyncio
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select

from billing.customers.portal_changes import decide, requests
from billing.customers.tables import Contract
from billing.dunning.operations import promise
from billing.dunning.tables import Line, Promise
from billing.invoicing.tables import Invoice
from billing.money import Money
from billing.services.tables import Service, Usage
from billing.store.engine import Store
from config.errors import NotAllowed
from tests.portal.customer.furnished import furnish
from tests.portal.customer.house import JANA, NOW, Browser, House, house


async def test_what_is_owed_is_on_the_first_page_with_all_that_a_payment_needs(jana: Browser) -> None:
    text = (await jana.get("/")).text

    assert "599.00" in text
    assert "19-2000145399/0800" in text
    assert 'data-copy="1001"' in text
    assert 'data-copy="261001"' in text
    assert "data:image/png" in text


async def test_who_owes_nothing_reads_that(petr: Browser) -> None:
    text = (await petr.get("/")).text

    assert "Nothing is to be paid." in text
    assert "data:image/png" not in text


async def test_phone_and_postal_address_change_at_once(portal: House, jana: Browser) -> None:
    answer = await jana.post("/contacts", email="501@isp.example", phone="+420 1", mailing_city="Brno")

    customer = await portal.customer()
    assert answer.location == "/?done=saved"
    assert (customer.phone, customer.mailing_city) == ("+420 1", "Brno")
    assert "customer.changed" in await portal.actions()


async def test_what_identifies_the_contract_is_not_changed_by_a_form_of_contacts(portal: House, jana: Browser) -> None:
    await jana.post("/contacts", email="501@isp.example", name="Somebody Else", number="999", password_hash="x")

    customer = await portal.customer()
    assert (customer.name, customer.number) == ("Jana Nováková", JANA)


async def test_a_new_address_counts_once_its_link_was_opened_and_the_old_one_is_told(
    portal: House, jana: Browser
) -> None:
    answer = await jana.post("/contacts", email="new@isp.example", phone="")
    assert answer.location == "/?done=confirm"
    assert (await portal.customer()).email == "501@isp.example"
    link = await portal.link_in_last_mail()
    await jana.get(link)
    assert (await portal.customer()).email == "501@isp.example"

    await jana.post("/confirm-email", t=link.partition("?t=")[2])

    assert (await portal.customer()).email == "new@isp.example"
    told = (await portal.mails())[-1]
    assert (told.recipient, told.kind) == ("501@isp.example", "email_changed")


async def test_of_many_who_confirm_a_new_address_at_once_one_changes_it(portal: House, jana: Browser) -> None:
    await jana.post("/contacts", email="new@isp.example")
    token = (await portal.link_in_last_mail()).partition("?t=")[2]

    answers = await asyncio.gather(*(portal.browser().post("/confirm-email", t=token) for _ in range(8)))

    assert sorted(answer.status for answer in answers) == [303, *[422] * 7]
    assert [mail.kind for mail in await portal.mails()] == ["email_link", "email_changed"]


@pytest.mark.parametrize("email", ["not an address", "a@b", "x@y.example\r\nBcc: z@y.example", "a@x.cz, b@x.cz"])
async def test_what_is_no_address_is_refused(portal: House, jana: Browser, email: str) -> None:
    assert (await jana.post("/contacts", email=email)).status == 422
    assert await portal.mails() == []


async def test_what_moves_a_cursor_is_taken_out_of_what_is_kept(portal: House, jana: Browser) -> None:
    await jana.post("/contacts", email="501@isp.example", phone="+420\x1b[2J 1\r\n2", mailing_city="Br\u202eno")
    await jana.post("/request", name="Jana\x9b31m Malá\n")

    customer = await portal.customer()
    async with portal.store.reading() as session:
        [asked] = await requests(session, is_open=True)
    assert (customer.phone, customer.mailing_city) == ("+420 [2J 1 2", "Br no")
    assert asked.wanted == {"name": "Jana 31m Malá"}


async def test_who_never_had_an_invoice_reads_that_there_is_none_yet(portal: House, jana: Browser) -> None:
    async with portal.store.transaction() as session:
        await session.execute(delete(Invoice))

    assert "There is no such invoice." not in (await jana.get("/billing")).text
    assert "There is no such invoice." in (await jana.get("/billing?q=router")).text


async def test_a_change_of_name_waits_for_a_person(portal: House, jana: Browser) -> None:
    answer = await jana.post("/request", name="Jana Malá", note="I have married")

    async with portal.store.reading() as session:
        asked = await requests(session, is_open=True)
    assert answer.location == "/?done=asked"
    assert (await portal.customer()).name == "Jana Nováková"
    assert [(one.wanted, one.note) for one in asked] == [({"name": "Jana Malá"}, "I have married")]


async def test_an_accepted_request_changes_the_name_once(portal: House, jana: Browser) -> None:
    await jana.post("/request", name="Jana Malá")
    async with portal.store.transaction() as session:
        await decide(session, 1, is_accepted=True, actor="admin:eva", why="seen the papers", now=NOW)

    assert (await portal.customer()).name == "Jana Malá"
    with pytest.raises(NotAllowed):
        async with portal.store.transaction() as session:
            await decide(session, 1, is_accepted=True, actor="admin:eva", why="", now=NOW)


async def test_nobody_fills_the_office_with_requests(portal: House, jana: Browser) -> None:
    statuses = [(await jana.post("/request", name=f"Name {n}")).status for n in range(5)]

    assert statuses == [303, 303, 303, 422, 422]


async def set_line(portal: House, state: str) -> None:
    async with portal.store.transaction() as session:
        contract_id = await session.scalar(select(Contract.id).where(Contract.number == "1001"))
        session.add(Line(contract_id=contract_id, state=state, since_at=NOW))


async def test_a_suspended_service_says_so_and_how_it_comes_back(portal: House, jana: Browser) -> None:
    await set_line(portal, "suspended")

    text = (await jana.get("/services")).text

    assert "Suspended" in text
    assert "comes back by itself" in text


async def add_usage(portal: House) -> int:
    async with portal.store.transaction() as session:
        service_id = await session.scalar(select(Service.id).order_by(Service.id).limit(1))
        assert service_id
        at = datetime(2026, 11, 19, 23, tzinfo=UTC)  # midnight in Prague
        row = {"service_id": service_id, "down_bytes": 12_000_000_000, "up_bytes": 3_000_000}
        session.add(Usage(span="day", starts_at=at, **row))
    return service_id


async def test_transferred_data_are_shown_by_day(portal: House, jana: Browser) -> None:
    service_id = await add_usage(portal)

    text = (await jana.get(f"/services/{service_id}/data?from=2026-11-01&until=2026-11-24")).text

    assert "20\N{NO-BREAK SPACE}Nov\N{NO-BREAK SPACE}2026" in text
    assert "12\N{NO-BREAK SPACE}GB" in text


async def test_transferred_data_come_as_csv_in_bytes(portal: House, jana: Browser) -> None:
    service_id = await add_usage(portal)

    text = (await jana.get(f"/services/{service_id}/data.csv?from=2026-11-20&until=2026-11-20")).text

    assert text.splitlines() == ["starts_at,down_bytes,up_bytes", "2026-11-20T00:00:00+01:00,12000000000,3000000"]


async def test_an_overdue_invoice_says_so(jana: Browser) -> None:
    text = (await jana.get("/billing")).text

    assert "261001" in text
    assert "overdue" in text


async def test_invoices_are_found_by_number_and_by_year(jana: Browser) -> None:
    assert "261001" in (await jana.get("/billing?q=2610")).text
    assert "There is no such invoice." in (await jana.get("/billing?q=7777")).text
    assert "261001" not in (await jana.get("/billing?year=2019&q=x")).text


async def test_an_extension_is_a_promise_and_the_engine_is_told(store: Store, tmp_path: Path) -> None:
    async with house(store, tmp_path, "extension_days = 7") as portal:
        jana = portal.browser()
        await jana.log_in()
        answer = await jana.post("/extension", contract="1001", agree="yes")

        async with store.reading() as session:
            made = (await session.scalars(select(Promise))).one()
        assert answer.location == "/billing?done=extended"
        assert (made.until_on, made.made_by) == (date(2026, 12, 1), "customer")
        assert portal.rings == [1]


async def test_a_second_extension_does_not_come_on_top_of_the_first(store: Store, tmp_path: Path) -> None:
    async with house(store, tmp_path, "extension_days = 7") as portal:
        jana = portal.browser()
        await jana.log_in()
        await jana.post("/extension", contract="1001", agree="yes")
        portal.clock.advance(days=2, minutes=-50)
        await jana.log_in()

        answer = await jana.post("/extension", contract="1001", agree="yes")

        async with store.reading() as session:
            assert len((await session.scalars(select(Promise))).all()) == 1
        assert answer.location == "/paid"


@pytest.mark.parametrize(
    "limits",
    [
        "",
        "extension_days = 7\nextension_debt_max = 100.00",
        "extension_days = 7\nextensions_per_year = 1",
    ],
    ids=["off", "too much debt", "too often"],
)
async def test_the_isps_limits_hold(store: Store, tmp_path: Path, limits: str) -> None:
    async with house(store, tmp_path, limits) as portal:
        jana = portal.browser()
        await jana.log_in()
        if "per_year" in limits:
            async with store.transaction() as session:
                await promise(
                    session, "1001", until_on=date(2026, 11, 24), actor="customer", why="", today=NOW.date(), now=NOW
                )
            portal.clock.advance(days=2)
            await jana.log_in()

        answer = await jana.post("/extension", contract="1001", agree="yes")

        assert answer.location == "/paid"
        assert portal.rings == []


async def test_many_invoices_come_on_several_pages(portal: House, jana: Browser) -> None:
    async with portal.store.transaction() as session:
        contract_id = await session.scalar(select(Contract.id).where(Contract.number == "1001"))
        rows = [
            {
                "number": str(5_000_000 + n),
                "contract_id": contract_id,
                "issued_on": date(2016, 12, 1) + timedelta(days=30 * n),
                "due_on": date(2016, 12, 15) + timedelta(days=30 * n),
                "total": Money(1_00),
                "open": Money(),
                "created_at": NOW,
            }
            for n in range(100)
        ]
        await session.execute(insert(Invoice), rows)

    first = await jana.get("/billing?year=all")
    second = await jana.get("/billing?year=all&skip=60")

    assert (first.text.count("<tr>"), second.text.count("<tr>")) == (61, 42)
    assert "Older ones" in first.text
    assert "Newer ones" in second.text


async def test_what_was_typed_is_still_there_when_something_in_it_was_wrong(jana: Browser) -> None:
    contacts = await jana.post("/contacts", email="jana@", phone="+420 601 000 111", mailing_city="Brno")
    request = await jana.post("/request", name="Jana Malá", note="x" * 1001)

    assert 'value="jana@"' in contacts.text
    assert 'value="+420 601 000 111"' in contacts.text
    assert 'value="Brno"' in contacts.text
    assert 'value="Jana Malá"' in request.text
    assert "x" * 1000 in request.text


async def test_a_new_address_that_waits_for_its_link_is_shown_until_the_link_is_over(
    portal: House, jana: Browser
) -> None:
    await jana.post("/contacts", email="new@isp.example")

    assert "new@isp.example waits" in (await jana.get("/")).text
    assert "new@isp.example waits" in (await jana.get("/contacts")).text
    portal.clock.advance(minutes=61)
    await jana.log_in()
    assert "new@isp.example" not in (await jana.get("/")).text


async def test_another_language_leads_back_to_the_same_page_with_the_same_search(jana: Browser) -> None:
    page = await jana.get("/billing?year=all&q=2610")

    assert 'name="to" value="/billing?year=all&q=2610"' in page.text


async def test_after_a_wrong_form_another_language_leads_to_the_page_with_the_form(
    portal: House, jana: Browser
) -> None:
    came_from = {"Origin": portal.office.url, "Referer": f"{portal.office.url}/contacts"}

    page = await jana.ask("POST", "/contacts", {"csrf": jana.csrf, "email": "x@"}, came_from)

    assert (page.status, 'name="to" value="/contacts"' in page.text) == (422, True)


async def test_a_telephone_number_is_shown_with_its_credit_and_to_nobody_else(
    portal: House, jana: Browser, petr: Browser
) -> None:
    await furnish(portal.store, months=1, hourly_days=1)

    text = (await jana.get("/services")).text

    assert "+420 571 123 456" in text
    assert "CZK\N{NO-BREAK SPACE}128.41" in text
    assert 'href="https://voip.isp.example/credit"' in text
    assert "571 123" not in (await petr.get("/services")).text


async def test_an_insurance_says_until_when_it_is_invoiced(portal: House, jana: Browser) -> None:
    await furnish(portal.store, months=1, hourly_days=1)

    assert re.search(r"Covered until</dt><dd>31.December.2026<", (await jana.get("/services")).text)


async def test_a_paid_invoice_says_when_and_from_which_account(portal: House, jana: Browser) -> None:
    await furnish(portal.store, months=3, hourly_days=1)

    row = (await jana.get("/billing?q=25899999")).text.partition("<tbody>")[2].partition("</tr>")[0]

    assert re.search(r"paid.*13.August.2026 · from account 2800123456/2010", row)


async def test_goods_are_found_by_their_name_and_serial_number(portal: House, jana: Browser) -> None:
    await furnish(portal.store, months=3, hourly_days=1)

    for wanted in ("archer", "2C4-8F11-77A1"):
        text = (await jana.get(f"/billing?q={wanted}")).text
        assert "2588001" in text
        assert "25899999" not in text


async def test_reminders_can_be_read_again(portal: House, jana: Browser) -> None:
    await furnish(portal.store, months=1, hourly_days=1)

    text = (await jana.get("/notices")).text

    assert "Upomínka: 599,00 Kč po splatnosti" in text
    assert "to 501@isp.example" in text
    assert "Prosíme o zaplacení faktury 261001." in text


async def test_a_suspended_customer_reads_that_an_extension_brings_the_line_back(store: Store, tmp_path: Path) -> None:
    async with house(store, tmp_path, "extension_days = 7") as portal:
        jana = portal.browser()
        await jana.log_in()
        await set_line(portal, "suspended")

        text = (await jana.get("/paid")).text

    assert "the connection comes back at once" in text
