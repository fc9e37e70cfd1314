"""What the portal shows of one customer, read in a few queries, however many rows there are.

Every query starts from the customer's id: what belongs to somebody else can't be asked for.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract, Customer
from billing.dunning.facts import Stage
from billing.dunning.lines import strictest_lines
from billing.dunning.notices import NoticeView, views
from billing.dunning.payment_order import PaymentOrder
from billing.dunning.policy import Policy
from billing.dunning.tables import Acknowledgement, Notice, Showing
from billing.invoicing.tables import Invoice
from billing.money import ZERO, Money
from billing.payments.tables import Payment
from billing.services.cover import invoiced_until
from billing.services.tables import Product, Service, ServiceAddress
from billing.store.tables import Mail
from billing.voip.numbers import shown
from billing.voip.tables import VoipNumber
from config.settings import Settings


@dataclass(frozen=True, slots=True)
class ContractBalance:
    """One contract at a glance."""

    number: str
    line: str
    stage: Stage
    owed: Money
    """Open invoices, due or not, less credit."""
    overdue: Money
    due_on: date | None
    """Of the oldest open invoice."""
    suspend_at: datetime | None
    promise_until_on: date | None
    credit: Money
    order: PaymentOrder
    """How to pay what is owed."""


@dataclass(frozen=True, slots=True)
class ServiceView:
    """One service of a contract."""

    id: int
    contract_number: str
    kind: str
    product: str
    starts_on: date
    ends_on: date | None
    invoiced_until_on: date | None
    """Of an insurance, the day until which one is covered."""
    line: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PhoneView:
    """A telephone number of a contract."""

    number: str
    """As people write it."""
    contract_number: str
    is_blocked: bool
    credit: Money


@dataclass(frozen=True, slots=True)
class NoticeRecord:
    """A notice and its acknowledgement."""

    contract_number: str
    opened_at: datetime
    first_shown_at: datetime | None
    acknowledged_at: datetime | None
    source_address: str
    text: str
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class SentMail:
    """A reminder or another mail about a contract."""

    sent_at: datetime
    recipient: str
    subject: str
    text: str


async def customer(session: AsyncSession, customer_id: int) -> Customer:
    return await session.get_one(Customer, customer_id)


async def balances(
    session: AsyncSession, customer_id: int, settings: Settings, policy: Policy, now: datetime
) -> list[ContractBalance]:
    """The customer's contracts, each with what is owed and how to pay it."""
    found = []
    contracts = (
        await session.execute(
            select(Contract.id, Contract.number).where(Contract.customer_id == customer_id).order_by(Contract.number)
        )
    ).all()
    credits_of = await _credits(session, customer_id)
    open_of = await _open_invoices(session, customer_id)
    seen = await views(session, [contract_id for contract_id, _ in contracts], policy, now)
    for contract_id, number in contracts:
        credit = credits_of.get(contract_id, ZERO)
        found.append(_balance(seen[contract_id], number, open_of[contract_id], credit, settings))
    return found


def _balance(
    seen: NoticeView, number: str, open_invoices: Sequence[tuple[str, date, Money]], credit: Money, settings: Settings
) -> ContractBalance:
    owed = Money.total(amount for _, _, amount in open_invoices)
    is_dated = seen.stage is Stage.ACKNOWLEDGED and seen.line != "suspended"
    return ContractBalance(
        number=number,
        line=seen.line,
        stage=seen.stage,
        owed=owed,
        overdue=seen.debt,
        due_on=min((due_on for _, due_on, _ in open_invoices), default=None),
        suspend_at=seen.suspend_at if is_dated else None,
        promise_until_on=seen.promise_until_on,
        credit=credit,
        order=PaymentOrder.of(settings.isp, number, tuple(name for name, _, _ in open_invoices), owed),
    )


async def _open_invoices(session: AsyncSession, customer_id: int) -> dict[int, list[tuple[str, date, Money]]]:
    query = (
        select(Invoice.contract_id, Invoice.number, Invoice.due_on, Invoice.open)
        .join(Contract, Contract.id == Invoice.contract_id)
        .where(Contract.customer_id == customer_id, Invoice.open > ZERO)
        .order_by(Invoice.due_on)
    )
    found: dict[int, list[tuple[str, date, Money]]] = defaultdict(list)
    for contract_id, number, due_on, amount in await session.execute(query):
        found[contract_id].append((number, due_on, amount))
    return found


