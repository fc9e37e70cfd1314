"""What an admin changes about products, services and sold goods, each a journalled change in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, delete, insert, literal, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from billing.customers.tables import Contract
from billing.invoicing.tables import Invoice, InvoiceLine, Sale
from billing.money import ZERO, Money
from billing.services.cover import invoiced_until
from billing.services.rules import PERIODS_MONTHS
from billing.services.tables import Product, ProductPrice, Service, ServicePause, ServicePrice
from billing.store import journal
from config.counting import counted
from config.errors import NotAllowed, NotFound

KINDS = ("internet", "insurance", "voip", "goods", "other")


@dataclass(frozen=True, slots=True)
class ProductView:
    """A product and its present list price."""

    id: int
    kind: str
    name: str
    vat_category: str
    bills_suspended: bool
    price: Money | None


@dataclass(frozen=True, slots=True)
class ServiceView:
    """A service of a contract, as an admin names it."""

    id: int
    product: str
    kind: str
    starts_on: date
    ends_on: date | None
    period_months: int
    invoiced_until_on: date | None
    """Of an insurance, the day until which one is covered."""
    price: Money
    """Per month, today."""

    def as_json(self) -> dict[str, str]:
        """In the order in which a table shows it; what is not there is empty."""
        return {
            "id": str(self.id),
            "kind": self.kind,
            "product": self.product,
            "starts_on": str(self.starts_on),
            "ends_on": str(self.ends_on or ""),
            "price": str(self.price),
            "period_months": str(self.period_months),
            "invoiced_until_on": str(self.invoiced_until_on or ""),
        }


async def set_product(
    session: AsyncSession,
    kind: str,
    name: str,
    *,
    vat_category: str | None = None,
    bills_suspended: bool | None = None,
    price: Money | None = None,
    valid_from_on: date,
    actor: str,
    now: datetime,
) -> int:
    """Adds a product or changes one; a price counts from its day on and leaves those before as they are."""
    _require_price(price)
    if kind not in KINDS:
        raise NotAllowed(f"{kind} is no kind of product.", f"Use one of {', '.join(KINDS)}.")
    product_id = await session.scalar(select(Product.id).where(Product.kind == kind, Product.name == name))
    if product_id is None:
        added = insert(Product).values(kind=kind, name=name).returning(Product.id)
        product_id = (await session.execute(added)).scalar_one()
    changes = {"vat_category": vat_category, "bills_suspended": bills_suspended}
    changed = {column: value for column, value in changes.items() if value is not None}
    if changed:
        await session.execute(update(Product).where(Product.id == product_id).values(**changed))
    if price is not None:
        same_day = (ProductPrice.product_id == product_id) & (ProductPrice.valid_from_on == valid_from_on)
        await session.execute(delete(ProductPrice).where(same_day))
        row = {"product_id": product_id, "valid_from_on": valid_from_on, "price": price}
        await session.execute(insert(ProductPrice).values(**row))
    dated = {} if price is None else {"price": price, "from": valid_from_on}
    detail = {"kind": kind, "product": name, **changed, **dated}
    await journal.append(session, at=now, actor=actor, action="product.changed", detail=detail)
    return product_id


async def products(session: AsyncSession, today: date) -> list[ProductView]:
    """Every product with the price that counts today."""
    prices: dict[int, Money] = {}
    dated = select(ProductPrice.product_id, ProductPrice.price).where(ProductPrice.valid_from_on <= today)
    for product_id, price in await session.execute(dated.order_by(ProductPrice.valid_from_on)):
        prices[product_id] = price
    rows = await session.scalars(select(Product).order_by(Product.kind, Product.name))
    return [
        ProductView(row.id, row.kind, row.name, row.vat_category, row.bills_suspended, prices.get(row.id))
        for row in rows
    ]


async def services_of(session: AsyncSession, contract_id: int, today: date) -> list[ServiceView]:
    """The services of a contract, oldest first."""
    rows = (
        await session.execute(
            select(Service, Product.name, Product.kind)
            .join(Product, Product.id == Service.product_id)
            .where(Service.contract_id == contract_id)
            .order_by(Service.starts_on, Service.id)
        )
    ).all()
    ids = [service.id for service, _, _ in rows]
    covered = await invoiced_until(session, ids)
    prices = await _prices(session, ids, today)
    return [
        ServiceView(
            id=service.id,
            product=name,
            kind=kind,
            starts_on=service.starts_on,
            ends_on=service.ends_on,
            period_months=service.period_months,
            invoiced_until_on=covered.get(service.id),
            price=prices.get(service.id, ZERO),
        )
        for service, name, kind in rows
    ]


async def _prices(session: AsyncSession, service_ids: Sequence[int], today: date) -> dict[int, Money]:
    """The price of each service that counts today, or on its first day when that is to come: its own, else listed."""
    listed = (
        select(Service.id, ProductPrice.price, literal(0).label("is_own"), ProductPrice.valid_from_on)
        .join(ProductPrice, ProductPrice.product_id == Service.product_id)
        .where(Service.id.in_(service_ids), _counts(ProductPrice.valid_from_on, today))
    )
    own = (
        select(Service.id, ServicePrice.price, literal(1), ServicePrice.valid_from_on)
        .join(ServicePrice, ServicePrice.service_id == Service.id)
        .where(Service.id.in_(service_ids), _counts(ServicePrice.valid_from_on, today))
    )
    rows = await session.execute(union_all(listed, own).order_by("is_own", "valid_from_on"))
    return {service_id: price for service_id, price, _, _ in rows}


def _counts(valid_from_on: InstrumentedAttribute[date], today: date) -> ColumnElement[bool]:
    return (valid_from_on <= today) | (valid_from_on <= Service.starts_on)


async def stop(session: AsyncSession, service_id: int, *, ends_on: date, why: str, actor: str, now: datetime) -> str:
    """The service ends with that day; returns what an admin should know of days that are invoiced already."""
    service = await _service(session, service_id)
    if ends_on < service.starts_on:
        raise NotAllowed(f"The service begins {service.starts_on}, it can't end {ends_on}.", "")
    await session.execute(update(Service).where(Service.id == service_id).values(ends_on=ends_on))
    await _note(session, service, "service.stopped", actor, why, now, ends_on=ends_on)
    if service.billed_until_on and service.billed_until_on > ends_on:
        return f"It is invoiced until {service.billed_until_on}; give days back with `hradlo credit`."
    return ""


async def pause(
    session: AsyncSession,
    service_id: int,
    *,
    from_on: date,
    until_on: date | None,
    why: str,
    actor: str,
    now: datetime,
) -> None:
    """The service is not billed on these days (`until_on` is the last one; none: until it is resumed)."""
    service = await _service(session, service_id)
    if until_on is not None and until_on < from_on:
        raise NotAllowed(f"A pause from {from_on} can't end {until_on}.", "")
    if service.billed_until_on and from_on <= service.billed_until_on:
        raise NotAllowed(
            f"The service is invoiced until {service.billed_until_on}.",
            f"Pause it from {service.billed_until_on + timedelta(days=1)}, or give days back with `hradlo credit`.",
        )
    session.add(ServicePause(service_id=service_id, from_on=from_on, until_on=until_on))
    await _note(session, service, "service.paused", actor, why, now, from_on=from_on, until_on=until_on)


async def resume(session: AsyncSession, service_id: int, *, on: date, actor: str, now: datetime) -> None:
    """Ends the pause that runs on that day: it is billed again from then on."""
    service = await _service(session, service_id)
    running = (ServicePause.service_id == service_id) & (ServicePause.from_on <= on)
    running &= ServicePause.until_on.is_(None) | (ServicePause.until_on >= on)
    found = (await session.scalars(select(ServicePause).where(running))).all()
    if not found:
        raise NotAllowed(f"Service {service_id} is not paused on {on}.", "`hradlo show CONTRACT` lists its services.")
    for one in found:
        if one.from_on == on:
            await session.delete(one)
        else:
            one.until_on = on - timedelta(days=1)
    await _note(session, service, "service.resumed", actor, "", now, on=on)


async def set_price(
    session: AsyncSession, service_id: int, price: Money, *, valid_from_on: date, why: str, actor: str, now: datetime
) -> None:
    """A price of this service's own, from that day on; days that are invoiced already keep theirs."""
    _require_price(price)
    service = await _service(session, service_id)
    same_day = (ServicePrice.service_id == service_id) & (ServicePrice.valid_from_on == valid_from_on)
    await session.execute(delete(ServicePrice).where(same_day))
    row = {"service_id": service_id, "valid_from_on": valid_from_on, "price": price}
    await session.execute(insert(ServicePrice).values(**row))
    await _note(session, service, "service.repriced", actor, why, now, price=price, from_on=valid_from_on)


