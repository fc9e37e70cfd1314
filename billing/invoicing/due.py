"""What some contracts have due until a day, read in bulk: periods of their services, and what they bought."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning.lines import strictest_lines
from billing.invoicing.drafting import Item, item_of
from billing.invoicing.tables import Sale
from billing.money import Money
from billing.services.periods import Terms, due_charges
from billing.services.tables import Product, ProductPrice, Service, ServicePause, ServicePrice


@dataclass(frozen=True, slots=True)
class Due:
    """What one contract has due."""

    contract_id: int
    items: list[Item] = field(default_factory=list)
    billed_until: dict[int, date] = field(default_factory=dict)
    """Service id -> the last day of its last period among the items."""


Dated = dict[int, list[tuple[date, Money]]]


async def due_of(session: AsyncSession, contract_ids: Sequence[int], until_on: date) -> list[Due]:
    """What the contracts have due, in the order of their ids."""
    due = {contract_id: Due(contract_id) for contract_id in contract_ids}
    await _add_services(session, due, until_on)
    await _add_sales(session, due, until_on)
    return list(due.values())


async def _add_services(session: AsyncSession, due: Mapping[int, Due], until_on: date) -> None:
    lines = strictest_lines()
    rows = (
        await session.execute(
            select(
                Service.id,
                Service.contract_id,
                Service.product_id,
                Service.starts_on,
                Service.ends_on,
                Service.period_months,
                Service.billed_until_on,
                lines.c.state,
            )
            .outerjoin(lines, lines.c.contract_id == Service.contract_id)
            .where(Service.contract_id.in_(due), Service.starts_on <= until_on)
            .order_by(Service.contract_id, Service.id)
        )
    ).all()
    service_ids = [row.id for row in rows]
    product_ids = {row.product_id for row in rows}
    products = {each.id: each for each in await session.scalars(select(Product).where(Product.id.in_(product_ids)))}
    agreed = await _dated(
        session,
        select(ServicePrice.service_id, ServicePrice.valid_from_on, ServicePrice.price)
        .where(ServicePrice.service_id.in_(service_ids))
        .order_by(ServicePrice.valid_from_on),
    )
    listed = await _dated(
        session,
        select(ProductPrice.product_id, ProductPrice.valid_from_on, ProductPrice.price)
        .where(ProductPrice.product_id.in_(product_ids))
        .order_by(ProductPrice.valid_from_on),
    )
    pauses = await _pauses(session, service_ids)
    for service_id, contract_id, product_id, starts_on, ends_on, period_months, billed_until_on, line in rows:
        product = products[product_id]
        terms = Terms(
            service_id=service_id,
            starts_on=starts_on,
            ends_on=ends_on,
            period_months=period_months,
            billed_until_on=billed_until_on,
            prices=tuple(agreed[service_id]),
            list_prices=tuple(listed[product_id]),
            pauses=tuple(pauses[service_id]),
            is_skipped=line == "suspended" and not product.bills_suspended,
        )
        of_contract = due[contract_id]
        for charge in due_charges(terms, until_on):
            of_contract.items.append(item_of(charge, product.name, product_id, product.vat_category))
            of_contract.billed_until[service_id] = charge.until_on


async def _dated(session: AsyncSession, query: Select[int, date, Money]) -> Dated:
    found: Dated = defaultdict(list)
    for key, valid_from_on, price in await session.execute(query):
        found[key].append((valid_from_on, price))
    return found


async def _pauses(session: AsyncSession, service_ids: Sequence[int]) -> dict[int, list[tuple[date, date | None]]]:
    found: dict[int, list[tuple[date, date | None]]] = defaultdict(list)
    query = select(ServicePause.service_id, ServicePause.from_on, ServicePause.until_on)
    for service_id, from_on, until_on in await session.execute(query.where(ServicePause.service_id.in_(service_ids))):
        found[service_id].append((from_on, until_on))
    return found


async def _add_sales(session: AsyncSession, due: Mapping[int, Due], until_on: date) -> None:
    rows = await session.execute(
        select(Sale, Product)
        .join(Product, Product.id == Sale.product_id)
        .where(Sale.contract_id.in_(due), Sale.line_id.is_(None), Sale.supplied_on <= until_on)
        .order_by(Sale.id)
    )
    for sale, product in rows:
        due[sale.contract_id].items.append(
            Item(
                text=sale.text or product.name,
                product_id=product.id,
                vat_category=product.vat_category,
                quantity=sale.quantity,
                unit_price=sale.unit_price,
                serial_number=sale.serial_number,
                sale_id=sale.id,
            )
        )
