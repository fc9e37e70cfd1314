"""The double-entry ledger: every money fact is posted once, balanced, and never changed again.

    account            meaning                                     grows with
    receivable         what a contract owes (Σ its open invoices)  an invoice (debit)
    credit             what a contract paid too much               an overpayment (credit)
    bank:ACCOUNT       what arrived on a bank account              a payment (debit)
    suspense           payments of which nobody knows the owner    a waiting payment (credit)
    other              money that is no subscriber's               an ignored payment (credit)
    opening            what was settled before Hradlo kept books   an imported, partly paid invoice; credit that
                                                                   a contract brought along (debit)
    revenue            what was invoiced, without VAT              an invoice (credit)
    vat                the VAT of it, owed to the state            an invoice (credit)
    voip               prepaid calls that a contract has left      a top-up (credit)
    voip_prepaid       what was invoiced for calls and not called  a top-up (debit)
                       yet: an accountant's deferred revenue

Debits are positive, credits negative, and the sides of a fact sum to zero. The key of a fact makes it
unrepeatable: posting it again changes nothing, posting something else under it is refused. Sealing is the last
step; from then on triggers of the database refuse every change (`store/migrations`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import Table, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.money import ZERO, Money
from billing.payments.tables import LedgerTransaction, Posting
from billing.store.bulk import execute_many
from config.errors import NotAllowed

RECEIVABLE = "receivable"
CREDIT = "credit"
SUSPENSE = "suspense"
OTHER = "other"
OPENING = "opening"
REVENUE = "revenue"
VAT = "vat"
VOIP = "voip"
VOIP_PREPAID = "voip_prepaid"
BANK = "bank:"

KEYS_PER_QUERY = 1000
_UNUSED = {"matched": CREDIT, "waiting": SUSPENSE, "ignored": OTHER}

_TRANSACTION = cast(Table, LedgerTransaction.__table__)
_POSTING = cast(Table, Posting.__table__)


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a money fact: debit positive, credit negative; zero is left out."""

    account: str
    amount: Money
    contract_id: int | None = None


@dataclass(frozen=True, slots=True)
class MoneyFact:
    """What `post` takes, as a value, so that many can be posted at once."""

    key: str
    kind: str
    effective_on: date
    sides: tuple[Side, ...]

    def __post_init__(self) -> None:
        total = sum([side.amount.minor for side in self.sides])
        if total:
            raise ValueError(f"{self.key} does not balance: its sides sum to {Money(total)}")


def money_account(account: str) -> str:
    """Where the money of a payment is, by the payment's account."""
    return OPENING if account == OPENING else BANK + account


def unused_account(state: str) -> str:
    """Where that is which no invoice has used, by the payment's state."""
    return _UNUSED[state]


def invoice_opened(
    *,
    number: str,
    contract_id: int,
    issued_on: date,
    total: Money,
    open: Money,  # noqa: A002 (the domain's word)
    vat: Money = ZERO,
) -> MoneyFact:
    """An invoice enters the books; what was paid of it before comes from `opening`.

    `vat` is zero of an invoice that another program issued: its VAT is in that program's books.
    """
    sides = (
        Side(RECEIVABLE, open, contract_id),
        Side(OPENING, total - open, contract_id),
        Side(REVENUE, vat - total),
        Side(VAT, -vat),
    )
    return MoneyFact(f"invoice:{number}:opened", "invoice", issued_on, sides)


def credit_note_issued(
    *, number: str, contract_id: int, issued_on: date, total: Money, vat: Money, applied: Money
) -> MoneyFact:
    """A credit note (`total` and `vat` are negative): `applied` to what it corrects, the rest is credit."""
    sides = (
        Side(RECEIVABLE, -applied, contract_id),
        Side(CREDIT, total + applied, contract_id),
        Side(REVENUE, vat - total),
        Side(VAT, -vat),
    )
    return MoneyFact(f"credit_note:{number}:issued", "credit_note", issued_on, sides)


