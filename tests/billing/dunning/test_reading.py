"""Facts are read in bulk, and for one contract they are the same as for all."""

from datetime import date

import pytest
from sqlalchemy import insert, update

from billing.customers.tables import Contract
from billing.dunning.facts import Facts, Stage
from billing.dunning.notices import acknowledge, view
from billing.dunning.reading import CHUNK, load_facts
from billing.dunning.tables import Notice, Promise, Reminder
from billing.store import outbox
from billing.store.engine import Store
from billing.store.outbox import Draft
from billing.store.tables import Mail
from tests.billing.dunning.examples import ACKNOWLEDGED, NOTICED, POLICY, invoice, prague
from tests.billing.dunning.rows import MADE_AT, add_contracts, add_invoices, add_notice, add_standing


async def facts_of(store: Store, contract_id: int) -> Facts:
    async with store.reading() as session:
        return (await load_facts(session, [contract_id]))[0]


async def fill(store: Store) -> None:
    """Five contracts: a new debt, a read notice, a shielded one, one that paid, one that never owed."""
    async with store.transaction() as session:
        await add_contracts(session, 5)
        await add_invoices(session, 1, [invoice(2, due="2026-02-20"), invoice(1)])
        await add_invoices(session, 2, [invoice(3), invoice(4, due="2026-03-10"), invoice(5, open="0")])
        await add_invoices(session, 3, [invoice(6)])
        await add_invoices(session, 4, [invoice(7, open="0")])
        await add_standing(session, 2, "notice", parked_why="odd")
        await add_notice(session, 2, prague("2026-01-16 08:00"), is_closed=True)
        await add_notice(session, 2, prague(NOTICED))
        reminders = [(2, 3, 3), (2, 3, 10), (2, 5, 3)]
        rows = [{"contract_id": c, "anchor_invoice_id": i, "after_days": d, "at": MADE_AT} for c, i, d in reminders]
        await session.execute(insert(Reminder), rows)
        contract = await session.get_one(Contract, 3)
        contract.hold_since_at = MADE_AT
        shown = await view(session, 2, POLICY, prague(ACKNOWLEDGED))
        read = {"source_address": "10.0.0.1", "user_agent": "test", "language": "cs", "text": "text", "token": "t"}
        assert await acknowledge(session, view=shown, now=prague(ACKNOWLEDGED), **read)


async def test_facts_are_read_from_every_table(store: Store) -> None:
    await fill(store)

    facts = await facts_of(store, 2)

    assert (facts.contract_number, facts.stage, facts.parked_why) == ("1002", Stage.NOTICE, "odd")
    assert [owed.id for owed in facts.invoices] == [3, 4]
    assert facts.invoices[0] == invoice(3)
    assert facts.reminded == {(3, 3), (3, 10)}
    assert facts.notice is not None
    assert facts.notice.opened_at == prague(NOTICED)
    assert facts.notice.acknowledged_at == prague(ACKNOWLEDGED)
    assert facts.notice.acknowledged_invoices == {3, 4}
    assert (facts.promise_until_on, facts.is_held, facts.is_exempt) == (None, False, False)
    assert (await facts_of(store, 3)).is_held


async def test_for_one_contract_the_facts_are_the_same_as_for_all(store: Store) -> None:
    await fill(store)

    async with store.reading() as session:
        everybody = await load_facts(session)
        alone = [(await load_facts(session, [facts.contract_id]))[0] for facts in everybody]

    assert alone == everybody


async def test_who_owes_nothing_and_is_clear_is_left_out_of_all(store: Store) -> None:
    await fill(store)

    async with store.reading() as session:
        assert {facts.contract_id for facts in await load_facts(session)} == {1, 2, 3}
        assert [facts.contract_id for facts in await load_facts(session, [5, 4, 4])] == [4, 5]
        assert await load_facts(session, []) == []
        assert await load_facts(session, [99]) == []


async def test_who_paid_everything_while_suspended_is_among_all(store: Store) -> None:
    await fill(store)
    async with store.transaction() as session:
        await add_standing(session, 4, "suspended")

    async with store.reading() as session:
        assert 4 in {facts.contract_id for facts in await load_facts(session)}


async def test_more_ids_than_one_query_takes_are_read_in_chunks(store: Store) -> None:
    count = 2 * CHUNK + 1
    async with store.transaction() as session:
        await add_contracts(session, count)
        for contract_id in (1, CHUNK, CHUNK + 1, count):
            await add_invoices(session, contract_id, [invoice(contract_id)])

    async with store.reading() as session:
        found = await load_facts(session, range(1, count + 1))

    assert [facts.contract_id for facts in found] == list(range(1, count + 1))
    assert [facts.contract_id for facts in found if facts.invoices] == [1, CHUNK, CHUNK + 1, count]


async def test_the_latest_promise_that_was_not_released_counts(store: Store) -> None:
    promises = [(date(2026, 5, 1), None), (date(2026, 3, 20), None), (date(2026, 6, 1), MADE_AT)]
    async with store.transaction() as session:
        await add_contracts(session, 1)
        for until_on, released_at in promises:
            row = Promise(contract_id=1, until_on=until_on, made_by="admin", made_at=MADE_AT, released_at=released_at)
            session.add(row)
            await session.flush()

    assert (await facts_of(store, 1)).promise_until_on == date(2026, 3, 20)


async def test_a_closed_notice_is_no_fact(store: Store) -> None:
    async with store.transaction() as session:
        await add_contracts(session, 1)
        await add_notice(session, 1, prague(NOTICED), is_closed=True)

    assert (await facts_of(store, 1)).notice is None


@pytest.mark.parametrize(("email", "is_mailable"), [("jana@isp.example", True), ("", False), ("no address", False)])
async def test_a_notice_can_be_mailed_where_there_is_a_usable_address(
    store: Store, email: str, is_mailable: bool
) -> None:
    async with store.transaction() as session:
        await add_contracts(session, 1, email)
        await add_notice(session, 1, prague(NOTICED))

    opened = (await facts_of(store, 1)).notice

    assert opened is not None
    assert opened.is_mailable is is_mailable


async def test_a_notice_whose_mail_was_never_sent_says_so(store: Store) -> None:
    async with store.transaction() as session:
        await add_contracts(session, 1)
        await add_invoices(session, 1, [invoice(1)])
        await add_notice(session, 1, prague(NOTICED))
        await session.execute(update(Notice).values(mailed_at=prague(NOTICED)))
        draft = Draft("notice:1", 1, "notice", "jana@isp.example", "subject", "text", "html")
        await outbox.put(session, [draft], MADE_AT, domain="isp.example")
    before = (await facts_of(store, 1)).notice
    async with store.transaction() as session:
        await session.execute(update(Mail).values(failed_at=MADE_AT))

    after = (await facts_of(store, 1)).notice
    assert before is not None
    assert after is not None
    assert (before.is_mail_lost, after.is_mail_lost) == (False, True)