async def _credits(session: AsyncSession, customer_id: int) -> dict[int, Money]:
    unused = (
        select(Contract.id, func.sum(Payment.unallocated))
        .join(Payment, Payment.contract_id == Contract.id)
        .where(Contract.customer_id == customer_id, Payment.state == "matched")
        .group_by(Contract.id)
    )
    notes = (
        select(Invoice.contract_id, func.sum(Invoice.credit))
        .join(Contract, Contract.id == Invoice.contract_id)
        .where(Contract.customer_id == customer_id)
        .group_by(Invoice.contract_id)
    )
    found: dict[int, Money] = defaultdict(Money)
    for query in (unused, notes):
        for contract_id, amount in await session.execute(query):
            found[contract_id] += amount
    return found


async def services(session: AsyncSession, customer_id: int) -> list[ServiceView]:
    """Every service with its line's state; those that ended last."""
    lines = strictest_lines()
    query = (
        select(Service, Product.kind, Product.name, Contract.number, lines.c.state)
        .join(Product, Product.id == Service.product_id)
        .join(Contract, Contract.id == Service.contract_id)
        .outerjoin(lines, lines.c.contract_id == Contract.id)
        .where(Contract.customer_id == customer_id)
        .order_by(Service.ends_on.is_not(None), Contract.number, Service.starts_on, Service.id)
    )
    rows = (await session.execute(query)).all()
    covered = await invoiced_until(session, [service.id for service, *_ in rows])
    addresses = await _addresses(session, customer_id)
    return [
        ServiceView(
            id=service.id,
            contract_number=number,
            kind=kind,
            product=product,
            starts_on=service.starts_on,
            ends_on=service.ends_on,
            invoiced_until_on=covered.get(service.id),
            line=line or "open",
            addresses=tuple(addresses[service.id]),
        )
        for service, kind, product, number, line in rows
    ]


async def _addresses(session: AsyncSession, customer_id: int) -> dict[int, list[str]]:
    rows = await session.execute(
        select(ServiceAddress.service_id, ServiceAddress.network)
        .join(Service, Service.id == ServiceAddress.service_id)
        .join(Contract, Contract.id == Service.contract_id)
        .where(Contract.customer_id == customer_id)
        .order_by(ServiceAddress.id)
    )
    found: dict[int, list[str]] = defaultdict(list)
    for service_id, network in rows:
        found[service_id].append(network)
    return found


async def phones(session: AsyncSession, customer_id: int, country: str) -> list[PhoneView]:
    """The customer's telephone numbers with their credit; closed ones are not shown."""
    rows = await session.execute(
        select(VoipNumber.number, VoipNumber.state, VoipNumber.balance, Contract.number)
        .join(Contract, Contract.id == VoipNumber.contract_id)
        .where(Contract.customer_id == customer_id, VoipNumber.state != "closed")
        .order_by(VoipNumber.number)
    )
    return [
        PhoneView(shown(number, country), contract_number, state == "blocked", balance.in_money())
        for number, state, balance, contract_number in rows
    ]


async def notices(session: AsyncSession, customer_id: int, limit: int) -> list[NoticeRecord]:
    """The newest notices: when it was shown, and who read it where."""
    first_shown = select(func.min(Showing.at)).where(Showing.notice_id == Notice.id).scalar_subquery()
    rows = await session.execute(
        select(Contract.number, Notice.opened_at, first_shown, Acknowledgement, Notice.closed_at)
        .join(Contract, Contract.id == Notice.contract_id)
        .outerjoin(Acknowledgement, Acknowledgement.notice_id == Notice.id)
        .where(Contract.customer_id == customer_id)
        .order_by(Notice.id.desc())
        .limit(limit)
    )
    return [
        NoticeRecord(
            number,
            opened_at,
            shown_at,
            a.at if a else None,
            a.source_address if a else "",
            a.text if a else "",
            closed_at,
        )
        for number, opened_at, shown_at, a, closed_at in rows
    ]


async def mails(session: AsyncSession, customer_id: int, limit: int) -> list[SentMail]:
    """The newest mails about the customer's contracts that were sent."""
    rows = await session.execute(
        select(Mail.sent_at, Mail.recipient, Mail.subject, Mail.text)
        .join(Contract, Contract.id == Mail.contract_id)
        .where(Contract.customer_id == customer_id, Mail.sent_at.is_not(None))
        .order_by(Mail.id.desc())
        .limit(limit)
    )
    return [SentMail(sent_at, recipient, subject, text) for sent_at, recipient, subject, text in rows if sent_at]
