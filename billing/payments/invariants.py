"""What must always hold between the ledger, documents, payments and allocations; `hradlo audit verify` asks it.

Open amounts, unallocated money and credit are kept as columns because they are asked all the time. Each of them is
the sum of rows that never change, so it can be rebuilt; here it is compared. Of each rule the first row that breaks
it is named. Everything is summed by the database: a hundred thousand invoices need no memory here.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, String, cast, func, literal, select, type_coerce, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract
from billing.invoicing.tables import Invoice, InvoiceLine, InvoiceVat, NumberSeries, Party
from billing.money import ZERO, Money
from billing.payments import ledger
from billing.payments.tables import Allocation, LedgerTransaction, Payment, PaymentReturn, Posting
from billing.store.schema import Amount
from config.errors import Problem

_OF_CONTRACTS = (ledger.RECEIVABLE, ledger.CREDIT, ledger.VOIP)
_OF_NOBODY = (ledger.SUSPENSE, ledger.OTHER, ledger.REVENUE, ledger.VAT, ledger.VOIP_PREPAID)
_INVOICE_KEY = "invoice:"
_ROWS_AT_ONCE = 1000
_ISSUED = Invoice.series_id.is_not(None)
"""By Hradlo; other documents have neither lines nor VAT here."""

Sums = Select[Any, Any]
"""Keys and amounts; a key may come more than once."""


@dataclass(frozen=True, slots=True)
class _Equality:
    """Two sides that have the same sum under each key."""

    place: str
    what: str
    books: tuple[Sums, ...]
    facts: tuple[Sums, ...]


async def verify(session: AsyncSession) -> list[Problem]:
    """Of each invariant, the first row that breaks it; empty when the books are right."""
    found = [
        await _unsound_transaction(session),
        await _orphaned_posting(session),
        await _unbalanced_whole(session),
        await _strange_posting(session),
        *[await _unequal(session, each) for each in _equalities(session.get_bind().dialect.name)],
        await _payment_without_fact(session),
        await _misdated_invoice(session),
        await _changed_party(session),
        await _foreign_allocation(session),
        await _gap_in_series(session),
        await _period_invoiced_twice(session),
    ]
    return [problem for problem in found if problem]


def _equalities(dialect: str) -> Iterator[_Equality]:
    yield from _accounts()
    yield from _paid(dialect)
    yield from _documents()


def _accounts() -> Iterator[_Equality]:
    """Each account of the ledger holds what documents and payments say."""
    yield _Equality(
        "contract", "receivable", (_postings(ledger.RECEIVABLE),), (select(Invoice.contract_id, Invoice.open),)
    )
    unused = (
        select(Payment.contract_id, _minus(Payment.unallocated)).where(Payment.state == "matched"),
        select(Invoice.contract_id, _minus(Invoice.credit)).where(Invoice.kind == "credit_note"),
    )
    yield _Equality("contract", "credit", (_postings(ledger.CREDIT),), unused)
    for account, state in ((ledger.SUSPENSE, "waiting"), (ledger.OTHER, "ignored")):
        of_state = select(literal(""), _minus(Payment.unallocated)).where(Payment.state == state)
        yield _Equality("ledger", account, (_whole(account),), (of_state,))
    bank = select(func.substr(Posting.account, len(ledger.BANK) + 1), Posting.amount)
    kept = select(Payment.account, Payment.amount).where(Payment.state != "returned")
    yield _Equality(
        "account",
        "bank",
        (bank.where(Posting.account.startswith(ledger.BANK)),),
        (kept.where(Payment.account != ledger.OPENING),),
    )
    brought = _whole(ledger.OPENING).join(LedgerTransaction).where(LedgerTransaction.key.startswith("payment:"))
    opening = select(literal(""), Payment.amount).where(Payment.state != "returned", Payment.account == ledger.OPENING)
    yield _Equality("ledger", "credit brought along", (brought,), (opening,))
    earned = (_whole(ledger.REVENUE), _whole(ledger.VAT))
    yield _Equality("ledger", "revenue with VAT", earned, (select(literal(""), _minus(Invoice.total)),))


def _paid(dialect: str) -> Iterator[_Equality]:
    """What is not open any more was paid, and what was paid was received."""
    is_live = Allocation.reversed_at.is_(None)
    closed = select(Invoice.number, type_coerce(Invoice.total - Invoice.open, Amount)).where(Invoice.kind == "invoice")
    paid = select(Invoice.number, Allocation.amount).join(Allocation, Allocation.invoice_id == Invoice.id)
    before = select(_invoice_number(dialect), Posting.amount).join(LedgerTransaction)
    before = before.where(Posting.account == ledger.OPENING, LedgerTransaction.key.startswith(_INVOICE_KEY))
    yield _Equality("invoice", "total less open", (closed,), (paid.where(is_live), before))
    notes = select(Invoice.number, type_coerce(-Invoice.total - Invoice.credit, Amount))
    spent = select(Invoice.number, Allocation.amount).join(Allocation, Allocation.credit_note_id == Invoice.id)
    yield _Equality(
        "credit note",
        "total less credit",
        (notes.where(Invoice.kind == "credit_note"),),
        (spent.where(is_live),),
    )
    used = select(Payment.id, type_coerce(Payment.amount - Payment.unallocated, Amount))
    shares = select(Allocation.payment_id, Allocation.amount).where(Allocation.payment_id.is_not(None), is_live)
    yield _Equality("payment", "amount less unallocated", (used.where(Payment.state != "returned"),), (shares,))
    returned = select(Payment.id, Payment.amount).where(Payment.state == "returned")
    returns = select(PaymentReturn.payment_id, PaymentReturn.amount).where(PaymentReturn.state == "returned")
    yield _Equality("payment", "returned amount", (returned,), (returns,))


def _documents() -> Iterator[_Equality]:
    """Totals of documents are the sums of their VAT groups, and those of their lines."""
    of_lines = select(Invoice.number, InvoiceLine.total).join(InvoiceLine, InvoiceLine.invoice_id == Invoice.id)
    both = type_coerce(Invoice.base + Invoice.vat, Amount)
    yield _Equality("invoice", "total", (_issued(Invoice.total),), (_issued(both),))
    yield _Equality("invoice", "total", (_issued(Invoice.total),), (of_lines.where(_ISSUED),))
    line = select(InvoiceLine.id, InvoiceLine.total)
    parts = select(InvoiceLine.id, type_coerce(InvoiceLine.base + InvoiceLine.vat, Amount))
    yield _Equality("invoice line", "total", (line,), (parts,))
    for what, document, group, of_line in (
        ("base", Invoice.base, InvoiceVat.base, InvoiceLine.base),
        ("VAT", Invoice.vat, InvoiceVat.vat, InvoiceLine.vat),
    ):
        groups = select(Invoice.number, group).join(InvoiceVat, InvoiceVat.invoice_id == Invoice.id)
        yield _Equality("invoice", what, (_issued(document),), (groups.where(_ISSUED),))
        lines = select(_group(InvoiceLine), of_line).join(InvoiceLine, InvoiceLine.invoice_id == Invoice.id)
        of_groups = select(_group(InvoiceVat), group).join(InvoiceVat, InvoiceVat.invoice_id == Invoice.id)
        yield _Equality("invoice", f"{what} of lines", (lines.where(_ISSUED),), (of_groups.where(_ISSUED),))


def _issued(amount: Any) -> Sums:
    return select(Invoice.number, amount).where(_ISSUED)


def _group(table: type[InvoiceLine] | type[InvoiceVat]) -> ColumnElement[str]:
    return Invoice.number + ", VAT " + table.vat_category + " " + cast(table.vat_basis_points, String)


def _postings(account: str) -> Sums:
    return select(Posting.contract_id, Posting.amount).where(Posting.account == account)


def _whole(account: str) -> Sums:
    return select(literal(""), Posting.amount).where(Posting.account == account)


def _minus(amount: Any) -> ColumnElement[Money]:
    return type_coerce(-amount, Amount)


def _invoice_number(dialect: str) -> ColumnElement[str]:
    """The number in the key of an invoice's fact, `invoice:26000001:opened`."""
    key = LedgerTransaction.key
    if dialect == "postgresql":
        return func.split_part(key, ":", 2)
    rest = func.substr(key, len(_INVOICE_KEY) + 1)
    return func.substr(rest, 1, func.instr(rest, ":") - 1)