async def set_period(session: AsyncSession, service_id: int, months: int, *, actor: str, now: datetime) -> None:
    """How many months are invoiced at once, from the next period on."""
    service = await _service(session, service_id)
    if months not in PERIODS_MONTHS:
        raise NotAllowed(f"{counted(months, 'month is', 'months are')} no period.", "Use 1, 3 or 12.")
    await session.execute(update(Service).where(Service.id == service_id).values(period_months=months))
    await _note(session, service, "service.period_changed", actor, "", now, months=months)


async def set_billed_until(
    session: AsyncSession, service_id: int, until_on: date, *, why: str, actor: str, now: datetime
) -> None:
    """The last day that another program has invoiced; only as long as Hradlo has invoiced nothing of the service."""
    service = await _service(session, service_id)
    ours = select(InvoiceLine.id).where(InvoiceLine.service_id == service_id, InvoiceLine.released_at.is_(None))
    if await session.scalar(ours.limit(1)) is not None:
        raise NotAllowed(
            f"Hradlo itself has invoiced service {service_id} until {service.billed_until_on}.",
            "Give back what was wrong with `hradlo credit`.",
        )
    if until_on < service.starts_on:
        raise NotAllowed(f"Service {service_id} starts on {service.starts_on}, after {until_on}.")
    changed = {"billed_until_on": until_on, "billed_elsewhere_until_on": until_on}
    await session.execute(update(Service).where(Service.id == service_id).values(**changed))
    await _note(session, service, "service.billed_elsewhere", actor, why, now, until_on=until_on)


