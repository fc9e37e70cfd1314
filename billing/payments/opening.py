"""Credit that contracts bring along from another program: credits.csv, `contract_number,amount,on`.

Each becomes a payment of the account `opening` that no statement brought; the ledger takes it from `opening`, and it
pays invoices like any other credit. The same file again adds nothing. A balance that was brought in wrongly is taken
back like a payment, `hradlo payments return ID --on DATE`, and can then be brought in anew.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract
from billing.importing import Report, Row, Sheet, in_chunks, read
from billing.money import ZERO, Money
from billing.payments import ledger
from billing.payments.credit import use_credit
from billing.payments.ledger import MoneyFact, Side
from billing.payments.tables import Payment
from billing.store import journal
from billing.store.bulk import execute_many

COLUMNS = ("contract_number", "amount", "on")


@dataclass(frozen=True, slots=True)
class CreditRow:
    """One opening balance."""

    line: int
    contract_number: str
    amount: Money
    on: date


@dataclass(frozen=True, slots=True)
class _Brought:
    """A balance that was brought in before."""

    id: int
    amount: Money
    on: date
    is_returned: bool


def read_credits(data: bytes, source: str) -> Sheet[CreditRow]:
    """Parses credits.csv; raises `InputRejected` when not even its header can be read."""
    sheet = read(data, source, COLUMNS, _credit)
    sheet.refuse_repeated("contract_number", lambda row: row.contract_number)
    return sheet


def _credit(row: Row) -> CreditRow:
    amount = row.money("amount")
    if amount < ZERO:
        row.refuse("amount", f"is {amount}: what a contract owes comes as an open invoice")
    return CreditRow(row.line, row.symbol("contract_number"), amount, row.date("on"))


async def import_credits(
    session: AsyncSession, sheet: Sheet[CreditRow], *, actor: str, today: date, now: datetime
) -> Report:
    """Adds the balances that are not there yet, and pays open invoices from them; zero needs nothing.

    Raises `InputRejected` with every problem of the file.
    """
    await journal.lock(session)
    contracts = await _contract_ids(session, sheet.rows)
    brought = await _brought(session, sheet.rows)
    _refuse_impossible(sheet, contracts, brought)
    sheet.require_good()
    new = [row for row in sheet.rows if row.amount and not _is_there(row, brought[row.contract_number])]
    refs = {
        row.contract_number: f"opening-{row.contract_number}-{len(brought[row.contract_number]) + 1}" for row in new
    }
    await _add(session, new, refs, contracts, now)
    entries = [
        journal.Entry(
            now, actor, "credit.imported", contracts[row.contract_number], {"amount": row.amount, "on": row.on}
        )
        for row in new
    ]
    await journal.append_many(session, entries)
    await use_credit(session, {contracts[row.contract_number] for row in new}, today, now)
    return Report(added=len(new), unchanged=len(sheet.rows) - len(new))


async def _contract_ids(session: AsyncSession, rows: Sequence[CreditRow]) -> dict[str, int]:
    found: dict[str, int] = {}
    for chunk in in_chunks(rows):
        numbers = [row.contract_number for row in chunk]
        wanted = select(Contract.number, Contract.id).where(Contract.number.in_(numbers))
        found.update({row[0]: row[1] for row in await session.execute(wanted)})
    return found


async def _brought(session: AsyncSession, rows: Sequence[CreditRow]) -> dict[str, list[_Brought]]:
    """Earlier balances by the contract that they were brought in for; whatever became of them since."""
    found: dict[str, list[_Brought]] = defaultdict(list)
    for chunk in in_chunks(rows):
        numbers = [row.contract_number for row in chunk]
        columns = (Payment.variable_symbol, Payment.id, Payment.amount, Payment.booked_on, Payment.state == "returned")
        wanted = select(*columns).where(Payment.account == ledger.OPENING, Payment.variable_symbol.in_(numbers))
        for row in await session.execute(wanted):
            found[row[0]].append(_Brought(*row[1:]))
    return found


def _is_there(row: CreditRow, brought: Sequence[_Brought]) -> bool:
    return any((each.amount, each.on) == (row.amount, row.on) for each in brought)


def _refuse_impossible(
    sheet: Sheet[CreditRow], contracts: Mapping[str, int], brought: Mapping[str, Sequence[_Brought]]
) -> None:
    for row in sheet.rows:
        if row.contract_number not in contracts:
            message = f"there is no contract {row.contract_number}: import services first"
            sheet.refuse(row.line, "contract_number", message)
        earlier = brought.get(row.contract_number, ())
        live = next((each for each in earlier if not each.is_returned), None)
        if live and row.amount and not _is_there(row, earlier):
            message = f"is {row.amount} on {row.on}, but {live.amount} on {live.on} was brought in before"
            sheet.refuse(row.line, "amount", f"{message}: hradlo payments return {live.id} --on {live.on}, then again")


async def _add(
    session: AsyncSession,
    rows: Sequence[CreditRow],
    refs: Mapping[str, str],
    contracts: Mapping[str, int],
    now: datetime,
) -> None:
    for chunk in in_chunks(rows):
        values = [
            {
                "account": ledger.OPENING,
                "bank_ref": refs[row.contract_number],
                "booked_on": row.on,
                "amount": row.amount,
                "variable_symbol": row.contract_number,
                "contract_id": contracts[row.contract_number],
                "state": "matched",
                "why": "credit that the contract brought along",
                "unallocated": row.amount,
            }
            for row in chunk
        ]
        await execute_many(session, insert(Payment), values)
        facts = [_fact(row, refs[row.contract_number], contracts[row.contract_number]) for row in chunk]
        await ledger.post_many(session, facts, now)


def _fact(row: CreditRow, bank_ref: str, contract_id: int) -> MoneyFact:
    sides = (Side(ledger.OPENING, row.amount), Side(ledger.CREDIT, -row.amount, contract_id))
    return MoneyFact(f"payment:{ledger.OPENING}:{bank_ref}", "opening", row.on, sides)