async def _unequal(session: AsyncSession, rule: _Equality) -> Problem | None:
    """The first key under which the two sides differ."""
    rows = union_all(
        *(_side(each, is_book=True) for each in rule.books), *(_side(each, is_book=False) for each in rule.facts)
    ).subquery()
    book, fact = func.sum(rows.c.book), func.sum(rows.c.fact)
    query = select(rows.c.key, book, fact).group_by(rows.c.key).having(book != fact).order_by(rows.c.key).limit(1)
    row = (await session.execute(query)).first()
    if row is None:
        return None
    key, left, right = row
    if rule.place == "contract":
        key = await session.scalar(select(Contract.number).where(Contract.id == key))
    place = f"{rule.place} {key}" if key != "" else rule.place
    return Problem(place, f"{rule.what} is {left} where {right} is accounted for")


def _side(sums: Sums, *, is_book: bool) -> Select[Any, Any, Any]:
    """Key, amount in the books, amount in the facts; one of the two is nothing."""
    key, amount = sums.subquery().c
    nothing = literal(ZERO, Amount)
    book, fact = (amount, nothing) if is_book else (nothing, amount)
    return select(key.label("key"), book.label("book"), fact.label("fact"))


async def _unsound_transaction(session: AsyncSession) -> Problem | None:
    total = func.sum(Posting.amount)
    row = (
        await session.execute(
            select(LedgerTransaction.key, total)
            .outerjoin(Posting, Posting.transaction_id == LedgerTransaction.id)
            .group_by(LedgerTransaction.id, LedgerTransaction.key, LedgerTransaction.is_sealed)
            .having((total != ZERO) | LedgerTransaction.is_sealed.is_(False))
            .order_by(LedgerTransaction.id)
            .limit(1)
        )
    ).first()
    if row is None:
        return None
    key, amount = row
    return Problem(f"ledger {key}", f"sums to {amount} instead of zero" if amount else "is not sealed")


