""" "I have read this": what counts, and everything that does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning.tables import AcknowledgedInvoice, Acknowledgement, Notice
from billing.invoicing.tables import Invoice
from billing.money import Money
from billing.services.tables import ServiceAddress
from billing.store import journal
from billing.store.engine import Store
from billing.store.tables import JournalEntry
from portal.client_address import FORWARDING_HEADERS
from tests.portal.subscribers import (
    ANNA,
    BORIS,
    NOBODY,
    NOW,
    Gateway,
    Reply,
    acknowledgements,
    add_subscriber,
    count,
    gateway,
)

BROWSER = {"Accept-Language": "en", "User-Agent": "Mozilla/5.0 (Linux; Android 5.1)"}


async def test_an_acknowledgement_leads_back_to_the_page_that_was_wanted(web: Gateway) -> None:
    redirect = await web.ask(target="/news?id=7", host="example.com")
    page = await web.ask(target=redirect.location.removeprefix(web.url))

    answer = await web.acknowledge(page.token, wanted=page.wanted)

    assert (redirect.status, page.status) == (302, 200)
    assert (answer.status, answer.location) == (303, "http://example.com/news?id=7")
    assert web.rings == [1]


async def test_it_keeps_who_read_what_when_from_where_and_exactly_which_invoices(web: Gateway) -> None:
    page = await web.ask(headers=BROWSER)
    await web.acknowledge(page.token, headers=BROWSER)

    [kept] = await acknowledgements(web.store)
    async with web.store.reading() as session:
        shown = (await session.scalars(select(AcknowledgedInvoice.open))).all()
        actions = (await session.scalars(select(JournalEntry.action))).all()

    assert (kept.source_address, kept.at, kept.language) == (ANNA, web.clock.now(), "en")
    assert kept.user_agent == BROWSER["User-Agent"]
    assert "20261001" in kept.text
    assert "I have read this" in kept.text
    assert "3 December 2026" in kept.text.replace("\N{NO-BREAK SPACE}", " ")
    assert sorted(shown) == [Money(59900), Money(100600)]
    assert actions[-1] == "notice.acknowledged"


async def test_without_a_wanted_page_it_leads_to_our_own(web: Gateway) -> None:
    page = await web.ask()

    answer = await web.acknowledge(page.token)
    after = await web.ask()

    assert (answer.status, answer.location) == (303, f"{web.url}/")
    assert "Připojení funguje" in after.body
    assert "<form" not in after.body


async def test_the_answer_comes_even_while_the_engine_is_down(store: Store, tmp_path: Path) -> None:
    await add_subscriber(store, "1001", [ANNA])
    async with gateway(store, tmp_path, has_engine=False) as web:
        redirect = await web.ask(target="/wanted", host="example.com")
        page = await web.ask(target=redirect.location.removeprefix(web.url))
        answer = await web.acknowledge(page.token, wanted=page.wanted)
        after = await web.ask(target=answer.location.removeprefix(web.url))

    assert answer.location.startswith(f"{web.url}/?w=")  # not to the wanted page: that would come back in a circle
    assert "Připojení se právě obnovuje" in after.body
    assert 'http-equiv="refresh"' in after.body


# ── what does not count ─────────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def nothing_changes(web: Gateway) -> AsyncIterator[None]:
    before = await count(web.store, JournalEntry)
    yield

    assert await count(web.store, Acknowledgement) == 0
    assert await count(web.store, JournalEntry) == before
    assert web.rings == []


HEADERS: list[dict[str, str]] = [
    *({name: value} for name in sorted(FORWARDING_HEADERS) for value in (ANNA, f"for={ANNA}", "")),
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "https://127.0.0.1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Purpose": "prefetch"},
    {"Purpose": "prefetch"},
    {"X-Moz": "prefetch"},
]


@pytest.mark.parametrize("source", [ANNA, BORIS, NOBODY])
async def test_no_header_makes_a_forged_one_count(web: Gateway, source: str) -> None:
    page = await web.ask()

    async with nothing_changes(web):
        replies = [await web.acknowledge(page.token, source=source, headers=headers) for headers in HEADERS]

    assert {reply.status for reply in replies} == {403}
    assert web.serving.counters.acknowledgements_refused == len(HEADERS)


@pytest.mark.parametrize("source", [BORIS, NOBODY])
async def test_a_token_counts_from_no_other_address(web: Gateway, source: str) -> None:
    page = await web.ask()

    async with nothing_changes(web):
        reply = await web.acknowledge(page.token, source=source)

    assert reply.status == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("target", ["/acknowledge", "/acknowledge?token={token}", "/?token={token}"])
async def test_no_other_method_counts(web: Gateway, method: str, target: str) -> None:
    page = await web.ask()

    async with nothing_changes(web):
        reply = await web.ask(method, target.format(token=page.token), body=f"token={page.token}")

    assert reply.status != 500


async def test_the_address_of_another_host_takes_no_acknowledgement(web: Gateway) -> None:
    page = await web.ask()

    async with nothing_changes(web):
        reply = await web.ask("POST", "/acknowledge", host="example.com", body=f"token={page.token}")

    assert reply.status == 503


@pytest.mark.parametrize("token", ["", "x", "A" * 180, "A" * 3000, "%00", "é", "../../etc/passwd", "' OR 1=1 --"])
async def test_a_made_up_token_does_not_count(web: Gateway, token: str) -> None:
    async with nothing_changes(web):
        reply = await web.acknowledge(token)

    assert reply.status in (400, 403)


async def test_a_tampered_token_does_not_count(web: Gateway) -> None:
    token = (await web.ask()).token

    async with nothing_changes(web):
        for place in range(0, len(token), 7):
            changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
            assert (await web.acknowledge(changed)).status == 403


async def test_two_tokens_in_one_form_count_as_none(web: Gateway) -> None:
    token = (await web.ask()).token

    async with nothing_changes(web):
        reply = await web.ask("POST", "/acknowledge", body=f"token={token}&token={token}")

    assert reply.status == 403


async def test_a_form_of_another_type_does_not_count(web: Gateway) -> None:
    token = (await web.ask()).token

    async with nothing_changes(web):
        for content_type in ("text/plain", "application/json", "multipart/form-data; boundary=x", "nonsense"):
            reply = await web.ask("POST", "/acknowledge", body=f"token={token}", headers={"Content-Type": content_type})
            assert reply.status == 400


async def test_a_page_that_was_open_too_long_must_be_read_again(web: Gateway) -> None:
    page = await web.ask()
    web.clock.advance(minutes=61)

    async with nothing_changes(web):
        again = await web.acknowledge(page.token)

    assert again.status == 409
    assert "Stránka byla otevřená příliš dlouho" in again.body
    assert (await web.acknowledge(again.token)).status == 303


async def test_a_clock_that_was_set_back_makes_a_page_stale(web: Gateway) -> None:
    page = await web.ask()
    web.clock.advance(minutes=-5)

    async with nothing_changes(web):
        assert (await web.acknowledge(page.token)).status == 409


async def test_what_has_changed_since_must_be_read_again(web: Gateway) -> None:
    page = await web.ask()
    async with web.store.transaction() as session:
        await session.execute(update(Invoice).where(Invoice.number == "20261001").values(open=Money(10000)))

    async with nothing_changes(web):
        again = await web.acknowledge(page.token)

    assert again.status == 409
    assert "něco změnilo" in again.body
    assert "100,00" in again.body
    assert (await web.acknowledge(again.token)).status == 303


async def test_an_invoice_that_fell_due_since_must_be_read_too(web: Gateway) -> None:
    page = await web.ask()
    async with web.store.transaction() as session:
        contract_id = await session.scalar(select(Invoice.contract_id).where(Invoice.number == "20261001"))
        dates = {"issued_on": date(2026, 10, 20), "due_on": date(2026, 11, 3), "created_at": NOW}
        amounts = {"total": Money(70000), "open": Money(70000)}
        session.add(Invoice(number="20261099", contract_id=contract_id, **dates, **amounts))

    async with nothing_changes(web):
        again = await web.acknowledge(page.token)

    assert again.status == 409
    assert "20261099" in again.body
    assert (await web.acknowledge(again.token)).status == 303


async def test_who_has_paid_since_is_told_so_and_not_recorded_as_having_read_it(web: Gateway) -> None:
    page = await web.ask()
    async with web.store.transaction() as session:
        contract_id = await session.scalar(select(Invoice.contract_id).where(Invoice.number == "20261001"))
        await session.execute(update(Invoice).where(Invoice.contract_id == contract_id).values(open=Money(0)))

    async with nothing_changes(web):
        again = await web.acknowledge(page.token)

    assert again.status == 409
    assert "<form" not in again.body
    assert "20261001" not in again.body


async def test_a_clock_far_behind_the_journal_dates_no_acknowledgement(web: Gateway) -> None:
    web.clock.advance(hours=-2)
    page = await web.ask()

    async with nothing_changes(web):
        assert (await web.acknowledge(page.token)).status == 503


async def test_a_token_of_an_earlier_notice_does_not_count_for_the_next(web: Gateway) -> None:
    page = await web.ask()
    async with web.store.transaction() as session:
        notice = (await session.scalars(select(Notice).order_by(Notice.id))).first()
        assert notice is not None
        notice.closed_at, notice.closed_why = web.clock.now(), "settled"
        await session.flush()
        session.add(Notice(contract_id=notice.contract_id, opened_at=web.clock.now()))

    async with nothing_changes(web):
        assert (await web.acknowledge(page.token)).status == 409


async def give_annas_address_to_boris(store: Store) -> None:
    async with store.transaction() as session:
        address = await session.scalar(select(ServiceAddress).where(ServiceAddress.network == BORIS))
        assert address is not None
        service_id = address.service_id
        await session.execute(delete(ServiceAddress))
        await session.flush()
        session.add(ServiceAddress(service_id=service_id, network=ANNA))


@pytest.mark.postgres
async def test_an_address_that_moves_while_the_acknowledgement_waits_for_others_does_not_count_for_the_old_one(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, real, moved = Store.open(postgres_url), journal.lock, list[str]()
    await add_subscriber(store, "1001", [ANNA])
    await add_subscriber(store, "1002", [BORIS])

    async def lock_when_somebody_else_is_done(session: AsyncSession) -> None:
        if not moved:
            moved.append(ANNA)
            await give_annas_address_to_boris(store)
        await real(session)

    async with gateway(store, tmp_path) as web:
        page = await web.ask()
        monkeypatch.setattr("billing.store.journal.lock", lock_when_somebody_else_is_done)
        answer = await web.acknowledge(page.token)

    assert (answer.status, moved) == (409, [ANNA])
    assert await acknowledgements(store) == []
    await store.close()


async def test_an_address_that_has_moved_to_another_contract_does_not_count_for_the_old_one(web: Gateway) -> None:
    page = await web.ask()
    await give_annas_address_to_boris(web.store)

    async with nothing_changes(web):
        again = await web.acknowledge(page.token)

    assert again.status == 409
    assert "20261001" not in again.body  # it is Boris's address now: Anna's invoices are not shown there
    assert "20269999" in again.body


async def test_an_address_that_is_nobodys_any_more_does_not_count(web: Gateway) -> None:
    page = await web.ask()
    async with web.store.transaction() as session:
        await session.execute(delete(ServiceAddress).where(ServiceAddress.network == ANNA))

    async with nothing_changes(web):
        assert (await web.acknowledge(page.token)).status == 403


async def test_a_replay_writes_nothing_and_leads_home(web: Gateway) -> None:
    page = await web.ask()
    await web.acknowledge(page.token)
    before = await count(web.store, JournalEntry)

    replays = [await web.acknowledge(page.token) for _ in range(3)]

    assert await count(web.store, Acknowledgement) == 1
    assert await count(web.store, JournalEntry) == before
    assert {reply.status for reply in replays} == {303}
    assert web.rings == [1]


async def test_many_at_once_are_one_acknowledgement(web: Gateway) -> None:
    pages: list[Reply] = [await web.ask() for _ in range(5)]

    replies = await asyncio.gather(*(web.acknowledge(page.token) for page in pages for _ in range(3)))

    assert await count(web.store, Acknowledgement) == 1
    assert {reply.status for reply in replies} == {303}


async def test_a_forged_return_address_leads_home(web: Gateway) -> None:
    redirect = await web.ask(target="/secret", host="boris.example", source=BORIS)
    borrowed = redirect.location.partition("?w=")[2]
    assert borrowed

    for wanted in (borrowed, "http://evil.example/", "x", ""):
        page = await web.ask(target=f"/?w={wanted}")
        assert "evil.example" not in page.body
        assert "boris.example" not in page.body
        assert page.wanted == ""
    answer = await web.acknowledge(page.token, wanted=borrowed)

    assert answer.location == f"{web.url}/"


async def test_a_wanted_page_is_forgotten_after_an_hour(web: Gateway) -> None:
    redirect = await web.ask(target="/late", host="example.com")
    web.clock.advance(minutes=59)
    page = await web.ask(target=redirect.location.removeprefix(web.url))
    web.clock.advance(minutes=timedelta(minutes=2).total_seconds() / 60)

    answer = await web.acknowledge(page.token, wanted=page.wanted)

    assert (answer.status, answer.location) == (303, f"{web.url}/")
