"""What can be paid, and with what: read in bulk for matching, written in bulk afterwards.

Matching happens in Python between one read and one write, so a statement of a hundred thousand payments is a
few dozen statements of SQL, and the rules stay readable.

Whoever reads here to decide and to write holds `journal.lock` from before the read: money is moved by one
transaction at a time. (Each is journalled anyway, so it is the lock that it would need in the end.)
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from sqlalchemy import ColumnElement, Table, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract
from billing.invoicing.tables import Invoice
from billing.money import ZERO, Money
from billing.payments.rules import Debtor, OpenInvoice, Share
from billing.payments.tables import Allocation, Payment

CHUNK = 1000
"""Values in one IN (…): far below every database's limit of parameters."""

_ALLOCATION = cast(Table, Allocation.__table__)
_INVOICE = cast(Table, Invoice.__table__)
_PAYMENT = cast(Table, Payment.__table__)

_T = TypeVar("_T", int, str)


@dataclass(frozen=True, slots=True)
class Credit:
    """A payment of which something is not used yet."""

    payment_id: int
    contract_id: int
    unallocated: Money
    times_used: int
    """How many shares of it there are: the ordinal of the next one's ledger key."""


@dataclass(frozen=True, slots=True)
class Paid:
    """A share and the payment that it is of."""

    payment_id: int
    share: Share


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
    """The unused money of each contract's payments, the oldest first."""
    times_used = select(func.count()).where(Allocation.payment_id == Payment.id).scalar_subquery()
    found: dict[int, list[Credit]] = defaultdict(list)
    for chunk in chunks(contract_ids):
        rows = await session.execute(
            select(Payment.id, Payment.contract_id, Payment.unallocated, times_used)
            .where(Payment.contract_id.in_(chunk), Payment.state == "matched", Payment.unallocated > ZERO)
            .order_by(Payment.booked_on, Payment.id)
        )
        for payment_id, contract_id, unallocated, times in rows:
            found[contract_id].append(Credit(payment_id, contract_id, unallocated, times))
    return found


async def write_shares(session: AsyncSession, paid: Iterable[Paid], now: datetime) -> None:
    """Writes who paid what, and lowers what is open of the invoices."""
    allocations: list[dict[str, Any]] = []
    of_invoices: dict[int, Money] = defaultdict(Money)
    for each in paid:
        share = each.share
        allocations.append(
            {"payment_id": each.payment_id, "invoice_id": share.invoice_id, "amount": share.amount, "at": now}
        )
        of_invoices[share.invoice_id] += share.amount
    if not allocations:
        return
    await session.execute(insert(_ALLOCATION), allocations)
    await session.execute(
        update(_INVOICE)
        .where(_INVOICE.c.id == bindparam("of_id"))
        .values(open=_INVOICE.c.open - bindparam("of_amount", type_=_INVOICE.c.open.type)),
        [{"of_id": invoice_id, "of_amount": amount} for invoice_id, amount in of_invoices.items()],
    )


async def use_up(session: AsyncSession, used: Iterable[tuple[int, Money]]) -> None:
    """Lowers what is unallocated of payments, (payment id, amount)."""
    rows = [{"of_id": payment_id, "of_amount": amount} for payment_id, amount in used]
    if rows:
        await session.execute(
            update(_PAYMENT)
            .where(_PAYMENT.c.id == bindparam("of_id"))
            .values(unallocated=_PAYMENT.c.unallocated - bindparam("of_amount", type_=_PAYMENT.c.unallocated.type)),
            rows,
        )
