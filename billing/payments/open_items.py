"""What can be paid, and with what: read in bulk for matching, written in bulk afterwards.

Matching happens in Python between one read and one write, so a statement of a hundred thousand payments is a
few dozen statements of SQL, and the rules stay readable.

Whoever reads here to decide and to write holds `journal.lock` from before the read: money is moved by one
transaction at a time. (Each is journalled anyway, so it is the lock that it would need in the end.)
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, TypeVar, cast

from sqlalchemy import ColumnElement, Table, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract
from billing.invoicing.tables import Invoice
from billing.money import ZERO, Money
from billing.payments.rules import Debtor, OpenInvoice, Share
from billing.payments.tables import Allocation, Payment
from billing.store.bulk import execute_many

CHUNK = 1000
"""Values in one IN (…): far below every database's limit of parameters."""

_ALLOCATION = cast(Table, Allocation.__table__)
_INVOICE = cast(Table, Invoice.__table__)
_PAYMENT = cast(Table, Payment.__table__)

_T = TypeVar("_T", int, str)


@dataclass(frozen=True, slots=True)
class Source:
    """What an invoice is paid with."""

    kind: Literal["payment", "credit_note"]
    id: int


@dataclass(frozen=True, slots=True)
class Credit:
    """A payment or a credit note of which something is not used yet."""

    source: Source
    contract_id: int
    unused: Money
    since_on: date
    times_used: int
    """How many shares of it there are: the ordinal of the next one's ledger key."""


@dataclass(frozen=True, slots=True)
class Paid:
    """A share and what it is of."""

    source: Source
    share: Share


def of_payment(payment_id: int, shares: Iterable[Share]) -> Iterator[Paid]:
    """The shares of one payment."""
    return (Paid(Source("payment", payment_id), share) for share in shares)


def chunks(values: Collection[_T]) -> Iterator[Sequence[_T]]:
    """The values in order, in lists that fit into one IN (…)."""
    ordered = sorted(set(values))
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]


async def debtors_by_number(session: AsyncSession, numbers: Collection[str]) -> dict[str, Debtor]:
    """The contracts with these numbers, each with its invoices that can be paid."""
    found: dict[str, Debtor] = {}
    for chunk in chunks(numbers):
        found.update({debtor.number: debtor for debtor in await _debtors(session, Contract.number.in_(chunk))})
    return found


async def owners_of_invoices(session: AsyncSession, numbers: Collection[str]) -> dict[str, str]:
    """Of invoices with these numbers, the number of the contract that each is of."""
    found: dict[str, str] = {}
    for chunk in chunks(numbers):
        owners = select(Invoice.number, Contract.number).join(Contract, Contract.id == Invoice.contract_id)
        rows = await session.execute(owners.where(Invoice.number.in_(chunk), Invoice.kind == "invoice"))
        found.update({row[0]: row[1] for row in rows})
    return found


async def debtors_by_id(session: AsyncSession, contract_ids: Collection[int]) -> dict[int, Debtor]:
    """The contracts with these ids, each with its invoices that can be paid."""
    found: dict[int, Debtor] = {}
    for chunk in chunks(contract_ids):
        found.update({debtor.contract_id: debtor for debtor in await _debtors(session, Contract.id.in_(chunk))})
    return found


async def _debtors(session: AsyncSession, wanted: ColumnElement[bool]) -> list[Debtor]:
    contracts = (await session.execute(select(Contract.id, Contract.number).where(wanted))).all()
    rows = await session.execute(
        select(Invoice.contract_id, Invoice.id, Invoice.number, Invoice.due_on, Invoice.open)
        .join(Contract, Contract.id == Invoice.contract_id)
        .where(wanted, Invoice.open > ZERO)
    )
    invoices: dict[int, list[OpenInvoice]] = defaultdict(list)
    for contract_id, invoice_id, number, due_on, amount in rows:
        invoices[contract_id].append(OpenInvoice(invoice_id, number, due_on, amount))
    return [Debtor(contract_id, number, tuple(invoices[contract_id])) for contract_id, number in contracts]


