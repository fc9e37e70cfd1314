"""What was issued, held against the journal: documents changed past the triggers, entries cut off."""

import pytest

from billing.invoicing import seals
from billing.money import Money
from billing.payments import journalled
from billing.payments.operations import record
from billing.store import journal
from billing.store.engine import Store
from tests.billing.invoicing.billed import NOW, bill_november, give_back, isp_settings, subscribe
from tests.billing.payments.world import break_rows

SETTINGS = isp_settings()
CHANGED = "invoice 2600000001: was changed after its issue: it does not match its seal in journal row 1"


async def issued(store: Store) -> None:
    """Journal rows 1 and 2: invoices 2600000001 and 2600000002; then a credit note, and cash."""
    await subscribe(store)
    await bill_november(store, SETTINGS)
    await give_back(store, SETTINGS)
    await subscribe(store, "1002")
    await bill_november(store, SETTINGS)
    async with store.transaction() as session:
        await record(session, "1002", Money(100_00), on=NOW.date(), why="", actor="admin:eva", now=NOW)


async def problems(store: Store) -> list[str]:
    async with store.reading() as session:
        found = [*await seals.verify(session), *await journalled.verify(session)]
        return [str(problem) for problem in found]


async def test_what_was_issued_and_nobody_touched_matches_its_seal(each_store: Store) -> None:
    await issued(each_store)

    assert await problems(each_store) == []


async def test_a_seal_is_the_same_on_every_database_and_in_every_release(each_store: Store) -> None:
    await subscribe(each_store)
    await bill_november(each_store, SETTINGS)

    async with each_store.reading() as session:
        found = await seals.seals(session, ["2600000001"])

    assert found == {"2600000001": "ec9276e7d789860fa13a92d972dd3b0bd73fe7d35d47c3cfddf0193b150aefb9"}


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE invoice SET due_on = '2027-01-01' WHERE number = '2600000001'",
        "UPDATE invoice SET supplied_on = '2025-01-01' WHERE number = '2600000001'",
        "UPDATE invoice SET contract_id = 2 WHERE number = '2600000001'",
        "UPDATE invoice_line SET text = 'Internet 1000/1000' WHERE invoice_id = 1",
        "UPDATE invoice_line SET serial_number = 'SN9' WHERE invoice_id = 1",
        "UPDATE invoice_vat SET vat_category = 'exempt' WHERE invoice_id = 1",
        "DELETE FROM invoice_vat WHERE invoice_id = 1",
        # Whoever forges a party forges its hash, too.
        "UPDATE party SET content = replace(content, 'Božena', 'Eva'), sha256 = 'mine' WHERE content LIKE '%K1001%'",
        "UPDATE invoice SET buyer_id = seller_id WHERE number = '2600000001'",
    ],
)
async def test_an_invoice_that_was_changed_is_named(store: Store, tampering: str) -> None:
    await issued(store)
    await break_rows(store, tampering)

    assert CHANGED in await problems(store)


async def test_a_credit_note_that_was_changed_is_named(store: Store) -> None:
    await issued(store)
    await break_rows(store, "UPDATE invoice SET why = 'we felt like it' WHERE kind = 'credit_note'")

    (found,) = await problems(store)
    assert found.startswith("credit note 9260000001: was changed after its issue")


async def test_a_document_that_has_another_number_now_is_missed_under_its_own(store: Store) -> None:
    await issued(store)
    await break_rows(store, "UPDATE invoice SET number = '2600000009' WHERE number = '2600000002'")

    gone, untold = await problems(store)
    assert gone.startswith("invoice 2600000002: is gone; journal row")
    assert untold.startswith("invoice 2600000009: no journal row tells of its issue")


async def test_entries_that_were_cut_off_at_the_end_are_missed_by_what_they_told_of(store: Store) -> None:
    await issued(store)
    await break_rows(store, "DELETE FROM journal WHERE id > 1")

    async with store.reading() as session:
        assert await journal.verify(session) == 1  # the chain itself is whole
    cut_off = "rows were cut off, or somebody made it outside Hradlo"
    assert await problems(store) == [
        f"credit note 9260000001: no journal row tells of its issue: {cut_off}",
        f"payment 1 of 100.00 on 2026-11-02: no journal row tells of it: {cut_off}",
    ]


async def test_an_entry_of_before_there_were_seals_still_tells_of_its_document(store: Store) -> None:
    await issued(store)
    await break_rows(store, "UPDATE journal SET detail = json_remove(detail, '$.seal')")

    assert await problems(store) == []
