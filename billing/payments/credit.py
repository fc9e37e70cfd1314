"""Money that a contract has left: what was paid or credited too much pays its next invoices, the oldest first."""

from collections.abc import Collection
from datetime import date, datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoicing.tables import Invoice
from billing.money import Money
from billing.payments import ledger, open_items, rules
from billing.payments.ledger import MoneyFact, Side
from billing.payments.open_items import Credit, Paid, Source
from billing.payments.rules import Share
from billing.store import journal
from config.errors import NotFound


async def use_credit(session: AsyncSession, contract_ids: Collection[int], today: date, now: datetime) -> set[int]:
    """Pays open invoices from what was paid or credited too much, and says whose; call it after new invoices."""
    await journal.lock(session)
    credit = await open_items.credits_of(session, contract_ids)
    debtors = await open_items.debtors_by_id(session, list(credit))
    spent: list[tuple[Credit, tuple[Share, ...]]] = []
    for contract_id, of_contract in credit.items():
        unused = [(each, each.unused) for each in of_contract]
        spent += rules.use_credit(unused, debtors[contract_id])
    if spent:
        await _write_spent(session, spent, today, now)
    return {each.contract_id for each, _ in spent}


async def _write_spent(
    session: AsyncSession, spent: list[tuple[Credit, tuple[Share, ...]]], today: date, now: datetime
) -> None:
    await open_items.write_shares(session, (Paid(c.source, share) for c, shares in spent for share in shares), now)
    await open_items.use_up(session, [(credit.source, rules.total(shares)) for credit, shares in spent])
    facts = [_credit_used(credit, rules.total(shares), today) for credit, shares in spent]
    await ledger.post_many(session, facts, now)
    entries = [
        journal.Entry(
            now,
            "engine",
            "credit.used",
            credit.contract_id,
            {f"{credit.source.kind}_id": credit.source.id, "paid": rules.by_invoice(shares)},
            f"credit of an earlier {credit.source.kind.replace('_', ' ')}; the oldest invoice is paid first",
        )
        for credit, shares in spent
    ]
    await journal.append_many(session, entries)


def _credit_used(credit: Credit, amount: Money, today: date) -> MoneyFact:
    used_on = max(today, credit.since_on)  # a bank's day of return may be before other money came
    sides = (
        Side(ledger.CREDIT, amount, credit.contract_id),
        Side(ledger.RECEIVABLE, -amount, credit.contract_id),
    )
    name = "credit" if credit.source.kind == "payment" else credit.source.kind
    return MoneyFact(f"{name}:{credit.source.id}:{credit.times_used}", "credit", used_on, sides)


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
        applied=rules.total(shares),
    )
    if await ledger.is_known(session, fact.key) or not note.total:
        return
    await ledger.post_many(session, [fact], now)
    await open_items.write_shares(session, (Paid(Source("credit_note", note.id), share) for share in shares), now)
    credit = -note.total - rules.total(shares)
    await session.execute(update(Invoice).where(Invoice.id == note.id).values(credit=credit))
    await journal.append(
        session,
        at=now,
        actor="engine",
        action="credit_note.applied",
        contract_id=note.contract_id,
        detail={"credit_note": note.number, "paid": rules.by_invoice(shares), "credit": credit},
        why=note.why,
    )
    await use_credit(session, [note.contract_id], note.issued_on, now)


async def _correction(session: AsyncSession, note: Invoice) -> tuple[Share, ...]:
    """What a credit note takes off the invoice that it corrects."""
    row = select(Invoice.id, Invoice.number, Invoice.due_on, Invoice.open).where(Invoice.id == note.corrects_id)
    corrected = [rules.OpenInvoice(*columns) for columns in await session.execute(row)]
    return rules.pay(-note.total, rules.Debtor(note.contract_id, "", tuple(corrected)), "", "").shares