async def _orphaned_posting(session: AsyncSession) -> Problem | None:
    query = (
        select(Posting.id)
        .outerjoin(LedgerTransaction, LedgerTransaction.id == Posting.transaction_id)
        .where(LedgerTransaction.id.is_(None))
        .order_by(Posting.id)
        .limit(1)
    )
    posting_id = await session.scalar(query)
    return Problem(f"posting {posting_id}", "belongs to no fact") if posting_id is not None else None


async def _unbalanced_whole(session: AsyncSession) -> Problem | None:
    total = await session.scalar(select(func.sum(Posting.amount)))
    return Problem("ledger", f"all postings sum to {total} instead of zero") if total else None


async def _strange_posting(session: AsyncSession) -> Problem | None:
    """Receivable, credit and calls are a contract's, opening may be, others are not, and there are no more accounts."""
    is_whole = Posting.account.in_(_OF_NOBODY) | Posting.account.startswith(ledger.BANK)
    is_right = (
        (Posting.account == ledger.OPENING)
        | (Posting.account.in_(_OF_CONTRACTS) & Posting.contract_id.is_not(None))
        | (is_whole & Posting.contract_id.is_(None))
    )
    query = select(Posting.id, Posting.account).where(~is_right).order_by(Posting.id).limit(1)
    row = (await session.execute(query)).first()
    return Problem(f"posting {row[0]}", f"is on {row[1]}, which is no account of its kind") if row else None


async def _payment_without_fact(session: AsyncSession) -> Problem | None:
    key = literal("payment:") + Payment.account + ":" + Payment.bank_ref
    missing = (
        select(Payment.id)
        .outerjoin(LedgerTransaction, LedgerTransaction.key == key)
        .where(LedgerTransaction.id.is_(None))
        .order_by(Payment.id)
        .limit(1)
    )
    payment_id = await session.scalar(missing)
    return Problem(f"payment {payment_id}", "is not in the ledger") if payment_id is not None else None