async def sell(
    session: AsyncSession,
    contract_number: str,
    product: str,
    *,
    unit_price: Money | None,
    quantity: int,
    serial_number: str,
    supplied_on: date,
    actor: str,
    now: datetime,
) -> int:
    """Goods for the contract's next invoice; without a price, at the product's of that day."""
    contract_id = await session.scalar(select(Contract.id).where(Contract.number == contract_number.lstrip("0")))
    if contract_id is None:
        raise NotFound(f"There is no contract {contract_number}.", "Contract numbers are the variable symbols.")
    goods = [each for each in await products(session, supplied_on) if each.name == product and each.kind == "goods"]
    if not goods:
        raise NotFound(f"There are no goods {product!r}.", "Add them: hradlo product set goods NAME --price 990.00")
    price = unit_price if unit_price is not None else goods[0].price
    _require_price(price)
    if price is None:
        raise NotAllowed(f"{product!r} has no price on {supplied_on}.", "Name one with --price.")
    sale = Sale(
        contract_id=contract_id,
        product_id=goods[0].id,
        serial_number=serial_number,
        quantity=quantity,
        unit_price=price,
        supplied_on=supplied_on,
    )
    session.add(sale)
    await session.flush()
    detail = {"sale": sale.id, "product": product, "quantity": quantity, "price": price, "serial_number": serial_number}
    await journal.append(session, at=now, actor=actor, action="goods.sold", contract_id=contract_id, detail=detail)
    return sale.id


async def unsell(session: AsyncSession, sale_id: int, *, why: str, actor: str, now: datetime) -> None:
    """Takes a sale back that no invoice has yet; the journal keeps what it was."""
    await journal.lock(session)  # a billing run may be about to invoice it
    sale = await session.get(Sale, sale_id, populate_existing=True)
    if sale is None:
        raise NotFound(f"There is no sale {sale_id}.", "`hradlo show CONTRACT` lists what waits for an invoice.")
    if sale.line_id is not None:
        line = await session.get_one(InvoiceLine, sale.line_id)
        number = await session.scalar(select(Invoice.number).where(Invoice.id == line.invoice_id))
        raise NotAllowed(
            f"Sale {sale_id} stands on invoice {number}.",
            f"Give it back: hradlo credit {number} --line {line.position} --why REASON",
        )
    detail = {"sale": sale_id, "quantity": sale.quantity, "price": sale.unit_price, "serial_number": sale.serial_number}
    await session.delete(sale)
    await journal.append(
        session, at=now, actor=actor, action="goods.unsold", contract_id=sale.contract_id, detail=detail, why=why
    )


async def waiting_sales(session: AsyncSession, contract_id: int) -> list[tuple[Sale, str]]:
    """What was sold and not invoiced yet, with the products' names."""
    query = select(Sale, Product.name).join(Product, Product.id == Sale.product_id)
    query = query.where(Sale.contract_id == contract_id, Sale.line_id.is_(None)).order_by(Sale.id)
    return [(sale, name) for sale, name in await session.execute(query)]


def _require_price(price: Money | None) -> None:
    """A negative price would make invoices that ask for less than nothing."""
    if price is not None and price < ZERO:
        raise NotAllowed(
            f"{price} is no price.", "A discount is a lower price; what was invoiced is given back by `hradlo credit`."
        )


async def _service(session: AsyncSession, service_id: int) -> Service:
    await journal.lock(session)
    found = await session.get(Service, service_id, populate_existing=True)
    if found is None:
        raise NotFound(f"There is no service {service_id}.", "`hradlo service list CONTRACT` lists them.")
    return found


async def _note(
    session: AsyncSession, service: Service, action: str, actor: str, why: str, now: datetime, **detail: object
) -> None:
    told = {"service": service.id, **{name: value for name, value in detail.items() if value is not None}}
    await journal.append(
        session, at=now, actor=actor, action=action, contract_id=service.contract_id, detail=told, why=why
    )
