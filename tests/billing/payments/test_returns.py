"""A payment that the bank takes back: what it paid is open again, and nothing else happens."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from billing.money import ZERO, Money
from billing.payments import journalled
from billing.payments.banks.statement import StatementLine
from billing.payments.importing import ImportReport, import_statements
from billing.payments.operations import ignore, take_back, use_credit
from billing.payments.returns import WaitingReturn, ignore_return, waiting_returns
from billing.payments.rules import Received, taken_back
from billing.payments.tables import Allocation, LedgerTransaction, Payment, PaymentReturn
from billing.store import journal
from billing.store.engine import Store
from billing.store.tables import JournalEntry
from config.errors import NotAllowed, NotFound, StatementRejected
from tests.billing.payments.world import (
    NOW,
    TODAY,
    add_debtor,
    add_invoice,
    counts,
    credit_of,
    line,
    open_of,
    problems,
    statement,
)

PAYER = "19-2000145399/0800"


def storno(ref: str, amount: str, variable: str = "", specific: str = "", payer: str = "") -> StatementLine:
    back = line(ref, f"-{amount}", variable, specific)
    return replace(back, reverses="credit", counter_account=payer)


async def take(store: Store, *lines: StatementLine, number: str = "1") -> ImportReport:
    async with store.transaction() as session:
        return await import_statements(session, [statement(*lines, number=number)], "test", NOW)


async def states(store: Store) -> list[str]:
    async with store.reading() as session:
        return list(await session.scalars(select(Payment.state).order_by(Payment.id)))


async def waiting(store: Store) -> list[WaitingReturn]:
    async with store.reading() as session:
        return await waiting_returns(session)


# ── which payment is meant ──────────────────────────────────────────────────────────────────────────────────────────

BACK = replace(line("9", "500", "1001"), counter_account=PAYER)
EARLIER = Received(1, TODAY - timedelta(days=3), Money.parse("500"), "1001", "26001", PAYER, 7)


def test_the_payment_with_the_same_amount_symbol_and_payer_is_meant() -> None:
    assert taken_back(BACK, [EARLIER])[0] == 1


@pytest.mark.parametrize(
    "back",
    [
        replace(BACK, counter_account=""),
        replace(BACK, variable_symbol=""),
        replace(BACK, variable_symbol="0000001001"),
        replace(BACK, counter_account="000019-2000145399/0800"),
        replace(BACK, variable_symbol="", message="return of /VS/1001"),
        replace(BACK, specific_symbol="26001"),
    ],
)
def test_one_sign_is_enough_however_it_is_written(back: StatementLine) -> None:
    assert taken_back(back, [EARLIER])[0] == 1


@pytest.mark.parametrize(
    "back",
    [
        replace(BACK, amount=Money.parse("499")),
        replace(BACK, variable_symbol="1002"),
        replace(BACK, counter_account="1/0100"),
        replace(BACK, specific_symbol="26002"),
        replace(BACK, variable_symbol="", counter_account=""),
        replace(BACK, booked_on=TODAY - timedelta(days=4)),
    ],
)
def test_what_contradicts_names_no_payment(back: StatementLine) -> None:
    assert taken_back(back, [EARLIER])[0] is None


def test_of_several_payments_of_a_contract_the_latest_is_meant() -> None:
    later = replace(EARLIER, id=2, booked_on=TODAY)

    assert taken_back(BACK, [later, EARLIER])[0] == 2


def test_payments_of_two_contracts_from_one_payer_leave_it_to_a_person() -> None:
    back = replace(BACK, variable_symbol="")
    other = replace(EARLIER, id=2, variable_symbol="1002", contract_id=8)

    payment_id, why = taken_back(back, [EARLIER, other])

    assert payment_id is None
    assert why == "payments 1, 2 of different contracts may be meant"


def test_a_second_return_of_one_payment_never_falls_upon_the_one_before_it() -> None:
    returned = replace(EARLIER, id=2, booked_on=TODAY, is_returned=True)

    payment_id, why = taken_back(BACK, [EARLIER, returned])

    assert payment_id is None
    assert "payment 2 is meant, but it was returned already" in why


# ── an import takes back ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_return_opens_again_what_the_payment_paid(each_store: Store) -> None:
    contract_id = await add_debtor(each_store, i26001="500", i26002="500")
    await take(each_store, line("1", "700", "1001"))

    report = await take(each_store, storno("2", "700", "1001"), number="2")

    assert report.returned == ("700.00 on 2026-11-20, variable symbol 1001: payment 1",)
    assert (report.new, report.debits_ignored, report.contracts) == (0, 0, frozenset({contract_id}))
    assert report.payers == frozenset()
    assert await open_of(each_store) == {"26001": "500.00", "26002": "500.00"}
    assert await states(each_store) == ["returned"]
    assert await credit_of(each_store, contract_id) == ZERO
    assert await problems(each_store) == []
    async with each_store.reading() as session:
        assert NOW in (await session.scalars(select(Allocation.reversed_at))).all()


async def test_a_payment_and_its_return_may_stand_in_one_statement(store: Store) -> None:
    await add_debtor(store, i26001="500")

    report = await take(store, storno("2", "500", "1001"), line("1", "500", "1001"))

    assert (report.new, len(report.returned)) == (1, 1)
    assert await open_of(store) == {"26001": "500.00"}
    assert await problems(store) == []


async def test_the_engine_sees_a_return_and_why(store: Store) -> None:
    contract_id = await add_debtor(store, i26001="500")
    await take(store, line("1", "500", "1001"))
    async with store.reading() as session:
        head = await journal.head(session)

    await take(store, storno("2", "500", "1001"), number="2")

    async with store.reading() as session:
        assert (await journal.changed_since(session, head))[1] == {contract_id}
        entry = (await session.execute(select(JournalEntry).filter_by(action="payment.returned"))).scalar_one()
    assert (entry.actor, entry.contract_id) == ("bank", contract_id)
    assert '"reopened":{"26001":"500.00"}' in entry.detail


async def test_credit_that_pays_what_is_open_again_is_used_no_earlier_than_it_came(store: Store) -> None:
    await add_debtor(store, i26001="500")
    await take(store, line("1", "500", "1001"))
    later = replace(line("2", "200", "1001"), booked_on=TODAY + timedelta(days=19))
    await take(store, later, number="2")

    async with store.transaction() as session:
        on = TODAY + timedelta(days=4)
        await take_back(session, 1, on=on, actor="admin:eva", now=NOW + timedelta(days=20))

    async with store.reading() as session:
        used = await session.scalars(select(LedgerTransaction.effective_on).filter_by(kind="credit"))
        assert list(used) == [TODAY + timedelta(days=19)]


async def test_credit_that_came_of_the_payment_goes_with_it_even_when_it_was_used(each_store: Store) -> None:
    contract_id = await add_debtor(each_store, i26001="100")
    await take(each_store, line("1", "350", "1001"))
    async with each_store.transaction() as session:
        await add_invoice(session, contract_id, "26002", "200")
        await use_credit(session, [contract_id], TODAY, NOW)

    await take(each_store, storno("2", "350", "1001"), number="2")

    assert await open_of(each_store) == {"26001": "100.00", "26002": "200.00"}
    assert await credit_of(each_store, contract_id) == ZERO
    assert await problems(each_store) == []


async def test_other_credit_of_the_contract_pays_what_is_open_again(store: Store) -> None:
    contract_id = await add_debtor(store, i26001="500")
    await take(store, line("1", "500", "1001"), line("2", "300", "1001"))

    await take(store, storno("3", "500", "1001"), number="2")

    assert await open_of(store) == {"26001": "200.00"}
    assert await credit_of(store, contract_id) == ZERO
    assert await problems(store) == []


async def test_the_same_return_twice_counts_once(each_store: Store) -> None:
    await add_debtor(each_store, i26001="500")
    await take(each_store, line("1", "500", "1001"))
    await take(each_store, storno("2", "500", "1001"), number="2")
    before = await counts(each_store)

    report = await take(each_store, storno("2", "500", "1001"), number="2")

    assert report == ImportReport()
    assert await counts(each_store) == before


async def test_a_known_return_with_another_amount_refuses_the_file(store: Store) -> None:
    await add_debtor(store, i26001="500")
    await take(store, line("1", "500", "1001"), storno("2", "500", "1001"))

    with pytest.raises(StatementRejected, match="was imported before with"):
        await take(store, storno("2", "400", "1001"), number="2")


async def test_the_same_return_by_another_format_waits_instead_of_taking_back_an_older_payment(store: Store) -> None:
    await add_debtor(store, i26001="500", i26002="500")
    await take(store, line("1", "500", "1001"), line("2", "500", "1001"))
    await take(store, storno("3", "500", "1001"), number="2")

    report = await take(store, replace(storno("3", "500", "1001"), bank_ref="gpc-1"), number="3")

    assert (report.returned, len(report.returns_waiting)) == ((), 1)
    assert await states(store) == ["matched", "returned"]


async def test_two_returns_of_one_statement_never_take_the_same_payment_back_twice(store: Store) -> None:
    await add_debtor(store, i26001="500")
    await take(store, line("1", "500", "1001"))

    report = await take(store, storno("2", "500", "1001"), storno("3", "500", "1001"), number="2")

    assert (len(report.returned), len(report.returns_waiting)) == (1, 1)
    assert "it was returned already" in report.returns_waiting[0]
    assert await problems(store) == []


async def test_a_waiting_payment_that_comes_back_waits_no_more(store: Store) -> None:
    await take(store, line("1", "500", "4711"))

    await take(store, storno("2", "500", "4711"), number="2")

    assert await states(store) == ["returned"]
    assert await problems(store) == []


async def test_an_ordinary_debit_takes_nothing_back(store: Store) -> None:
    await add_debtor(store, i26001="500")
    await take(store, line("1", "500", "1001"))

    report = await take(store, line("2", "-500", "1001"), number="2")

    assert (report.debits_ignored, report.returned, report.returns_waiting) == (1, (), ())
    assert await open_of(store) == {"26001": "0.00"}


async def test_a_debit_of_ours_that_is_taken_back_is_nobodys_payment(store: Store) -> None:
    await add_debtor(store, i26001="500")

    report = await take(store, replace(line("1", "500", "1001"), reverses="debit"))

    assert (report.new, report.ignored, report.waiting) == (1, 1, 0)
    assert await open_of(store) == {"26001": "500.00"}
    assert await problems(store) == []


async def test_the_audit_finds_the_entry_of_a_payment_that_is_ignored_on_arrival_or_later(store: Store) -> None:
    await take(store, replace(line("1", "500"), reverses="debit"), line("2", "300"))
    async with store.transaction() as session:
        await ignore(session, 2, why="interest", actor="admin:eva", now=NOW)

    async with store.reading() as session:
        assert await journalled.verify(session) == []


# ── a person says so ────────────────────────────────────────────────────────────────────────────────────────────────


async def unclear(store: Store) -> None:
    """Two contracts paid the same from one account, and the bank takes one of the two back."""
    await add_debtor(store, "1001", i26001="500")
    await add_debtor(store, "1002", i26002="500")
    both = [replace(line(str(n), "500", str(1000 + n)), counter_account=PAYER) for n in (1, 2)]
    await take(store, *both)
    await take(store, storno("3", "500", payer=PAYER), number="2")


async def test_an_unclear_return_waits_and_changes_nothing_until_a_person_says_which(each_store: Store) -> None:
    await unclear(each_store)
    (one,) = await waiting(each_store)
    assert one.why == "payments 1, 2 of different contracts may be meant"
    assert await open_of(each_store) == {"26001": "0.00", "26002": "0.00"}
    assert await problems(each_store) == []

    async with each_store.transaction() as session:
        await take_back(session, 2, why="the bank called", actor="admin:eva", now=NOW)

    assert await waiting(each_store) == []
    assert await open_of(each_store) == {"26001": "0.00", "26002": "500.00"}
    assert await problems(each_store) == []


async def test_a_payment_comes_back_once(store: Store) -> None:
    await unclear(store)
    async with store.transaction() as session:
        await take_back(session, 2, actor="admin:eva", now=NOW)

    with pytest.raises(NotAllowed, match="Payment 2 was taken back already"):
        async with store.transaction() as session:
            await take_back(session, 2, on=TODAY, actor="admin:eva", now=NOW)


async def test_without_a_waiting_return_the_day_is_needed_and_it_is_written_down(store: Store) -> None:
    await add_debtor(store, i26001="500")
    await take(store, line("1", "500", "1001"))
    async with store.transaction() as session:
        with pytest.raises(NotAllowed, match=r"No return of 500\.00 waits .* --on DATE"):
            await take_back(session, 1, actor="admin:eva", now=NOW)
        with pytest.raises(NotAllowed, match="not before the payment"):
            await take_back(session, 1, on=TODAY - timedelta(days=1), actor="admin:eva", now=NOW)

        await take_back(session, 1, on=TODAY, why="came back as an ordinary debit", actor="admin:eva", now=NOW)

    assert await open_of(store) == {"26001": "500.00"}
    assert await problems(store) == []


async def test_the_movement_that_comes_after_a_return_by_hand_waits_for_a_person(store: Store) -> None:
    await add_debtor(store, i26001="500", i26002="500")
    await take(store, line("1", "500", "1001"), line("2", "500", "1001"))
    async with store.transaction() as session:
        await take_back(session, 2, on=TODAY, actor="admin:eva", now=NOW)

    await take(store, storno("3", "500", "1001"), number="2")

    assert await states(store) == ["matched", "returned"]
    assert len(await waiting(store)) == 1


async def test_of_several_returns_of_an_amount_a_person_names_the_movement(store: Store) -> None:
    await unclear(store)
    await take(store, storno("4", "500", payer=PAYER), number="3")
    async with store.transaction() as session:
        with pytest.raises(NotAllowed, match=r"wait: R1, R2\. Say which"):
            await take_back(session, 1, actor="admin:eva", now=NOW)

        await take_back(session, 1, return_id=2, actor="admin:eva", now=NOW)

    assert [each.id for each in await waiting(store)] == [1]
    assert await problems(store) == []


async def test_a_return_of_another_amount_takes_no_payment_back(store: Store) -> None:
    await add_debtor(store, i26001="500")
    await take(store, line("1", "500", "1001"), storno("2", "499", "1001"))

    async with store.transaction() as session:
        with pytest.raises(NotAllowed, match=r"Return 1 is of 499\.00, but payment 1 of 500\.00"):
            await take_back(session, 1, return_id=1, actor="admin:eva", now=NOW)
        with pytest.raises(NotFound, match="no return R7"):
            await take_back(session, 1, return_id=7, actor="admin:eva", now=NOW)


async def test_a_return_of_what_was_never_a_payment_is_set_aside(store: Store) -> None:
    await take(store, storno("2", "499", "1001"))
    async with store.transaction() as session:
        await ignore_return(session, 1, why="interest of 2019", actor="admin:eva", now=NOW)

        with pytest.raises(NotAllowed, match="Return R1 is ignored"):
            await ignore_return(session, 1, why="again", actor="admin:eva", now=NOW)

    assert await waiting(store) == []
    async with store.reading() as session:
        assert (await session.scalars(select(PaymentReturn.why))).all() == ["admin:eva said so: interest of 2019"]
    assert await problems(store) == []