async def _misdated_invoice(session: AsyncSession) -> Problem | None:
    """An invoice that Hradlo issued is in the ledger, on its day."""
    key = literal(_INVOICE_KEY) + Invoice.number + literal(":opened")
    query = (
        select(Invoice.number, Invoice.issued_on, LedgerTransaction.effective_on)
        .outerjoin(LedgerTransaction, LedgerTransaction.key == key)
        .where(_ISSUED, Invoice.kind == "invoice")
        .where(LedgerTransaction.id.is_(None) | (LedgerTransaction.effective_on != Invoice.issued_on))
        .order_by(Invoice.id)
        .limit(1)
    )
    row = (await session.execute(query)).first()
    if row is None:
        return None
    number, issued_on, posted_on = row
    return Problem(f"invoice {number}", f"was issued on {issued_on}, but the ledger has it on {posted_on or 'no day'}")


async def _changed_party(session: AsyncSession) -> Problem | None:
    """A seller or buyer of issued documents is what it was on their day: its hash says so."""
    parties = select(Party.id, Party.sha256, Party.content).order_by(Party.id)
    async for party_id, sha256, content in await session.stream(parties.execution_options(yield_per=_ROWS_AT_ONCE)):
        if hashlib.sha256(content.encode()).hexdigest() != sha256:
            return Problem(
                f"party {party_id}", "does not match its hash: somebody changed a seller or buyer of documents"
            )
    return None


async def _foreign_allocation(session: AsyncSession) -> Problem | None:
    """Money of one contract pays its own invoices only."""
    note = Invoice.__table__.alias("note")
    query = (
        select(Allocation.id, Invoice.number)
        .join(Invoice, Invoice.id == Allocation.invoice_id)
        .outerjoin(Payment, Payment.id == Allocation.payment_id)
        .outerjoin(note, note.c.id == Allocation.credit_note_id)
        .where(Allocation.reversed_at.is_(None))
        .where(func.coalesce(Payment.contract_id, note.c.contract_id, 0) != Invoice.contract_id)
        .order_by(Allocation.id)
        .limit(1)
    )
    row = (await session.execute(query)).first()
    return Problem(f"allocation {row[0]}", f"pays invoice {row[1]} with money of another contract") if row else None


async def _gap_in_series(session: AsyncSession) -> Problem | None:
    """The numbers of each series are 1 to n, n being the last one that was given out."""
    for series in await session.scalars(select(NumberSeries).order_by(NumberSeries.id)):
        number = Invoice.number
        numbers = select(func.count(), func.min(number), func.max(number), func.max(func.length(number)))
        count, first, last, length = (await session.execute(numbers.where(Invoice.series_id == series.id))).one()
        given_out = series.next - 1
        expected = (given_out, _number(series, 1), _number(series, given_out), len(series.prefix) + series.digits)
        if (given_out and (count, first, last, length) != expected) or count != given_out:
            return await _first_gap(session, series)
    return None


async def _first_gap(session: AsyncSession, series: NumberSeries) -> Problem:
    rows = select(Invoice.number).where(Invoice.series_id == series.id)
    there = set(await session.scalars(rows))
    place = f"series {series.kind} {series.year}"
    for place_in_series in range(1, series.next):
        number = _number(series, place_in_series)
        if number not in there:
            return Problem(place, f"number {number} is missing")
        there.remove(number)
    return Problem(place, f"number {min(there)} was never given out")


def _number(series: NumberSeries, place: int) -> str:
    return f"{series.prefix}{place:0{series.digits}}"


async def _period_invoiced_twice(session: AsyncSession) -> Problem | None:
    """No day of a service is on two lines that count."""
    before = func.max(InvoiceLine.until_on).over(
        partition_by=InvoiceLine.service_id,
        order_by=(InvoiceLine.from_on, InvoiceLine.id),
        rows=(None, -1),
    )
    lines = (
        select(Invoice.number, InvoiceLine.service_id, InvoiceLine.from_on, before.label("before"))
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(InvoiceLine.service_id.is_not(None), InvoiceLine.released_at.is_(None))
        .subquery()
    )
    query = (
        select(lines).where(lines.c.before >= lines.c.from_on).order_by(lines.c.service_id, lines.c.from_on).limit(1)
    )
    row = (await session.execute(query)).first()
    if row is None:
        return None
    return Problem(
        f"invoice {row.number}",
        f"service {row.service_id} is invoiced from {row.from_on}, but another invoice has it until {row.before}",
    )
