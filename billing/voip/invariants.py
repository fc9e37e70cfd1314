"""What must always hold between credit, holds, calls, top-ups and the ledger; `hradlo audit verify` asks it.

A balance and what is reserved are kept as columns because every call asks for them. Each is the sum of rows that never
change, and is compared with them here, by the database; of each rule the first number that breaks it is named.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, func, literal, select, type_coerce, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract
from billing.invoicing.tables import Invoice
from billing.payments import ledger
from billing.payments.tables import Posting
from billing.voip.credit import PER_MINOR, Credit
from billing.voip.tables import VoipCall, VoipCorrection, VoipHold, VoipMonth, VoipNumber, VoipTopUp
from config.errors import Problem

Sums = Select[Any, Any]
"""Keys and amounts in ten-thousandths; a key may come more than once."""


@dataclass(frozen=True, slots=True)
class _Equality:
    """Two sides that have the same sum under each key."""

    what: str
    kept: tuple[Sums, ...]
    counted: tuple[Sums, ...]


async def verify(session: AsyncSession) -> list[Problem]:
    """Of each invariant, the first key that breaks it; empty when the credit is right."""
    found = [await _unequal(session, each) for each in _equalities()]
    return [problem for problem in found if problem]


def _equalities() -> Iterator[_Equality]:
    by_number = VoipNumber.number
    yield _Equality(
        "credit",
        (select(by_number, _e4(VoipNumber.balance)),),
        (
            select(by_number, _e4(VoipTopUp.amount) * PER_MINOR).join(VoipTopUp, VoipTopUp.number_id == VoipNumber.id),
            select(by_number, _e4(VoipCorrection.amount)).join(VoipCorrection),
            select(by_number, -_e4(VoipCall.charged)).join(VoipCall, VoipCall.number_id == VoipNumber.id),
        ),
    )
    holds = select(by_number, _e4(VoipHold.amount)).join(VoipHold).where(VoipHold.state == "open")
    yield _Equality("reserved credit", (select(by_number, _e4(VoipNumber.reserved)),), (holds,))
    months = select(_month(), _e4(VoipMonth.topped_up) * PER_MINOR).join(VoipMonth)
    counted = select(by_number + literal(" in ") + VoipTopUp.month, _e4(VoipTopUp.amount) * PER_MINOR).join(
        VoipTopUp, VoipTopUp.number_id == VoipNumber.id
    )
    yield _Equality("topped up", (months,), (counted,))
    invoiced = select(by_number + literal(", invoice ") + Invoice.number, _e4(Invoice.total) * PER_MINOR)
    bought = select(by_number + literal(", invoice ") + Invoice.number, _e4(VoipTopUp.amount) * PER_MINOR)
    same_contract = (Invoice.id == VoipTopUp.invoice_id) & (Invoice.contract_id == VoipNumber.contract_id)
    yield _Equality(
        "invoiced credit",
        (invoiced.join(VoipTopUp, VoipTopUp.number_id == VoipNumber.id).join(Invoice, same_contract),),
        (
            bought.join(VoipTopUp, VoipTopUp.number_id == VoipNumber.id).join(
                Invoice, Invoice.id == VoipTopUp.invoice_id
            ),
        ),
    )
    yield from _ledger()


def _ledger() -> Iterator[_Equality]:
    """The ledger has each number's balance, rounded up to whole minor units."""
    contract = literal("contract ") + Contract.number
    rounded = (_e4(VoipNumber.balance) + (PER_MINOR - 1)) / literal(PER_MINOR, BigInteger)
    owed = select(contract, _whole(rounded)).join(VoipNumber, VoipNumber.contract_id == Contract.id)
    books = select(contract, -_e4(Posting.amount) * PER_MINOR).join(Posting, Posting.contract_id == Contract.id)
    yield _Equality("calls left, in the ledger,", (books.where(Posting.account == ledger.VOIP),), (owed,))
    both = [
        select(literal("all numbers"), sign * _e4(Posting.amount) * PER_MINOR).where(Posting.account == account)
        for account, sign in ((ledger.VOIP, -1), (ledger.VOIP_PREPAID, 1))
    ]
    yield _Equality("calls left, in the ledger,", (both[0],), (both[1],))


def _month() -> ColumnElement[str]:
    return VoipNumber.number + literal(" in ") + VoipMonth.month


def _e4(column: Any) -> ColumnElement[int]:
    """A column of credit or money as the integer that is stored."""
    return type_coerce(column, BigInteger)


def _whole(rounded: Any) -> ColumnElement[int]:
    return type_coerce(func.floor(rounded), BigInteger) * PER_MINOR


async def _unequal(session: AsyncSession, rule: _Equality) -> Problem | None:
    """The first key under which the two sides differ."""
    rows = union_all(
        *(_side(each, is_kept=True) for each in rule.kept), *(_side(each, is_kept=False) for each in rule.counted)
    ).subquery()
    kept, counted = func.sum(rows.c.kept), func.sum(rows.c.counted)
    query = select(rows.c.key, kept, counted).group_by(rows.c.key).having(kept != counted).order_by(rows.c.key)
    row = (await session.execute(query.limit(1))).first()
    if row is None:
        return None
    key, left, right = row
    return Problem(str(key), f"{rule.what} is {Credit(int(left))} where {Credit(int(right))} is accounted for")


def _side(sums: Sums, *, is_kept: bool) -> Select[Any, Any, Any]:
    """Key, amount that is kept, amount that is counted up; one of the two is nothing."""
    key, amount = sums.subquery().c
    nothing = literal(0, BigInteger)
    kept, counted = (amount, nothing) if is_kept else (nothing, amount)
    return select(key.label("key"), kept.label("kept"), counted.label("counted"))
