"""Payments that wait for a person, and whose they may be (`suggestions.py` weighs what is read here)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract, Customer
from billing.invoicing.tables import Invoice
from billing.money import ZERO, Money
from billing.payments import open_items, suggestions
from billing.payments.suggestions import Candidate, Clues, Suggestion
from billing.payments.tables import Payment

Contracts = dict[int, set[int]]
"""Contracts that may be meant, by the payment's id."""


@dataclass(frozen=True, slots=True)
class WaitingPayment:
    """A payment that a person must assign."""

    id: int
    booked_on: date
    amount: Money
    account: str
    counter_account: str
    variable_symbol: str
    specific_symbol: str
    message: str
    why: str


async def unmatched(session: AsyncSession) -> list[WaitingPayment]:
    """The payments that wait for a person, the oldest first."""
    rows = await session.execute(
        select(
            Payment.id,
            Payment.booked_on,
            Payment.amount,
            Payment.account,
            Payment.counter_account,
            Payment.variable_symbol,
            Payment.specific_symbol,
            Payment.message,
            Payment.why,
        )
        .where(Payment.state == "waiting")
        .order_by(Payment.booked_on, Payment.id)
    )
    return [WaitingPayment(*row) for row in rows]


async def suggest(session: AsyncSession, payments: Sequence[WaitingPayment]) -> dict[int, list[Suggestion]]:
    """For each payment the contracts that may be meant, the likeliest first; nothing is assigned."""
    remembered = await _remembered(session, payments)
    by_number, invoices_named = await _by_number(session, payments)
    by_amount, by_name = await _by_amount(session, payments), await _by_name(session, payments)
    meant = {
        each.id: remembered[each.id] | by_number[each.id] | by_amount[each.id] | by_name[each.id] for each in payments
    }
    contract_ids = set().union(*meant.values())
    debtors = await open_items.debtors_by_id(session, contract_ids)
    names = await _names(session, contract_ids)
    found = {}
    for payment in payments:
        candidates = [
            Candidate(
                debtors[contract_id].number,
                names[contract_id],
                tuple(sorted(debtors[contract_id].invoices, key=lambda invoice: invoice.due_on)),
                frozenset(invoices_named[contract_id]),
                contract_id in remembered[payment.id],
            )
            for contract_id in meant[payment.id]
        ]
        found[payment.id] = suggestions.suggest(_clues(payment), candidates)
    return found


def _clues(payment: WaitingPayment) -> Clues:
    return Clues(payment.amount, payment.variable_symbol, payment.specific_symbol, payment.message)


async def _remembered(session: AsyncSession, payments: Sequence[WaitingPayment]) -> Contracts:
    """Contracts to which a person assigned earlier payments of the same counter-account."""
    of_payer: dict[str, set[int]] = defaultdict(set)
    payers = {each.counter_account for each in payments if each.counter_account}
    for chunk in open_items.chunks(payers):
        rows = await session.execute(
            select(Payment.counter_account, Payment.contract_id)
            .where(Payment.assigned_by != "", Payment.counter_account.in_(chunk))
            .distinct()
        )
        for payer, contract_id in rows:
            if contract_id is not None:
                of_payer[payer].add(contract_id)
    return {each.id: of_payer[each.counter_account] for each in payments}


async def _by_number(
    session: AsyncSession, payments: Sequence[WaitingPayment]
) -> tuple[Contracts, dict[int, set[str]]]:
    """Contracts that symbols and messages name, nearly or through an invoice; and of each the invoices named."""
    own = {each.id: _own_numbers(each) for each in payments}
    named = {each.id: _numbers(each) for each in payments}
    contracts: dict[str, int] = {}
    for chunk in open_items.chunks(set().union(*own.values())):
        rows = await session.execute(select(Contract.number, Contract.id).where(Contract.number.in_(chunk)))
        contracts.update({row[0]: row[1] for row in rows})
    owners: dict[str, int] = {}
    for chunk in open_items.chunks(set().union(*named.values())):
        rows = await session.execute(select(Invoice.number, Invoice.contract_id).where(Invoice.number.in_(chunk)))
        owners.update({row[0]: row[1] for row in rows})
    invoices_named: dict[int, set[str]] = defaultdict(set)
    for number, contract_id in owners.items():
        invoices_named[contract_id].add(number)
    found = {
        each.id: {contracts[number] for number in own[each.id] & contracts.keys()}
        | {owners[number] for number in named[each.id] & owners.keys()}
        for each in payments
    }
    return found, invoices_named


def _numbers(payment: WaitingPayment) -> set[str]:
    symbols = {payment.variable_symbol, payment.specific_symbol} - {""}
    return symbols | set(suggestions.numbers_in(payment.message))


def _own_numbers(payment: WaitingPayment) -> set[str]:
    return _numbers(payment) | suggestions.neighbours(payment.variable_symbol)


async def _by_amount(session: AsyncSession, payments: Sequence[WaitingPayment]) -> Contracts:
    """Contracts that have exactly this open, where those are few."""
    rare: list[Money] = []
    for chunk in open_items.chunks({each.amount.minor for each in payments}):
        amounts = [Money(minor) for minor in chunk]
        counted = select(Invoice.open).where(Invoice.open.in_(amounts), Invoice.open > ZERO).group_by(Invoice.open)
        few = func.count(Invoice.contract_id.distinct()) <= suggestions.CONTRACTS_OF_AN_AMOUNT_MAX
        rare += await session.scalars(counted.having(few))
    owing: dict[Money, set[int]] = defaultdict(set)
    rows = await session.execute(select(Invoice.open, Invoice.contract_id).where(Invoice.open.in_(rare)))
    for amount, contract_id in rows if rare else ():
        owing[amount].add(contract_id)
    return {each.id: owing[each.amount] for each in payments}


async def _by_name(session: AsyncSession, payments: Sequence[WaitingPayment]) -> Contracts:
    """Contracts whose customer is named in the message: one walk through all names, whatever the payments."""
    words = {each.id: suggestions.words_of(each.message) for each in payments if each.message}
    of_word: dict[str, set[int]] = defaultdict(set)
    for payment_id, of_message in words.items():
        for word in of_message:
            of_word[word].add(payment_id)
    found: Contracts = defaultdict(set)
    if not of_word:
        return found
    rows = await session.execute(select(Customer.name, Contract.id).join(Contract, Contract.customer_id == Customer.id))
    for name, contract_id in rows:
        for payment_id in _any_of(of_word, suggestions.words_of(name)):
            if suggestions.is_named(name, words[payment_id]):
                found[payment_id].add(contract_id)
    return found


def _any_of(of_word: dict[str, set[int]], words: Iterable[str]) -> set[int]:
    return set().union(*(of_word[word] for word in words if word in of_word))


async def _names(session: AsyncSession, contract_ids: Iterable[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for chunk in open_items.chunks(set(contract_ids)):
        named = select(Contract.id, Customer.name).join(Customer, Customer.id == Contract.customer_id)
        found.update({row[0]: row[1] for row in await session.execute(named.where(Contract.id.in_(chunk)))})
    return found
