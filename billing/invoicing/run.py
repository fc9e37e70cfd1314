"""The billing run: everything that is due until a day becomes invoices, one for each contract.

Contracts are done in batches, each in one transaction: what was invoiced (`billed_until_on`, `Sale.line_id`), the
documents, their postings, their mails and the use of credit appear together. So a run that is killed is finished by
the next one, a run that is repeated finds nothing to do, and two runs at once take turns at the journal's lock; the
index on a service's periods refuses what all of this missed.

    async for batch in bill(store, settings, until_on=…, now=…, actor=…): show(batch)

Memory stays flat: a batch is forgotten before the next one is read.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoicing import numbering, vat
from billing.invoicing.drafting import InvoiceDraft, Item, draft
from billing.invoicing.due import Due, due_of
from billing.invoicing.issuing import issue
from billing.invoicing.tables import Sale
from billing.invoicing.vat import Rate
from billing.money import ZERO, Money
from billing.payments.operations import use_credit
from billing.services.tables import Service
from billing.store import journal
from billing.store.bulk import execute_many
from billing.store.engine import Store
from config.counting import counted
from config.days import day_of
from config.errors import NotAllowed
from config.settings import Settings

CONTRACTS_PER_BATCH = 1000
FAR_DAYS = 100
"""Periods that begin further from today than this are seldom meant: a year mistyped, or another program's invoices."""

Announce = Callable[[AsyncSession, Sequence[int]], Awaitable[None]]
"""Writes the mails of issued invoices (ids), in their transaction."""


@dataclass
class Totals:
    """What a run, or a batch of it, did or would do."""

    contracts: int = 0
    """Looked at."""
    invoices: int = 0
    total: Money = ZERO
    by_product: Counter[str] = field(default_factory=Counter)
    """Lines."""
    by_rate: dict[Rate, Money] = field(default_factory=dict)
    """With VAT."""
    from_on: date | None = None
    """The first invoiced day …"""
    until_on: date | None = None
    """… and the last one."""

    def add(self, other: "Totals") -> None:
        self.contracts += other.contracts
        self.invoices += other.invoices
        self.total += other.total
        self.by_product += other.by_product
        for rate, amount in other.by_rate.items():
            self.by_rate[rate] = self.by_rate.get(rate, ZERO) + amount
        self._stretch(other.from_on, other.until_on)

    def add_draft(self, made: InvoiceDraft) -> None:
        self.invoices += 1
        self.total += made.total
        self.by_product.update(line.item.text for line in made.lines)
        for rate, group in made.groups.items():
            self.by_rate[rate] = self.by_rate.get(rate, ZERO) + group.base + group.vat
        for line in made.lines:
            self._stretch(line.item.from_on, line.item.until_on)

    def _stretch(self, from_on: date | None, until_on: date | None) -> None:
        if from_on is not None and until_on is not None:
            self.from_on = min(from_on, self.from_on or from_on)
            self.until_on = max(until_on, self.until_on or until_on)


async def due_contracts(session: AsyncSession, until_on: date) -> list[int]:
    """Contracts that may have something due, by id: whose services begin a period until then, or who bought."""
    services = select(Service.contract_id).where(_is_due(until_on))
    sales = select(Sale.contract_id).where(Sale.line_id.is_(None), Sale.supplied_on <= until_on)
    found = set(await session.scalars(services)) | set(await session.scalars(sales))
    return sorted(found)


def _is_due(until_on: date) -> ColumnElement[bool]:
    """Services of which a period begins until then."""
    billed = or_(Service.billed_until_on.is_(None), Service.billed_until_on < until_on)
    goes_on = or_(
        Service.ends_on.is_(None), Service.billed_until_on.is_(None), Service.billed_until_on < Service.ends_on
    )
    return and_(Service.starts_on <= until_on, billed, goes_on)