async def post(
    session: AsyncSession, *, key: str, kind: str, effective_on: date, now: datetime, postings: Sequence[Side]
) -> bool:
    """Posts one fact; False: it was posted before. Other content under a known key raises `NotAllowed`."""
    return await post_many(session, [MoneyFact(key, kind, effective_on, tuple(postings))], now) == 1


async def post_many(session: AsyncSession, facts: Iterable[MoneyFact], now: datetime) -> int:
    """Posts all facts that are not known yet and says how many those were; see `post`."""
    by_key: dict[str, MoneyFact] = {}
    for fact in facts:
        first = by_key.setdefault(fact.key, fact)
        if first is not fact:
            _require_same(fact, first)
    for known in await _known(session, list(by_key)):
        _require_same(by_key.pop(known.key), known)
    new = [fact for fact in by_key.values() if any(side.amount for side in fact.sides)]
    if new:
        await _write(session, new, now)
    return len(new)


async def _write(session: AsyncSession, facts: Sequence[MoneyFact], now: datetime) -> None:
    last_id = await session.scalar(select(func.max(_TRANSACTION.c.id))) or 0
    await execute_many(
        session,
        insert(_TRANSACTION),
        [
            {"key": f.key, "kind": f.kind, "effective_on": f.effective_on, "created_at": now, "is_sealed": False}
            for f in facts
        ],
    )
    rows = await session.execute(select(_TRANSACTION.c.key, _TRANSACTION.c.id).where(_TRANSACTION.c.id > last_id))
    ids = {row[0]: row[1] for row in rows}
    await execute_many(
        session,
        insert(_POSTING),
        [
            {"transaction_id": ids[f.key], "account": s.account, "contract_id": s.contract_id, "amount": s.amount}
            for f in facts
            for s in f.sides
            if s.amount
        ],
    )
    # Nobody else's: what another transaction has not sealed yet can't be seen.
    unsealed = (_TRANSACTION.c.id > last_id) & _TRANSACTION.c.is_sealed.is_(False)
    await session.execute(update(_TRANSACTION).where(unsealed).values(is_sealed=True))


async def is_known(session: AsyncSession, key: str) -> bool:
    """Whether a fact with that key was posted."""
    return await session.scalar(select(_TRANSACTION.c.id).where(_TRANSACTION.c.key == key)) is not None


async def _known(session: AsyncSession, keys: Sequence[str]) -> list[MoneyFact]:
    """The facts among `keys` that the ledger has already."""
    heads: dict[str, tuple[str, date]] = {}
    sides: dict[str, list[Side]] = {}
    for start in range(0, len(keys), KEYS_PER_QUERY):
        rows = await session.execute(
            select(
                _TRANSACTION.c.key,
                _TRANSACTION.c.kind,
                _TRANSACTION.c.effective_on,
                _POSTING.c.account,
                _POSTING.c.amount,
                _POSTING.c.contract_id,
            )
            .join(_POSTING, _POSTING.c.transaction_id == _TRANSACTION.c.id)
            .where(_TRANSACTION.c.key.in_(keys[start : start + KEYS_PER_QUERY]))
        )
        for key, kind, effective_on, account, amount, contract_id in rows:
            heads[key] = (kind, effective_on)
            sides.setdefault(key, []).append(Side(account, amount, contract_id))
    return [MoneyFact(key, *heads[key], tuple(sides[key])) for key in heads]


def _require_same(fact: MoneyFact, known: MoneyFact) -> None:
    if _content(fact) != _content(known):
        raise NotAllowed(
            f"The ledger has {fact.key} already, with other content: {_words(known)}, not {_words(fact)}.",
            "A posted fact is never changed; correct it with a fact of its own.",
        )


def _content(fact: MoneyFact) -> tuple[Any, ...]:
    sides = sorted((s.account, s.contract_id or 0, s.amount.minor) for s in fact.sides if s.amount)
    return fact.kind, fact.effective_on, sides


def _words(fact: MoneyFact) -> str:
    sides = ", ".join(f"{side.account} {side.amount}" for side in fact.sides if side.amount)
    return f"{fact.kind} of {fact.effective_on} ({sides})"
