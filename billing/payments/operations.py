"""What a person does with payments: says whose one is, takes that back, sets one aside, writes down cash.

Each function takes part in the caller's transaction: what it writes (payment, shares, open amounts, ledger and
journal) appears together or not at all. Statements come in by `importing.py`, their returns by `returns.py`; credit
is used in `credit.py`; who a waiting payment may be of is said in `waiting.py`.
"""

from collections.abc import Collection
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract
from billing.invoicing.tables import Invoice
from billing.money import ZERO, Money
from billing.payments import ledger, open_items, rules
from billing.payments.credit import apply_credit_note, use_credit
from billing.payments.importing import ImportReport, import_statements
from billing.payments.ledger import MoneyFact, Side
from billing.payments.returns import take_back
from billing.payments.rules import Debtor, Match
from billing.payments.tables import Payment
from billing.payments.waiting import WaitingPayment, unmatched
from billing.store import journal
from config.errors import NotAllowed, NotFound

__all__ = [
    "ImportReport",
    "WaitingPayment",
    "apply_credit_note",
    "assign",
    "ignore",
    "import_statements",
    "record",
    "take_back",
    "unassign",
    "unmatched",
    "use_credit",
]

CASH = "cash"
"""The account of what is paid at the desk."""
_REMEDY = "`hradlo payments unmatched` lists the payments that wait."


async def assign(
    session: AsyncSession,
    payment_id: int,
    *,
    invoice_number: str = "",
    contract_number: str = "",
    actor: str,
    now: datetime,
) -> Match:
    """A person says whose a waiting payment is: an invoice (paid first), or a contract (the oldest first)."""
    await journal.lock(session)
    payment = await _payment(session, payment_id, ("waiting",), "it does not wait to be assigned")
    debtor = await _debtor(session, invoice_number, contract_number)
    chosen = f"invoice {invoice_number}" if invoice_number else f"contract {contract_number}"
    found = rules.pay(payment.amount, debtor, invoice_number.lstrip("0"), f"assigned to {chosen} by {actor}")
    await open_items.write_shares(session, open_items.of_payment(payment_id, found.shares), now)
    sides = (
        Side(ledger.RECEIVABLE, -rules.total(found.shares), debtor.contract_id),
        Side(ledger.CREDIT, -found.rest, debtor.contract_id),
    )
    state = {"contract_id": debtor.contract_id, "unallocated": found.rest, "why": found.why, "assigned_by": actor}
    await _move(session, payment, "matched", state, sides, payment.booked_on, now)
    await journal.append(
        session,
        at=now,
        actor=actor,
        action="payment.assigned",
        contract_id=debtor.contract_id,
        detail=_detail(payment_id, payment.amount, found),
        why=found.why,
    )
    return found


async def unassign(session: AsyncSession, payment_id: int, *, why: str, actor: str, today: date, now: datetime) -> None:
    """A person takes back that a payment is somebody's, or nobody's: it waits again, what it paid is open again."""
    await journal.lock(session)
    payment = await _payment(session, payment_id, ("matched", "ignored"), "there is nothing to take back")
    reopened = await open_items.reverse_shares(session, payment_id, now)
    words = f"{actor} took back what was said before ({payment.why}){f': {why}' if why else ''}"
    state = {"contract_id": None, "unallocated": payment.amount, "why": words, "assigned_by": ""}
    unused = Side(ledger.unused_account(payment.state), payment.unallocated, payment.contract_id)
    freed = (Side(ledger.RECEIVABLE, Money.total(reopened.values()), payment.contract_id), unused)
    await _move(session, payment, "waiting", state, freed, today, now)
    await journal.append(
        session,
        at=now,
        actor=actor,
        action="payment.unassigned",
        contract_id=payment.contract_id,
        detail={"payment_id": payment_id, "amount": payment.amount, "reopened": reopened},
        why=words,
    )
    if payment.contract_id is not None:
        await use_credit(session, [payment.contract_id], today, now)


async def ignore(session: AsyncSession, payment_id: int, *, why: str, actor: str, now: datetime) -> None:
    """A person says that a waiting payment is no subscriber's money: a transfer of the owner, interest."""
    await journal.lock(session)
    payment = await _payment(session, payment_id, ("waiting",), "only what waits can be set aside")
    words = f"set aside by {actor}: {why}"
    await _move(
        session, payment, "ignored", {"why": words}, (Side(ledger.OTHER, -payment.amount),), payment.booked_on, now
    )
    detail = {"payment_id": payment_id, "amount": payment.amount}
    await journal.append(session, at=now, actor=actor, action="payment.ignored", detail=detail, why=why)