async def require_near(session: AsyncSession, until_on: date, today: date) -> None:
    """Raises `NotAllowed` when the run would reach more than `FAR_DAYS` into the future, or into the past."""
    latest, earliest = today + timedelta(days=FAR_DAYS), today - timedelta(days=FAR_DAYS)
    if until_on > latest:
        message = f"{until_on} is more than {FAR_DAYS} days ahead: that would invoice several periods at once."
        raise NotAllowed(message, "If you mean it, add --far.")
    begins_on = func.coalesce(Service.billed_until_on, Service.starts_on)
    query = select(func.count(), func.min(begins_on)).where(_is_due(until_on), begins_on < earliest)
    count, oldest_on = (await session.execute(query)).one()
    if count:
        raise NotAllowed(
            f"{counted(count, 'service')} would be invoiced for days more than {FAR_DAYS} days ago, the oldest since "
            f"{oldest_on}.",
            "If another program has invoiced them, say until when: column billed_until_on of services.csv, or "
            "`hradlo service billed`. If you mean it, add --far.",
        )


async def bill(
    store: Store,
    settings: Settings,
    *,
    until_on: date,
    now: datetime,
    actor: str,
    dry_run: bool = False,
    announce: Announce | None = None,
) -> AsyncIterator[tuple[Totals, int]]:
    """Runs, and yields after each batch its totals and the number of contracts that are due in all.

    `dry_run` decides the same and writes nothing.
    """
    today = day_of(now, settings.zone)
    async with store.reading() as session:
        contract_ids = await due_contracts(session, until_on)
    for start in range(0, len(contract_ids), CONTRACTS_PER_BATCH):
        batch = contract_ids[start : start + CONTRACTS_PER_BATCH]
        if dry_run:
            async with store.reading() as session:
                await numbering.require_free(session, settings.invoicing, "invoice", today.year)
                drafts = _drafts(await due_of(session, batch, until_on), settings, today)
        else:
            async with store.transaction() as session:
                drafts = await _bill_batch(session, batch, settings, until_on, now, actor, announce)
        yield _totals(batch, drafts), len(contract_ids)


async def _bill_batch(
    session: AsyncSession,
    batch: Sequence[int],
    settings: Settings,
    until_on: date,
    now: datetime,
    actor: str,
    announce: Announce | None,
) -> list[InvoiceDraft]:
    await journal.lock(session)  # what is due is read under it: another run may have been here just now
    due = await due_of(session, batch, until_on)
    today = day_of(now, settings.zone)
    drafts = _drafts(due, settings, today)
    issued = await issue(session, drafts, settings, issued_on=today, actor=actor, now=now)
    await _advance(session, due)
    await use_credit(session, {one.draft.contract_id for one in issued}, today, now)
    if announce is not None and issued:
        await announce(session, [one.id for one in issued])
    return drafts


def _drafts(due: Sequence[Due], settings: Settings, today: date) -> list[InvoiceDraft]:
    rate_of = vat.rates_on(today, settings)
    items_of: dict[int, list[Item]] = defaultdict(list)
    for one in due:
        items_of[one.contract_id] += one.items
    made = (draft(contract_id, items, rate_of) for contract_id, items in sorted(items_of.items()))
    return [each for each in made if each is not None]


async def _advance(session: AsyncSession, due: Sequence[Due]) -> None:
    """Each service remembers until when it is invoiced; a period that cost nothing counts, too."""
    rows = [
        {"of_id": service_id, "until": until_on} for one in due for service_id, until_on in one.billed_until.items()
    ]
    if rows:
        table = Service.__table__
        moving = update(table).where(table.c.id == bindparam("of_id")).values(billed_until_on=bindparam("until"))  # type: ignore[arg-type]
        await execute_many(session, moving, rows)


def _totals(batch: Sequence[int], drafts: Sequence[InvoiceDraft]) -> Totals:
    totals = Totals(contracts=len(batch))
    for each in drafts:
        totals.add_draft(each)
    return totals
