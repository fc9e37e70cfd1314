"""A bank statement becomes payments: new ones are matched, posted and journalled, known ones add nothing.

A payment is known by its account and the bank's reference. So a file may be imported again, or by eight workers
at once, or after a crash: whatever was committed is skipped, whatever was not is done now.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Any, cast

from sqlalchemy import Table, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.money import ZERO, Money
from billing.payments import ledger, open_items, rules
from billing.payments.arrivals import Arrival, Key, Likeness, arrivals, twins, unknown
from billing.payments.banks.account import same_account
from billing.payments.banks.statement import Statement, StatementLine, rejected
from billing.payments.ledger import MoneyFact, Side
from billing.payments.rules import Match
from billing.payments.tables import BankStatement, Payment
from billing.store import journal
from config.errors import Problem

ACTOR = "bank"
PAYMENTS_PER_BATCH = 5_000
"""So many are in memory at once, however long the statement; all batches are one transaction."""
_PAYMENT = cast(Table, Payment.__table__)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did."""

    new: int = 0
    """Payments that were not there before; matched + waiting."""
    known: int = 0
    """Payments that an earlier import brought."""
    matched: int = 0
    waiting: int = 0
    received: Money = ZERO
    """The sum of the new payments …"""
    credited: Money = ZERO
    """… and what of it stays as credit, because nothing was open."""
    debits_ignored: int = 0
    returned: tuple[str, ...] = ()
    """Credits that the bank took back; a person must look at them."""
    contracts: frozenset[int] = frozenset()
    """Whose debt changed."""


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
    new = sorted(await unknown(session, arrived), key=lambda arrival: arrival.line.booked_on)
    statement_ids = [await _statement_id(session, statement, source, now) for statement in statements]
    twin_of = await twins(session, new)
    report = _of_statements(statements, known=len(arrived) - len(new))
    for start in range(0, len(new), PAYMENTS_PER_BATCH):
        outcomes = await _match_all(session, new[start : start + PAYMENTS_PER_BATCH], twin_of)
        await _write(session, outcomes, statement_ids, now)
        report = _with(report, outcomes)
    return report


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
        "closed_on": statement.closed_on,
        "old_balance": statement.old_balance,
        "new_balance": statement.new_balance,
    }
    known = await session.scalar(select(BankStatement.id).filter_by(**row).order_by(BankStatement.id).limit(1))
    if known is not None:
        return known
    written = insert(BankStatement).values(**row, source=source, imported_at=now).returning(BankStatement.id)
    return (await session.execute(written)).scalar_one()


async def _match_all(session: AsyncSession, new: Sequence[Arrival], twin_of: Counter[Likeness]) -> list[_Outcome]:
    """Matches payments in their order; each sees what those before it left open."""
    symbols = [rules.symbols(arrival.line).variable for arrival in new]
    debtors = await open_items.debtors_by_number(session, [symbol for symbol in symbols if symbol])
    outcomes: list[_Outcome] = []
    for symbol, arrival in zip(symbols, new, strict=True):
        if twin_of[arrival.likeness] > 0:
            twin_of[arrival.likeness] -= 1
            outcomes.append(_Outcome(arrival, _waits_for_its_twin(arrival.line.amount)))
            continue
        match = rules.match(arrival.line, debtors)
        if match.contract_id is not None:
            debtors[symbol] = debtors[symbol].after(match.shares)
        outcomes.append(_Outcome(arrival, match))
    return outcomes


def _waits_for_its_twin(amount: Money) -> Match:
    why = "a payment of that day, amount and symbols came by another format of statement: is it the same one?"
    return Match(None, (), amount, why)


async def _write(
    session: AsyncSession, outcomes: Sequence[_Outcome], statement_ids: Sequence[int], now: datetime
) -> None:
    last_id = await session.scalar(select(func.max(Payment.id))) or 0
    await session.execute(insert(_PAYMENT), [_row(each, statement_ids) for each in outcomes])
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
    others: tuple[Side, ...]
    if match.contract_id is None:
        others = (Side(ledger.SUSPENSE, -match.rest),)
    else:
        paid = Money.total(share.amount for share in match.shares)
        others = (
            Side(ledger.RECEIVABLE, -paid, match.contract_id),
            Side(ledger.CREDIT, -match.rest, match.contract_id),
        )
    sides = (Side(ledger.BANK + arrival.account, arrival.line.amount), *others)
    return MoneyFact(f"payment:{arrival.account}:{arrival.line.bank_ref}", "payment", arrival.line.booked_on, sides)


def _entry(outcome: _Outcome, ids: Mapping[Key, int], now: datetime) -> journal.Entry:
    match = outcome.match
    detail: dict[str, Any] = {"payment_id": ids[outcome.arrival.key], "amount": outcome.arrival.line.amount}
    if match.contract_id is not None:
        detail |= {"paid": {share.invoice_number: share.amount for share in match.shares}, "credit": match.rest}
    return journal.Entry(now, ACTOR, f"payment.{match.state}", match.contract_id, detail, match.why)


def _of_statements(statements: Sequence[Statement], known: int) -> ImportReport:
    """What is to be said before any payment is looked at."""
    debits = [(statement, line) for statement in statements for line in statement.lines if line.amount < ZERO]
    return ImportReport(known=known, debits_ignored=len(debits), returned=tuple(_returned(debits)))


def _with(report: ImportReport, outcomes: Sequence[_Outcome]) -> ImportReport:
    matched = [each for each in outcomes if each.match.contract_id is not None]
    return replace(
        report,
        new=report.new + len(outcomes),
        matched=report.matched + len(matched),
        waiting=report.waiting + len(outcomes) - len(matched),
        received=report.received + Money.total(each.arrival.line.amount for each in outcomes),
        credited=report.credited + Money.total(each.match.rest for each in matched),
        contracts=report.contracts.union(each.match.contract_id for each in matched if each.match.contract_id),
    )


def _returned(debits: Iterable[tuple[Statement, StatementLine]]) -> Iterator[str]:
    for statement, line in debits:
        if line.is_storno:
            symbol = f", variable symbol {line.variable_symbol}" if line.variable_symbol else ""
            yield f"{statement.name}: {-line.amount} on {line.booked_on}{symbol} was taken back by the bank"