async def record(
    session: AsyncSession, contract_number: str, amount: Money, *, on: date, why: str, actor: str, now: datetime
) -> Match:
    """Writes down cash that was paid at the desk on that day: the oldest invoice is paid first."""
    await journal.lock(session)
    if amount <= ZERO:
        raise NotAllowed(f"{amount} is no amount that can be paid.", "Give what was paid, like 599.00.")
    debtor = await _debtor(session, "", contract_number)
    found = rules.pay(amount, debtor, "", f"paid in cash, written down by {actor}{f': {why}' if why else ''}")
    payment_id, bank_ref = await _insert_cash(session, amount, debtor, found, on)
    await open_items.write_shares(session, open_items.of_payment(payment_id, found.shares), now)
    sides = (
        Side(ledger.BANK + CASH, amount),
        Side(ledger.RECEIVABLE, -rules.total(found.shares), debtor.contract_id),
        Side(ledger.CREDIT, -found.rest, debtor.contract_id),
    )
    await ledger.post_many(session, [MoneyFact(f"payment:{CASH}:{bank_ref}", "payment", on, sides)], now)
    await journal.append(
        session,
        at=now,
        actor=actor,
        action="payment.recorded",
        contract_id=debtor.contract_id,
        detail=_detail(payment_id, amount, found) | {"on": on},
        why=found.why,
    )
    return found


async def _insert_cash(session: AsyncSession, amount: Money, debtor: Debtor, found: Match, on: date) -> tuple[int, str]:
    """The payment's id and reference; the second of a day is told from the first by its ordinal."""
    of_day = select(func.count()).where(Payment.account == CASH, Payment.booked_on == on)
    bank_ref = f"{CASH}-{on:%Y%m%d}-{(await session.scalar(of_day) or 0) + 1}"
    row = {"account": CASH, "bank_ref": bank_ref, "booked_on": on, "amount": amount, "variable_symbol": debtor.number}
    row |= {"contract_id": debtor.contract_id, "state": "matched", "why": found.why, "unallocated": found.rest}
    return (await session.execute(insert(Payment).values(row).returning(Payment.id))).scalar_one(), bank_ref


async def _move(
    session: AsyncSession,
    payment: Payment,
    state: str,
    values: dict[str, Any],
    sides: Collection[Side],
    effective_on: date,
    now: datetime,
) -> None:
    """Changes a payment's state; `sides` are where its money goes or comes from, the waiting money is the other one."""
    moved = Money.total(side.amount for side in sides)
    fact = MoneyFact(
        f"payment:{payment.id}:moved:{payment.times_moved}",
        state,
        effective_on,
        (Side(ledger.SUSPENSE, -moved), *sides),
    )
    await session.execute(
        update(Payment)
        .where(Payment.id == payment.id)
        .values(state=state, times_moved=Payment.times_moved + 1, **values)
    )
    await ledger.post_many(session, [fact], now)


async def _payment(session: AsyncSession, payment_id: int, states: Collection[str], refusal: str) -> Payment:
    """The payment in one of the states, as a copy that later changes leave as it is."""
    payment = await session.get(Payment, payment_id, populate_existing=True)
    if payment is None:
        raise NotFound(f"There is no payment {payment_id}.", _REMEDY)
    session.expunge(payment)
    if payment.state not in states:
        raise NotAllowed(f"Payment {payment_id} is {payment.state}, {refusal}.", _REMEDY)
    return payment


async def _debtor(session: AsyncSession, invoice_number: str, contract_number: str) -> Debtor:
    if bool(invoice_number) == bool(contract_number):
        raise ValueError("name an invoice or a contract")
    if invoice_number:
        number = Invoice.number == invoice_number.lstrip("0")
        wanted = select(Invoice.contract_id).where(number, Invoice.kind == "invoice")
    else:
        wanted = select(Contract.id).where(Contract.number == contract_number.lstrip("0"))
    contract_id = await session.scalar(wanted)
    if contract_id is None:
        what = f"invoice {invoice_number}" if invoice_number else f"contract {contract_number}"
        raise NotFound(f"There is no {what}.", "`hradlo show CONTRACT` lists a contract's invoices.")
    return (await open_items.debtors_by_id(session, [contract_id]))[contract_id]


def _detail(payment_id: int, amount: Money, found: Match) -> dict[str, Any]:
    return {
        "payment_id": payment_id,
        "amount": amount,
        "paid": rules.by_invoice(found.shares),
        "credit": found.rest,
    }
