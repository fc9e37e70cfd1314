"""The notice as the portal shows it, and its acknowledgement: once, bound to what was shown."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from billing.dunning.facts import InvoiceFact, Stage
from billing.dunning.notices import NoticeView, acknowledge, line_of, record_showing, view
from billing.dunning.operations import promise
from billing.dunning.reading import load_facts
from billing.dunning.tables import AcknowledgedInvoice, Acknowledgement, Line, Notice, Showing
from billing.money import Money
from billing.store.engine import Store
from billing.store.tables import JournalEntry
from tests.billing.dunning.examples import ACKNOWLEDGED, NOTICED, POLICY, SUSPENDED, invoice, prague
from tests.billing.dunning.rows import MADE_AT, add_contracts, add_invoices, add_notice, add_standing

BOTH = (invoice(1), invoice(2, due="2026-03-10", amount="60"), invoice(3, due="2026-04-01"))


async def notice_to(store: Store, invoices: Sequence[InvoiceFact] = BOTH) -> None:
    """Contract 1 in notice."""
    async with store.transaction() as session:
        await add_contracts(session, 2)
        await add_invoices(session, 1, invoices)
        await add_standing(session, 1, "notice")
        await add_notice(session, 1, prague(NOTICED))


async def seen(store: Store, moment: str = ACKNOWLEDGED, contract_id: int = 1) -> NoticeView:
    async with store.reading() as session:
        return await view(session, contract_id, POLICY, prague(moment))


async def answer(store: Store, shown: NoticeView, moment: str = ACKNOWLEDGED, token: str = "token") -> bool:
    async with store.transaction() as session:
        return await acknowledge(
            session,
            view=shown,
            source_address="10.0.0.1",
            user_agent="Mozilla/5.0 " * 100,
            language="cs",
            text="You owe 659 CZK.",
            token=token,
            now=prague(moment),
        )


async def count(store: Store, table: Any) -> int:
    async with store.reading() as session:
        return (await session.scalars(select(func.count()).select_from(table))).one()


# ── what it shows ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_notice_shows_all_that_is_overdue_oldest_first(store: Store) -> None:
    await notice_to(store)

    shown = await seen(store)

    assert [(i.number, i.due_on, i.open) for i in shown.invoices] == [
        ("26000001", date(2026, 3, 2), Money(599_00)),
        ("26000002", date(2026, 3, 10), Money(60_00)),
    ]
    assert (shown.debt, shown.stage, shown.notice_id) == (Money(659_00), Stage.NOTICE, 1)


async def test_before_the_acknowledgement_it_shows_when_the_grace_would_end(store: Store) -> None:
    await notice_to(store)

    assert (await seen(store, "2026-03-16 12:00")).suspend_at == prague("2026-03-26 12:00")
    assert (await seen(store, "2026-03-18 12:00")).suspend_at == prague("2026-03-30 08:00")


async def test_after_the_acknowledgement_it_shows_when_the_grace_ends(store: Store) -> None:
    await notice_to(store)
    await answer(store, await seen(store))

    shown = await seen(store, "2026-03-18 12:00")

    assert (shown.stage, shown.acknowledged_at) == (Stage.ACKNOWLEDGED, prague(ACKNOWLEDGED))
    assert shown.suspend_at == prague(SUSPENDED)


async def test_a_promise_moves_what_it_shows(store: Store) -> None:
    await notice_to(store)
    promised = {"actor": "admin", "why": "", "today": date(2026, 3, 16), "now": prague(NOTICED)}
    async with store.transaction() as session:
        await promise(session, "1001", until_on=date(2026, 4, 10), **promised)

    shown = await seen(store)

    assert (shown.stage, shown.promise_until_on) == (Stage.CLEAR, date(2026, 4, 10))
    assert shown.suspend_at == prague("2026-04-13 08:00")


async def test_who_owes_nothing_has_no_notice(store: Store) -> None:
    await notice_to(store)

    shown = await seen(store, contract_id=2)

    assert (shown.notice_id, shown.invoices, shown.suspend_at, shown.line) == (None, (), None, "open")


async def test_a_contract_that_is_not_there_is_an_error(store: Store) -> None:
    with pytest.raises(LookupError, match="99"):
        await seen(store, contract_id=99)


async def test_the_line_is_what_the_network_was_last_told(store: Store) -> None:
    await notice_to(store)
    async with store.transaction() as session:
        session.add(Line(contract_id=1, state="suspended", since_at=MADE_AT))

    async with store.reading() as session:
        assert await line_of(session, 1) == "suspended"
        assert await line_of(session, 2) == "open"


# ── that it was shown ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_showing_is_kept_once_for_each_address_and_text(store: Store) -> None:
    await notice_to(store)
    for address, text in (("10.0.0.1", "a"), ("10.0.0.1", "a"), ("10.0.0.2", "a"), ("10.0.0.1", "b")):
        async with store.transaction() as session:
            shown = {"notice_id": 1, "source_address": address, "user_agent": "x" * 1000, "text": text}
            await record_showing(session, **shown, now=prague(ACKNOWLEDGED))

    assert await count(store, Showing) == 3


async def test_a_showing_is_no_acknowledgement(store: Store) -> None:
    await notice_to(store)
    async with store.transaction() as session:
        shown = {"notice_id": 1, "source_address": "10.0.0.1", "user_agent": "", "text": "text"}
        await record_showing(session, **shown, now=prague(ACKNOWLEDGED))

    assert (await seen(store, "2026-06-01 12:00")).stage is Stage.NOTICE


# ── the acknowledgement ─────────────────────────────────────────────────────────────────────────────────────────


async def test_an_acknowledgement_keeps_who_when_from_where_and_what(store: Store) -> None:
    await notice_to(store)

    assert await answer(store, await seen(store), token="secret")

    async with store.reading() as session:
        kept = (await session.scalars(select(Acknowledgement))).one()
        entry = (await session.scalars(select(JournalEntry))).one()
    assert (kept.notice_id, kept.at, kept.source_address) == (1, prague(ACKNOWLEDGED), "10.0.0.1")
    assert (kept.language, kept.text, len(kept.user_agent)) == ("cs", "You owe 659 CZK.", 300)
    assert kept.token_sha256 == hashlib.sha256(b"secret").hexdigest()
    assert (entry.action, entry.actor, entry.contract_id) == ("notice.acknowledged", "subscriber", 1)
    assert json.loads(entry.detail)["text_sha256"] == hashlib.sha256(kept.text.encode()).hexdigest()
    assert json.loads(json.loads(entry.detail)["invoices"]) == ["26000001:599.00", "26000002:60.00"]


async def test_an_acknowledgement_is_bound_to_the_invoices_that_were_shown(store: Store) -> None:
    await notice_to(store)
    await answer(store, await seen(store))

    async with store.reading() as session:
        rows = (await session.execute(select(AcknowledgedInvoice.invoice_id, AcknowledgedInvoice.open))).all()
        facts = (await load_facts(session, [1]))[0]
    assert sorted(tuple(row) for row in rows) == [(1, Money(599_00)), (2, Money(60_00))]
    assert facts.notice is not None
    assert facts.notice.acknowledged_invoices == {1, 2}


async def test_a_second_acknowledgement_changes_nothing(store: Store) -> None:
    await notice_to(store)
    shown = await seen(store)
    assert await answer(store, shown)

    assert not await answer(store, shown)
    assert not await answer(store, shown, "2026-03-20 12:00", token="another")

    assert await count(store, Acknowledgement) == 1
    assert await count(store, JournalEntry) == 1
    assert (await seen(store, "2026-03-20 12:00")).acknowledged_at == prague(ACKNOWLEDGED)


async def test_a_notice_that_was_closed_meanwhile_can_not_be_acknowledged(store: Store) -> None:
    await notice_to(store)
    shown = await seen(store)
    async with store.transaction() as session:
        await session.execute(update(Notice).values(closed_at=prague(ACKNOWLEDGED), closed_why="settled"))

    assert not await answer(store, shown)
    assert await count(store, Acknowledgement) == 0


async def test_nothing_is_acknowledged_where_nothing_was_shown(store: Store) -> None:
    await notice_to(store)
    shown = await seen(store)

    assert not await answer(store, replace(shown, invoices=()))
    assert not await answer(store, replace(shown, notice_id=None))
    assert await count(store, Acknowledgement) == 0


async def test_a_new_notice_after_a_closed_one_needs_an_acknowledgement_of_its_own(store: Store) -> None:
    await notice_to(store)
    await answer(store, await seen(store))
    async with store.transaction() as session:
        await session.execute(update(Notice).values(closed_at=prague(SUSPENDED), closed_why="settled"))
        await add_notice(session, 1, prague(SUSPENDED) + timedelta(days=1))

    shown = await seen(store, "2026-03-28 12:00")

    assert (shown.notice_id, shown.acknowledged_at, shown.stage) == (2, None, Stage.NOTICE)
    assert await answer(store, shown, "2026-03-28 12:00", token="another")
