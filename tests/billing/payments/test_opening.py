"""Credit that contracts bring along: once, in the books, and used like any other."""

import pytest
from sqlalchemy import func, select

from billing.importing import Report
from billing.money import ZERO, Money
from billing.payments import ledger
from billing.payments.opening import import_credits, read_credits
from billing.payments.operations import take_back
from billing.payments.tables import Posting
from billing.store.engine import Store
from billing.store.tables import JournalEntry
from config.errors import InputRejected
from tests.billing.payments.world import NOW, TODAY, add_debtor, counts, credit_of, open_of, problems

HEADER = "contract_number,amount,on\n"


async def bring(store: Store, *rows: str) -> Report:
    sheet = read_credits((HEADER + "\n".join(rows)).encode(), "credits.csv")
    async with store.transaction() as session:
        return await import_credits(session, sheet, actor="admin:eva", today=TODAY, now=NOW)


async def test_credit_comes_out_of_opening_and_pays_open_invoices(each_store: Store) -> None:
    contract_id = await add_debtor(each_store, i26001="500")

    report = await bring(each_store, "0001001,700.00,2026-10-31")

    assert report == Report(added=1)
    assert await open_of(each_store) == {"26001": "0.00"}
    assert await credit_of(each_store, contract_id) == Money.parse("200")
    assert await problems(each_store) == []
    async with each_store.reading() as session:
        brought = select(func.sum(Posting.amount)).where(Posting.account == ledger.OPENING)
        assert await session.scalar(brought) == Money.parse("700")
        entry = (await session.execute(select(JournalEntry).filter_by(action="credit.imported"))).scalar_one()
    assert (entry.actor, entry.contract_id) == ("admin:eva", contract_id)


async def test_the_same_file_again_adds_nothing_and_zero_is_nothing(store: Store) -> None:
    await add_debtor(store, "1001")
    await add_debtor(store, "1002")
    rows = ("1001,700.00,2026-10-31", "1002,0,2026-10-31")
    await bring(store, *rows)
    before = await counts(store)

    assert await bring(store, *rows) == Report(unchanged=2)
    assert await counts(store) == before


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1001,-5,2026-10-31", "line 2, column amount: is -5.00: what a contract owes comes as an open invoice"),
        ("1002,5,2026-10-31", "line 2, column contract_number: there is no contract 1002: import services first"),
        ("1001,5,31.10.2026", "line 2, column on: '31.10.2026' is not a date"),
        ("1001,5,2026-10-31\n1001,6,2026-10-31", "line 3, column contract_number: is the same as in line 2"),
    ],
)
async def test_a_bad_row_refuses_the_file(store: Store, row: str, message: str) -> None:
    await add_debtor(store)

    with pytest.raises(InputRejected, match=message):
        await bring(store, row)

    assert (await counts(store))["payment"] == 0


async def test_another_balance_is_refused_until_the_first_was_taken_back(store: Store) -> None:
    contract_id = await add_debtor(store)
    await bring(store, "1001,700.00,2026-10-31")

    with pytest.raises(InputRejected, match=r"is 70\.00 .* but 700\.00 .* hradlo payments return 1 --on 2026-10-31"):
        await bring(store, "1001,70.00,2026-10-31")
    async with store.transaction() as session:
        await take_back(session, 1, on=TODAY, why="a slip of the pen", actor="admin:eva", now=NOW)
    assert await credit_of(store, contract_id) == ZERO
    assert await problems(store) == []

    assert await bring(store, "1001,70.00,2026-10-31") == Report(added=1)
    assert await bring(store, "1001,700.00,2026-10-31") == Report(unchanged=1)
    assert await credit_of(store, contract_id) == Money.parse("70")
    assert await problems(store) == []
