"""Payments that the bank takes back: what they paid is open again, as if they had never come.

Nobody is punished for it: the invoice is open with the due date that it always had, and the journal's
`payment.returned` makes the engine look. Which payment is meant is found by `rules.taken_back`; a return of which
that is not clear waits for a person (`take_back`), who may also say that it is nobody's (`ignore_return`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.money import ZERO, Money
from billing.payments import ledger, open_items, rules
from billing.payments.arrivals import Arrival, Likeness, twins
from billing.payments.banks.account import same_account
from billing.payments.credit import use_credit
from billing.payments.ledger import MoneyFact, Side
from billing.payments.tables import Payment, PaymentReturn
from billing.store import journal
from config.errors import NotAllowed, NotFound

DAYS_BACK_MAX = 400
"""A payment older than that is not what a bank takes back: SEPA allows thirteen months."""
BY_HAND = "hand"
"""A return that a person wrote down: the bank's movement did not say what it was, or there is none (cash)."""
_Received = tuple[str, rules.Received]
"""The account that a payment came to, and the payment."""
_REMEDY = "`hradlo payments unmatched` lists the returns that wait."


@dataclass(frozen=True, slots=True)
class WaitingReturn:
    """A return of which a person must say which payment it takes back."""

    id: int
    booked_on: date
    amount: Money
    account: str
    counter_account: str
    variable_symbol: str
    specific_symbol: str
    message: str
    why: str


@dataclass(slots=True)
class ReturnsReport:
    """What became of the returns of an import, in words for a person."""

    returned: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    contracts: set[int] = field(default_factory=set)


async def waiting_returns(session: AsyncSession) -> list[WaitingReturn]:
    """The returns that wait for a person, the oldest first."""
    table = PaymentReturn
    rows = await session.execute(
        select(
            table.id,
            table.booked_on,
            table.amount,
            table.account,
            table.counter_account,
            table.variable_symbol,
            table.specific_symbol,
            table.message,
            table.why,
        )
        .where(table.state == "waiting")
        .order_by(table.booked_on, table.id)
    )
    return [WaitingReturn(*row) for row in rows]


async def import_returns(
    session: AsyncSession, new: Sequence[Arrival], statement_ids: Sequence[int], now: datetime
) -> ReturnsReport:
    """Stores the returns of a statement, and takes back the payments that they clearly mean."""
    report = ReturnsReport()
    twin_of = await twins(session, new, PaymentReturn)
    received = await _received(session, new)
    for arrival in sorted(new, key=lambda arrival: arrival.line.booked_on):
        payment_id, why = _which(arrival, received, twin_of)
        row = _row(arrival, statement_ids[arrival.statement])
        if payment_id is None:
            await _store_waiting(session, row, why, now)
            report.waiting.append(f"{_words(arrival)}: {why}")
            continue
        await session.execute(insert(PaymentReturn).values(**row, payment_id=payment_id, state="returned", why=why))
        received[payment_id] = (received[payment_id][0], replace(received[payment_id][1], is_returned=True))
        contract_id = await _reopen(session, payment_id, arrival.line.booked_on, "bank", why, now)
        report.returned.append(f"{_words(arrival)}: payment {payment_id}")
        if contract_id is not None:
            report.contracts.add(contract_id)
    return report


async def take_back(
    session: AsyncSession,
    payment_id: int,
    *,
    return_id: int | None = None,
    on: date | None = None,
    why: str = "",
    actor: str,
    now: datetime,
) -> int | None:
    """A person says that a payment was taken back, and by which waiting return; says whose it was.

    Without `return_id` it is the only waiting return of that amount. If there is none, `on` is needed: it is then
    written down by hand, because the bank did not say what that debit was, or the payment was cash.
    """
    await journal.lock(session)
    payment = await _payment(session, payment_id)
    waiting = await _chosen(session, payment, return_id, is_by_hand=on is not None)
    words = f"{actor} said so{f': {why}' if why else ''}"
    if waiting is not None:
        settled = {"state": "returned", "payment_id": payment_id, "why": words}
        await session.execute(update(PaymentReturn).where(PaymentReturn.id == waiting.id).values(**settled))
        return await _reopen(session, payment_id, waiting.booked_on, actor, words, now)
    if on is None or on < payment.booked_on:
        raise NotAllowed(
            f"No return of {payment.amount} waits for payment {payment_id} of {payment.booked_on}.",
            "If the bank took it back without saying so, give the day of that: --on DATE, not before the payment.",
        )
    row = {name: getattr(payment, name) for name in ("account", "amount", "variable_symbol", "specific_symbol")}
    row |= {"bank_ref": f"{BY_HAND}-{payment_id}", "booked_on": on, "counter_account": payment.counter_account}
    await session.execute(insert(PaymentReturn).values(**row, payment_id=payment_id, state="returned", why=words))
    return await _reopen(session, payment_id, on, actor, words, now)


async def ignore_return(session: AsyncSession, return_id: int, *, why: str, actor: str, now: datetime) -> None:
    """A person says that a return takes back nothing that was ever a payment here."""
    await journal.lock(session)
    waiting = await _waiting(session, return_id)
    words = f"{actor} said so: {why}"
    settled = update(PaymentReturn).where(PaymentReturn.id == waiting.id).values(state="ignored", why=words)
    await session.execute(settled)
    detail = {"return_id": waiting.id, "amount": waiting.amount}
    await journal.append(session, at=now, actor=actor, action="return.ignored", detail=detail, why=why)


