"""An ISP that bills: one contract with a service, its invoices and credit notes, issued by the real run."""

from datetime import UTC, date, datetime

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract, Customer
from billing.invoicing import mails
from billing.invoicing.credit_notes import credit
from billing.invoicing.run import bill
from billing.invoicing.tables import Invoice
from billing.money import Money
from billing.services.tables import Product, Service, ServicePrice
from billing.store.engine import Store
from billing.store.tables import Mail
from config.settings import Settings, parse

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
ISP = """
[isp]
name = "Údolní síť s.r.o."
iban = "CZ6508000000192000145399"
bic = "GIBACZPX"
company_id = "27082440"
vat_id = "CZ27082440"
portal_url = "https://portal.udolni.example"
"""


def isp_settings(more: str = "") -> Settings:
    return parse(ISP + more)


async def subscribe(
    store: Store,
    number: str = "1001",
    *,
    email: str = "bozena@example.cz",
    language: str = "cs",
    starts_on: date = date(2026, 11, 1),
) -> int:
    """A customer with a contract of that number and internet for 599 a month; returns the contract's id."""
    async with store.transaction() as session:
        product_id = await session.scalar(select(Product.id))
        if product_id is None:
            product_id = await _added(session, Product, kind="internet", name="Internet 100/20", bills_suspended=True)
        customer_id = await _added(
            session, Customer, number=f"K{number}", name="Božena Němcová", email=email, language=language
        )
        contract_id = await _added(session, Contract, number=number, customer_id=customer_id)
        service = {"contract_id": contract_id, "product_id": product_id, "starts_on": starts_on}
        service_id = await _added(session, Service, **service)
        price = {"service_id": service_id, "valid_from_on": starts_on, "price": Money(599_00)}
        await session.execute(insert(ServicePrice).values(**price))
    return contract_id


async def bill_november(store: Store, settings: Settings) -> None:
    """The billing run, announcing what it issues."""

    async def announce(session: AsyncSession, invoice_ids: object) -> None:
        await mails.announce(session, list(invoice_ids), settings=settings, now=NOW)  # type: ignore[call-overload]

    async for _ in bill(store, settings, until_on=date(2026, 11, 30), now=NOW, actor="test", announce=announce):
        pass


async def give_back(store: Store, settings: Settings, why: str = "Výpadek služby") -> None:
    """A credit note for the only invoice, announced."""
    async with store.transaction() as session:
        number = (await session.scalars(select(Invoice.number).where(Invoice.kind == "invoice"))).one()
        note = await credit(session, number, settings, why=why, actor="test", now=NOW)
        await mails.announce(session, [note.id], settings=settings, now=NOW)


async def mails_of(store: Store) -> list[Mail]:
    async with store.reading() as session:
        return list(await session.scalars(select(Mail).order_by(Mail.id)))


async def _added(session: AsyncSession, table: type, **values: object) -> int:
    return int((await session.execute(insert(table).values(**values).returning(table.id))).scalar_one())  # type: ignore[attr-defined]
