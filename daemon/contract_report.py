"""Everything about one contract in one value: for `hradlo show`, and for the demo's page."""

import json
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract, Customer
from billing.dunning.notices import line_of
from billing.dunning.operations import contract_id_of
from billing.dunning.policy import Policy
from billing.dunning.reading import load_facts
from billing.dunning.rules import WORDS, decide_within, is_stricter
from billing.invoicing.tables import Invoice
from billing.money import Money
from billing.payments.open_items import credits_of
from billing.payments.tables import Payment
from billing.services.contracts import services_of
from billing.services.goods import waiting_sales
from billing.services.operations import places_of
from billing.store.tables import JournalEntry, Mail
from billing.voip import operations as voip
from config.days import day_of
from config.setting_types import MAIN_SITE
from config.settings import Settings
from daemon.terminal import console, harmless, table

TIMELINE_ENTRIES_MAX = 200
SERVICE_COLUMNS = ("service", "kind", "product", "from", "to", "price", "months", "invoiced until")
_SALE_COLUMNS = ("sale", "product", "quantity", "price", "serial number", "supplied")
_PAYMENT_COLUMNS = ("payment", "booked", "amount", "unused", "state", "why")


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the timeline."""

    at: str
    actor: str
    what: str
    detail: str


@dataclass(frozen=True, slots=True)
class ContractReport:
    """What there is to know about a contract; instants are local, with their offset."""

    contract: str
    customer: str
    name: str
    email: str
    stage: str
    proposed: str
    """A stricter line that is decided and not recorded: by the next look, or when somebody releases it"""
    why: str
    line: str
    debt: str
    credit: str
    suspend_at: str
    next_look_at: str
    protected: str
    parked: tuple[str, ...]
    addresses: tuple[str, ...]
    services: tuple[dict[str, str], ...]
    sold: tuple[dict[str, str], ...]
    """Goods that wait for their invoice."""
    telephones: tuple[dict[str, str], ...]
    invoices: tuple[dict[str, str], ...]
    payments: tuple[dict[str, str], ...]
    mails: tuple[dict[str, str], ...]
    timeline: tuple[Event, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def print(self) -> None:
        """For a terminal."""
        head = [
            f"Contract {self.contract}  {self.name} (customer {self.customer})  {self.email}",
            f"Stage {self.stage}: {self.why}.  Line {self.line}.  Debt {self.debt}",
            *(f"Credit {amount}" for amount in (self.credit,) if amount),
            *(f"Decided: {words}" for words in (self.proposed,) if words),
            *(f"Suspension: {at}" for at in (self.suspend_at,) if at),
            *(f"Protected: {words}" for words in (self.protected,) if words),
            *(f"Parked: {words}" for words in self.parked),
            f"Addresses: {' '.join(self.addresses) or 'none'}",
        ]
        console().print(harmless("\n".join(head)), markup=False, highlight=False)
        table("Services", SERVICE_COLUMNS, [list(row.values()) for row in self.services])
        if self.sold:
            table("Sold, not invoiced yet", _SALE_COLUMNS, [list(row.values()) for row in self.sold])
        if self.telephones:
            table("Telephone numbers", voip.COLUMNS, [list(row.values()) for row in self.telephones])
        table("Invoices", ("invoice", "issued", "due", "total", "open"), [list(row.values()) for row in self.invoices])
        table("Payments", _PAYMENT_COLUMNS, [list(row.values()) for row in self.payments])
        table("Mails", ("written", "kind", "subject", "sent"), [list(row.values()) for row in self.mails])
        events = [(event.at, event.actor, event.what, event.detail) for event in self.timeline]
        table("Timeline", ("when", "who", "what", "detail"), events)


async def report(session: AsyncSession, contract_number: str, settings: Settings, now: datetime) -> ContractReport:
    """The report of one contract; raises `NotFound`."""
    contract_id = await contract_id_of(session, contract_number)
    query = select(Contract, Customer).join(Customer, Customer.id == Contract.customer_id)
    contract, customer = (await session.execute(query.where(Contract.id == contract_id))).one()
    facts = (await load_facts(session, [contract_id]))[0]
    policy = Policy.from_settings(settings)
    decision, proposed = decide_within(facts, policy, now), decide_within(facts, policy, now, "suspended")

    credit = Money.total(each.unused for each in (await credits_of(session, [contract_id])).get(contract_id, ()))

    def local(at: datetime | None) -> str:
        return at.astimezone(settings.zone).isoformat(sep=" ", timespec="minutes") if at else ""

    return ContractReport(
        contract=contract.number,
        customer=customer.number,
        name=customer.name,
        email=customer.email,
        stage=decision.stage.value,
        proposed=f"{proposed.stage.line}, unless the brake holds it" if is_stricter(proposed, facts) else "",
        why=WORDS.get(decision.why, decision.why),
        line=await line_of(session, contract_id),
        debt=f"{decision.debt} {settings.isp.currency}",
        credit=f"{credit} {settings.isp.currency}" if credit else "",
        suspend_at=local(decision.suspend_at),
        next_look_at=local(decision.next_look_at),
        protected=_protection(contract, facts.promise_until_on),
        parked=decision.parked,
        addresses=tuple(_place(site, text) for site, text in await places_of(session, contract_id)),
        services=await _services(session, contract_id, day_of(now, settings.zone)),
        sold=await _sold(session, contract_id),
        telephones=tuple([each.as_row() for each in await voip.listed(session, contract_id)]),
        invoices=await _invoices(session, contract_id),
        payments=await _payments(session, contract_id),
        mails=tuple(
            {"at": local(mail.created_at), "kind": mail.kind, "subject": mail.subject, "sent": local(mail.sent_at)}
            for mail in await session.scalars(select(Mail).where(Mail.contract_id == contract_id).order_by(Mail.id))
        ),
        timeline=tuple(
            [
                Event(local(entry.at), entry.actor, entry.action, _words(entry.detail, entry.why))
                for entry in await _entries(session, contract_id)
            ]
        ),
    )


def _place(site: str, network: str) -> str:
    return network if site == MAIN_SITE else f"{network} at {site}"


def _protection(contract: Contract, promise_until_on: object) -> str:
    if contract.exempt_since_at:
        return f"exempt ({contract.shield_why or 'no reason given'})"
    if contract.hold_since_at:
        return f"held ({contract.shield_why or 'no reason given'})"
    return f"promised until {promise_until_on}" if promise_until_on else ""


async def _sold(session: AsyncSession, contract_id: int) -> tuple[dict[str, str], ...]:
    return tuple(
        {
            "sale": str(sale.id),
            "product": name,
            "quantity": str(sale.quantity),
            "price": str(sale.unit_price),
            "serial_number": sale.serial_number,
            "supplied_on": str(sale.supplied_on),
        }
        for sale, name in await waiting_sales(session, contract_id)
    )


async def _invoices(session: AsyncSession, contract_id: int) -> tuple[dict[str, str], ...]:
    query = select(Invoice).where(Invoice.contract_id == contract_id).order_by(Invoice.due_on, Invoice.id)
    return tuple(
        {
            "number": invoice.number,
            "issued_on": str(invoice.issued_on),
            "due_on": str(invoice.due_on),
            "total": str(invoice.total),
            "open": str(invoice.open),
        }
        for invoice in await session.scalars(query)
    )


async def _services(session: AsyncSession, contract_id: int, today: date) -> tuple[dict[str, str], ...]:
    return tuple([each.as_json() for each in await services_of(session, contract_id, today)])


async def _payments(session: AsyncSession, contract_id: int) -> tuple[dict[str, str], ...]:
    query = select(Payment).where(Payment.contract_id == contract_id).order_by(Payment.booked_on, Payment.id)
    return tuple(
        {
            "id": str(payment.id),
            "booked_on": str(payment.booked_on),
            "amount": str(payment.amount),
            "unused": str(payment.unallocated),
            "state": payment.state,
            "why": payment.why,
        }
        for payment in await session.scalars(query)
    )


async def _entries(session: AsyncSession, contract_id: int) -> list[JournalEntry]:
    newest = select(JournalEntry).where(JournalEntry.contract_id == contract_id).order_by(JournalEntry.id.desc())
    return list(reversed((await session.scalars(newest.limit(TIMELINE_ENTRIES_MAX))).all()))


def _words(detail: str, why: str) -> str:
    parts = json.loads(detail or "{}")
    step = [f"{parts.pop('before')} → {parts.pop('after')}"] if {"before", "after"} <= parts.keys() else []
    words = [*step, *(f"{key} {value}" for key, value in parts.items())]
    return ", ".join([*words, *([f"because: {why}"] if why else [])])