def _which(arrival: Arrival, received: Mapping[int, _Received], twin_of: Counter[Likeness]) -> tuple[int | None, str]:
    if twin_of[arrival.likeness] > 0:
        twin_of[arrival.likeness] -= 1
        return None, "a return of that day, amount and symbols came by another way: is it the same one?"
    earliest = arrival.line.booked_on - timedelta(days=DAYS_BACK_MAX)
    of_account = [
        payment
        for account, payment in received.values()
        if payment.booked_on >= earliest and same_account(account, arrival.account)
    ]
    return rules.taken_back(arrival.line, of_account)


async def _received(session: AsyncSession, new: Sequence[Arrival]) -> dict[int, _Received]:
    """The payments that these returns may mean, by id: all are read at once, as nothing finds them quickly."""
    lines = [arrival.line for arrival in new]
    symbols = {rules.symbols(line).variable for line in lines} - {""}
    payers = {line.counter_account for line in lines} - {""}
    found: dict[int, _Received] = {}
    columns = (
        Payment.account,
        Payment.id,
        Payment.booked_on,
        Payment.amount,
        Payment.variable_symbol,
        Payment.specific_symbol,
        Payment.counter_account,
        Payment.contract_id,
        Payment.state == "returned",
    )
    for column, values in ((Payment.variable_symbol, symbols), (Payment.counter_account, payers)):
        for chunk in open_items.chunks(values):
            amounts = Payment.amount.in_({line.amount for line in lines})
            rows = await session.execute(select(*columns).where(column.in_(chunk), amounts))
            found.update({row[1]: (row[0], rules.Received(*row[1:])) for row in rows})
    return found


async def _store_waiting(session: AsyncSession, row: dict[str, Any], why: str, now: datetime) -> None:
    written = insert(PaymentReturn).values(**row, state="waiting", why=why).returning(PaymentReturn.id)
    return_id = (await session.execute(written)).scalar_one()
    detail = {"return_id": return_id, "amount": row["amount"]}
    await journal.append(session, at=now, actor="bank", action="return.waiting", detail=detail, why=why)


async def _reopen(session: AsyncSession, payment_id: int, on: date, actor: str, why: str, now: datetime) -> int | None:
    """Undoes a payment in the books; other credit of the contract then pays what is open again."""
    payment = await _payment(session, payment_id)
    reopened = await open_items.reverse_shares(session, payment_id, now)
    settled = {"state": "returned", "unallocated": ZERO, "why": f"returned: {why}"}
    await session.execute(update(Payment).where(Payment.id == payment_id).values(**settled))
    await ledger.post_many(session, [_fact(payment, Money.total(reopened.values()), on)], now)
    await journal.append(
        session,
        at=now,
        actor=actor,
        action="payment.returned",
        contract_id=payment.contract_id,
        detail={"payment_id": payment_id, "amount": payment.amount, "reopened": reopened, "on": on},
        why=why,
    )
    if payment.contract_id is not None:
        await use_credit(session, [payment.contract_id], on, now)
    return payment.contract_id


def _fact(payment: Payment, reopened: Money, on: date) -> MoneyFact:
    sides = (
        Side(ledger.money_account(payment.account), -payment.amount),
        Side(ledger.RECEIVABLE, reopened, payment.contract_id),
        Side(ledger.unused_account(payment.state), payment.unallocated, payment.contract_id),
    )
    return MoneyFact(f"payment:{payment.account}:{payment.bank_ref}:returned", "return", on, sides)


async def _payment(session: AsyncSession, payment_id: int) -> Payment:
    """The payment, which must not have come back yet; a copy that later changes leave as it is."""
    payment = await session.get(Payment, payment_id, populate_existing=True)
    if payment is None:
        raise NotFound(f"There is no payment {payment_id}.", "`hradlo show CONTRACT` lists a contract's payments.")
    session.expunge(payment)
    if payment.state == "returned":
        raise NotAllowed(f"Payment {payment_id} was taken back already: {payment.why}.")
    return payment


async def _chosen(
    session: AsyncSession, payment: Payment, return_id: int | None, *, is_by_hand: bool
) -> WaitingReturn | None:
    """The waiting return that a person means for this payment."""
    if return_id is not None:
        waiting = await _waiting(session, return_id)
        if waiting.amount != payment.amount:
            message = f"Return {return_id} is of {waiting.amount}, but payment {payment.id} of {payment.amount}."
            raise NotAllowed(message, "A payment comes back whole or not at all.")
        return waiting
    if is_by_hand:
        return None
    fitting = [each for each in await waiting_returns(session) if each.amount == payment.amount]
    if len(fitting) > 1:
        names = ", ".join(f"R{each.id}" for each in fitting)
        raise NotAllowed(f"Several returns of {payment.amount} wait: {names}.", "Say which: --movement R5.")
    return fitting[0] if fitting else None


async def _waiting(session: AsyncSession, return_id: int) -> WaitingReturn:
    for waiting in await waiting_returns(session):
        if waiting.id == return_id:
            return waiting
    state = await session.scalar(select(PaymentReturn.state).where(PaymentReturn.id == return_id))
    if state is None:
        raise NotFound(f"There is no return R{return_id}.", _REMEDY)
    raise NotAllowed(f"Return R{return_id} is {state}, it does not wait.", _REMEDY)


def _row(arrival: Arrival, statement_id: int) -> dict[str, Any]:
    line = arrival.line
    return {
        "statement_id": statement_id,
        "account": arrival.account,
        "bank_ref": line.bank_ref,
        "booked_on": line.booked_on,
        "amount": line.amount,
        "variable_symbol": line.variable_symbol,
        "specific_symbol": line.specific_symbol,
        "counter_account": line.counter_account,
        "message": line.message,
    }


def _words(arrival: Arrival) -> str:
    line = arrival.line
    symbol = f", variable symbol {line.variable_symbol}" if line.variable_symbol else ""
    return f"{line.amount} on {line.booked_on}{symbol}"
