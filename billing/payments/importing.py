"""A bank statement becomes payments: new ones are matched, posted and journalled, known ones add nothing.

A payment is known by its account and the bank's reference. So a file may be imported again, or by eight workers
at once, or after a crash: whatever was committed is skipped, whatever was not is done now.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Any, cast

from sqlalchemy import Table, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.importing import storable
from billing.money import ZERO, Money
from billing.payments import ledger, open_items, rules
from billing.payments.arrivals import Arrival, Key, Likeness, arrivals, twins, unknown, withdrawals
from billing.payments.banks.account import same_account
from billing.payments.banks.statement import Statement, rejected
from billing.payments.ledger import MoneyFact, Side
from billing.payments.returns import import_returns
from billing.payments.rules import Debtor, Match
from billing.payments.statements import missing_statements
from billing.payments.tables import BankStatement, Payment, PaymentReturn
from billing.store import journal
from billing.store.bulk import execute_many
from config.counting import counted
from config.errors import Problem

ACTOR = "bank"
PAYMENTS_PER_BATCH = 5_000
"""So many are in memory at once, however long the statement; all batches are one transaction."""
_PAYMENT = cast(Table, Payment.__table__)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did."""

    new: int = 0
    """Payments that were not there before; matched + waiting + ignored."""
    known: int = 0
    """Payments that an earlier import brought."""
    matched: int = 0
    waiting: int = 0
    ignored: int = 0
    """Debits of ours that were taken back: nobody's payment."""
    received: Money = ZERO
    """The sum of the new payments …"""
    credited: Money = ZERO
    """… and what of it stays as credit, because nothing was open."""
    debits_ignored: int = 0
    returned: tuple[str, ...] = ()
    """Payments that the bank took back: what they paid is open again."""
    returns_waiting: tuple[str, ...] = ()
    """Returns of which a person must say which payment they take back."""
    missing: tuple[str, ...] = ()
    """Where statements between two others are missing."""
    payers: frozenset[int] = frozenset()
    """The contracts that new payments were matched with: who can be thanked."""
    contracts: frozenset[int] = frozenset()
    """Whose debt changed, by payments and by returns."""

    def __str__(self) -> str:
        return (
            f"{counted(self.new, 'new payment')} ({self.matched} matched, {self.waiting} waiting), {self.known} known"
        )


@dataclass(frozen=True, slots=True)
class _Outcome:
    arrival: Arrival
    match: Match


async def import_statements(
    session: AsyncSession,
    statements: Sequence[Statement],
    source: str,
    now: datetime,
    *,
    accounts: Collection[str] = (),
    currency: str = "",
) -> ImportReport:
    """Imports the statements of one file, all or nothing, in the caller's transaction.

    `accounts` are the ISP's own (empty: any is), `currency` is the one that it keeps its books in (empty: any).
    Raises `StatementRejected` for a foreign account or currency, and for a known payment with other content.
    """
    _require_ours(statements, accounts, currency)
    await journal.lock(session)
    arrived = list(arrivals(statements))
    new = sorted(await unknown(session, arrived, Payment), key=lambda arrival: arrival.line.booked_on)
    new_returns = await unknown(session, list(withdrawals(statements)), PaymentReturn)
    statement_ids = [await _statement_id(session, statement, source, now) for statement in statements]
    twin_of = await twins(session, new, Payment)
    report = _of_statements(statements, known=len(arrived) - len(new))
    for start in range(0, len(new), PAYMENTS_PER_BATCH):
        outcomes = await _match_all(session, new[start : start + PAYMENTS_PER_BATCH], twin_of)
        await _write(session, outcomes, statement_ids, now)
        report = _with(report, outcomes)
    # After all payments: a payment and its return may stand in one statement.
    returned = await import_returns(session, new_returns, statement_ids, now)
    missing = await missing_statements(session, {statement.account for statement in statements})
    return replace(
        report,
        returned=tuple(returned.returned),
        returns_waiting=tuple(returned.waiting),
        missing=tuple(missing),
        contracts=report.contracts | returned.contracts,
    )


def _require_ours(statements: Sequence[Statement], accounts: Collection[str], currency: str) -> None:
    problems = []
    for statement in statements:
        if accounts and not any(same_account(ours, statement.account) for ours in accounts):
            problems.append(Problem(statement.name, f"the account is not one of yours ({', '.join(accounts)})"))
        if currency and statement.currency not in ("", currency):
            problems.append(Problem(statement.name, f"is in {statement.currency}, but the books are in {currency}"))
    if problems:
        raise rejected(problems, "Your accounts are named in [payments] accounts, your currency in [isp] currency.")


async def _statement_id(session: AsyncSession, statement: Statement, source: str, now: datetime) -> int:
    """The row of this statement; the same statement, imported again, keeps the row that it has."""
    row = {
        "account": statement.account,
        "number": statement.number,
        "opened_on": statement.opened_on,
        "closed_on": statement.closed_on,
        "old_balance": statement.old_balance,
        "new_balance": statement.new_balance,
        "has_balances": statement.has_balances,
    }
    known = await session.scalar(select(BankStatement.id).filter_by(**row).order_by(BankStatement.id).limit(1))
    if known is not None:
        return known
    written = insert(BankStatement).values(**row, source=storable(source), imported_at=now).returning(BankStatement.id)
    return (await session.execute(written)).scalar_one()


