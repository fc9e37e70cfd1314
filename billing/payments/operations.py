"""Payments in use: credit that waits for an invoice, payments that wait for a person.

Each function takes part in the caller's transaction: what it writes (payment, shares, open amounts, ledger and
journal) appears together or not at all. The import of statements is in `importing.py`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract
from billing.invoicing.tables import Invoice
from billing.money import Money
from billing.payments import ledger, open_items, rules
from billing.payments.importing import ImportReport, import_statements
from billing.payments.ledger import MoneyFact, Side
from billing.payments.open_items import Credit, Paid, Source
from billing.payments.rules import Debtor, Match, Share
from billing.payments.tables import Payment
from billing.store import journal
from config.errors import NotAllowed, NotFound

__all__ = [
    "ImportReport",
    "WaitingPayment",
    "apply_credit_note",
    "assign",
    "import_statements",
    "unmatched",
    "use_credit",
]


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


async def use_credit(session: AsyncSession, contract_ids: Collection[int], now: datetime) -> set[int]:
    """Pays open invoices from what was paid or credited too much, and says whose; call it after new invoices."""
    await journal.lock(session)
    credit = await open_items.credits_of(session, contract_ids)
    debtors = await open_items.debtors_by_id(session, list(credit))
    spent: list[tuple[Credit, tuple[Share, ...]]] = []
    for contract_id, of_contract in credit.items():
        unused = [(each, each.unused) for each in of_contract]
        spent += rules.use_credit(unused, debtors[contract_id])
    if spent:
        await _write_spent(session, spent, now)
    return {each.contract_id for each, _ in spent}


async def _write_spent(session: AsyncSession, spent: list[tuple[Credit, tuple[Share, ...]]], now: datetime) -> None:
    await open_items.write_shares(session, (Paid(c.source, share) for c, shares in spent for share in shares), now)
    await open_items.use_up(session, [(credit.source, _sum(shares)) for credit, shares in spent])
    facts = [_credit_used(credit, _sum(shares), now) for credit, shares in spent]
    await ledger.post_many(session, facts, now)
    entries = [
        journal.Entry(
            now,
            "engine",
            "credit.used",
            credit.contract_id,
            {f"{credit.source.kind}_id": credit.source.id, "paid": _paid(shares)},
            f"credit of an earlier {credit.source.kind.replace('_', ' ')}; the oldest invoice is paid first",
        )
        for credit, shares in spent
    ]
    await journal.append_many(session, entries)


def _credit_used(credit: Credit, amount: Money, now: datetime) -> MoneyFact:
    sides = (
        Side(ledger.CREDIT, amount, credit.contract_id),
        Side(ledger.RECEIVABLE, -amount, credit.contract_id),
    )
    name = "credit" if credit.source.kind == "payment" else credit.source.kind
    return MoneyFact(f"{name}:{credit.source.id}:{credit.times_used}", "credit", now.date(), sides)


async def apply_credit_note(session: AsyncSession, credit_note_id: int, now: datetime) -> None:
    """Gives back what a credit note gives: lowers what is open of the invoice that it corrects, the rest is credit.

    The credit note (its row, lines and VAT) is written; all that is money is done here: open amounts, `credit`, the
    ledger, the journal. Credit that is left pays the contract's other open invoices at once. Twice changes nothing.
    """
    await journal.lock(session)
    note = await session.get(Invoice, credit_note_id, populate_existing=True)
    if note is None or note.kind != "credit_note":
        raise NotFound(f"There is no credit note with id {credit_note_id}.")
    shares = await _correction(session, note)
    fact = ledger.credit_note_issued(
        number=note.number,
        contract_id=note.contract_id,
        issued_on=note.issued_on,
        total=note.total,
        vat=note.vat,
        applied=_sum(shares),
    )
    if await ledger.is_known(session, fact.key) or not note.total:
        return
    await ledger.post_many(session, [fact], now)
    await open_items.write_shares(session, (Paid(Source("credit_note", note.id), share) for share in shares), now)
    credit = -note.total - _sum(shares)
    await session.execute(update(Invoice).where(Invoice.id == note.id).values(credit=credit))
    await journal.append(
        session,
        at=now,
        actor="engine",
        action="credit_note.applied",
        contract_id=note.contract_id,
        detail={"credit_note": note.number, "paid": _paid(shares), "credit": credit},
        why=note.why,
    )
    await use_credit(session, [note.contract_id], now)


async def _correction(session: AsyncSession, note: Invoice) -> tuple[Share, ...]:
    """What a credit note takes off the invoice that it corrects."""
    row = select(Invoice.id, Invoice.number, Invoice.due_on, Invoice.open).where(Invoice.id == note.corrects_id)
    corrected = [rules.OpenInvoice(*columns) for columns in await session.execute(row)]
    return rules.pay(-note.total, rules.Debtor(note.contract_id, "", tuple(corrected)), "", "").shares


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
    payment = await _waiting(session, payment_id)
    debtor = await _debtor(session, invoice_number, contract_number)
    chosen = f"invoice {invoice_number}" if invoice_number else f"contract {contract_number}"
    found = rules.pay(payment.amount, debtor, invoice_number.lstrip("0"), f"assigned to {chosen} by {actor}")
    await open_items.write_shares(session, open_items.of_payment(payment_id, found.shares), now)
    await session.execute(
        update(Payment)
        .where(Payment.id == payment_id)
        .values(state="matched", contract_id=debtor.contract_id, unallocated=found.rest, why=found.why)
    )
    await ledger.post(
        session,
        key=f"assigned:{payment_id}",
        kind="assignment",
        effective_on=payment.booked_on,
        now=now,
        postings=[
            Side(ledger.SUSPENSE, payment.amount),
            Side(ledger.RECEIVABLE, -_sum(found.shares), debtor.contract_id),
            Side(ledger.CREDIT, -found.rest, debtor.contract_id),
        ],
    )
    await journal.append(
        session,
        at=now,
        actor=actor,
        action="payment.assigned",
        contract_id=debtor.contract_id,
        detail={
            "payment_id": payment_id,
            "amount": payment.amount,
            "paid": _paid(found.shares),
            "credit": found.rest,
        },
        why=found.why,
    )
    return found


async def _waiting(session: AsyncSession, payment_id: int) -> WaitingPayment:
    for payment in await unmatched(session):
        if payment.id == payment_id:
            return payment
    state = await session.scalar(select(Payment.state).where(Payment.id == payment_id))
    remedy = "`hradlo payments unmatched` lists the payments that wait."
    if state is None:
        raise NotFound(f"There is no payment {payment_id}.", remedy)
    raise NotAllowed(f"Payment {payment_id} is {state}, it does not wait to be assigned.", remedy)


async def _debtor(session: AsyncSession, invoice_number: str, contract_number: str) -> Debtor:
    if bool(invoice_number) == bool(contract_number):
        raise ValueError("name an invoice or a contract")
    if invoice_number:
        wanted = select(Invoice.contract_id).where(Invoice.number == invoice_number.lstrip("0"))
    else:
        wanted = select(Contract.id).where(Contract.number == contract_number.lstrip("0"))
    contract_id = await session.scalar(wanted)
    if contract_id is None:
        what = f"invoice {invoice_number}" if invoice_number else f"contract {contract_number}"
        raise NotFound(f"There is no {what}.", "`hradlo show CONTRACT` lists a contract's invoices.")
    return (await open_items.debtors_by_id(session, [contract_id]))[contract_id]


def _sum(shares: tuple[Share, ...]) -> Money:
    return Money.total(share.amount for share in shares)


def _paid(shares: tuple[Share, ...]) -> dict[str, Money]:
    return {share.invoice_number: share.amount for share in shares}