async def credits_of(session: AsyncSession, contract_ids: Collection[int]) -> dict[int, list[Credit]]:
    """The unused money of each contract, of payments and of credit notes, the oldest first."""
    found: dict[int, list[Credit]] = defaultdict(list)
    for chunk in chunks(contract_ids):
        for credit in [*await _unused_payments(session, chunk), *await _unused_credit_notes(session, chunk)]:
            found[credit.contract_id].append(credit)
    for credits_of_contract in found.values():
        credits_of_contract.sort(key=lambda credit: (credit.since_on, credit.source.kind, credit.source.id))
    return found


async def _unused_payments(session: AsyncSession, contract_ids: Sequence[int]) -> list[Credit]:
    times_used = select(func.count()).where(Allocation.payment_id == Payment.id).scalar_subquery()
    rows = await session.execute(
        select(Payment.id, Payment.contract_id, Payment.unallocated, Payment.booked_on, times_used).where(
            Payment.contract_id.in_(contract_ids), Payment.state == "matched", Payment.unallocated > ZERO
        )
    )
    return [Credit(Source("payment", row[0]), *row[1:]) for row in rows]


async def _unused_credit_notes(session: AsyncSession, contract_ids: Sequence[int]) -> list[Credit]:
    times_used = select(func.count()).where(Allocation.credit_note_id == Invoice.id).scalar_subquery()
    rows = await session.execute(
        select(Invoice.id, Invoice.contract_id, Invoice.credit, Invoice.issued_on, times_used).where(
            Invoice.contract_id.in_(contract_ids), Invoice.kind == "credit_note", Invoice.credit > ZERO
        )
    )
    return [Credit(Source("credit_note", row[0]), *row[1:]) for row in rows]


async def write_shares(session: AsyncSession, paid: Iterable[Paid], now: datetime) -> None:
    """Writes who paid what, and lowers what is open of the invoices."""
    allocations: list[dict[str, Any]] = []
    of_invoices: dict[int, Money] = defaultdict(Money)
    for each in paid:
        share = each.share
        source_id = {"payment_id": None, "credit_note_id": None, f"{each.source.kind}_id": each.source.id}
        allocations.append({**source_id, "invoice_id": share.invoice_id, "amount": share.amount, "at": now})
        of_invoices[share.invoice_id] += share.amount
    if allocations:
        await execute_many(session, insert(_ALLOCATION), allocations)
        await _lower_open(session, of_invoices)


async def reverse_shares(session: AsyncSession, payment_id: int, now: datetime) -> dict[str, Money]:
    """Opens again what a payment paid; says how much of which invoice."""
    live = (Allocation.payment_id == payment_id) & Allocation.reversed_at.is_(None)
    rows = await session.execute(
        select(Invoice.id, Invoice.number, func.sum(Allocation.amount))
        .join(Invoice, Invoice.id == Allocation.invoice_id)
        .where(live)
        .group_by(Invoice.id, Invoice.number)
    )
    paid = {invoice_id: (number, amount) for invoice_id, number, amount in rows}
    if paid:
        await session.execute(update(_ALLOCATION).where(live).values(reversed_at=now))
        await _lower_open(session, {invoice_id: -amount for invoice_id, (_, amount) in paid.items()})
    return dict(paid.values())


async def _lower_open(session: AsyncSession, amounts: Mapping[int, Money]) -> None:
    """Lowers what is open of invoices, in order, so that two who do it never wait for each other."""
    lowered = _INVOICE.c.open - bindparam("of_amount", type_=_INVOICE.c.open.type)
    await execute_many(
        session,
        update(_INVOICE).where(_INVOICE.c.id == bindparam("of_id")).values(open=lowered),
        [{"of_id": invoice_id, "of_amount": amounts[invoice_id]} for invoice_id in sorted(amounts)],
    )


async def use_up(session: AsyncSession, used: Iterable[tuple[Source, Money]]) -> None:
    """Lowers what is unused of payments and credit notes."""
    rows: dict[str, list[dict[str, Any]]] = {"payment": [], "credit_note": []}
    for source, amount in used:
        rows[source.kind].append({"of_id": source.id, "of_amount": amount})
    for column, of_kind in ((_PAYMENT.c.unallocated, rows["payment"]), (_INVOICE.c.credit, rows["credit_note"])):
        if of_kind:
            lowered = column - bindparam("of_amount", type_=column.type)
            lowering = update(column.table).where(column.table.c.id == bindparam("of_id")).values({column: lowered})
            await execute_many(session, lowering, of_kind)