async def _match_all(session: AsyncSession, new: Sequence[Arrival], twin_of: Counter[Likeness]) -> list[_Outcome]:
    """Matches payments in their order; each sees what those before it left open."""
    debtors, owners = await _who_may_pay(session, new)
    outcomes: list[_Outcome] = []
    for arrival in new:
        if twin_of[arrival.likeness] > 0:
            twin_of[arrival.likeness] -= 1
            outcomes.append(_Outcome(arrival, _waits_for_its_twin(arrival.line.amount)))
            continue
        match = rules.match(arrival.line, debtors, owners)
        if match.contract_id is not None:
            debtors[match.contract_number] = debtors[match.contract_number].after(match.shares)
        outcomes.append(_Outcome(arrival, match))
    return outcomes


async def _who_may_pay(session: AsyncSession, new: Sequence[Arrival]) -> tuple[dict[str, Debtor], dict[str, str]]:
    """The contracts that the payments' symbols name, and the owners of invoices that stand in a contract's place."""
    symbols = {rules.symbols(arrival.line).variable for arrival in new} - {""}
    debtors = await open_items.debtors_by_number(session, symbols)
    owners = await open_items.owners_of_invoices(session, symbols - debtors.keys())
    debtors |= await open_items.debtors_by_number(session, set(owners.values()) - debtors.keys())
    return debtors, owners


def _waits_for_its_twin(amount: Money) -> Match:
    return rules.waits(
        amount, "a payment of that day, amount and symbols came by another format of statement: is it the same one?"
    )


async def _write(
    session: AsyncSession, outcomes: Sequence[_Outcome], statement_ids: Sequence[int], now: datetime
) -> None:
    last_id = await session.scalar(select(func.max(Payment.id))) or 0
    await execute_many(session, insert(_PAYMENT), [_row(each, statement_ids) for each in outcomes])
    rows = await session.execute(select(Payment.account, Payment.bank_ref, Payment.id).where(Payment.id > last_id))
    ids: dict[Key, int] = {(account, ref): payment_id for account, ref, payment_id in rows}
    paid = (open_items.of_payment(ids[each.arrival.key], each.match.shares) for each in outcomes)
    await open_items.write_shares(session, chain.from_iterable(paid), now)
    await ledger.post_many(session, [_fact(each) for each in outcomes], now)
    await journal.append_many(session, [_entry(each, ids, now) for each in outcomes])


def _row(outcome: _Outcome, statement_ids: Sequence[int]) -> dict[str, Any]:
    arrival, line, match = outcome.arrival, outcome.arrival.line, outcome.match
    return {
        "statement_id": statement_ids[arrival.statement],
        "account": arrival.account,
        "bank_ref": line.bank_ref,
        "booked_on": line.booked_on,
        "amount": line.amount,
        "variable_symbol": line.variable_symbol,
        "specific_symbol": line.specific_symbol,
        "constant_symbol": line.constant_symbol,
        "counter_account": line.counter_account,
        "message": line.message,
        "contract_id": match.contract_id,
        "state": match.state,
        "why": match.why,
        "unallocated": match.rest,
    }


def _fact(outcome: _Outcome) -> MoneyFact:
    arrival, match = outcome.arrival, outcome.match
    sides = (
        Side(ledger.money_account(arrival.account), arrival.line.amount),
        Side(ledger.RECEIVABLE, -rules.total(match.shares), match.contract_id),
        Side(ledger.unused_account(match.state), -match.rest, match.contract_id),
    )
    return MoneyFact(f"payment:{arrival.account}:{arrival.line.bank_ref}", "payment", arrival.line.booked_on, sides)


def _entry(outcome: _Outcome, ids: Mapping[Key, int], now: datetime) -> journal.Entry:
    match = outcome.match
    detail: dict[str, Any] = {"payment_id": ids[outcome.arrival.key], "amount": outcome.arrival.line.amount}
    if match.contract_id is not None:
        detail |= {"paid": rules.by_invoice(match.shares), "credit": match.rest}
    return journal.Entry(now, ACTOR, f"payment.{match.state}", match.contract_id, detail, match.why)


def _of_statements(statements: Sequence[Statement], known: int) -> ImportReport:
    """What is to be said before any payment is looked at."""
    debits = [line for statement in statements for line in statement.lines if line.amount < ZERO]
    return ImportReport(known=known, debits_ignored=sum(line.reverses != "credit" for line in debits))


def _with(report: ImportReport, outcomes: Sequence[_Outcome]) -> ImportReport:
    counted = Counter(each.match.state for each in outcomes)
    payers = frozenset(each.match.contract_id for each in outcomes if each.match.contract_id is not None)
    return replace(
        report,
        new=report.new + len(outcomes),
        matched=report.matched + counted["matched"],
        waiting=report.waiting + counted["waiting"],
        ignored=report.ignored + counted["ignored"],
        received=report.received + Money.total(each.arrival.line.amount for each in outcomes),
        credited=report.credited + Money.total(each.match.rest for each in outcomes if each.match.state == "matched"),
        payers=report.payers | payers,
        contracts=report.contracts | payers,
    )
