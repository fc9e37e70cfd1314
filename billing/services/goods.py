"""Goods that were sold once, from the sale until an invoice has them."""

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract
from billing.invoicing.tables import Invoice, InvoiceLine, Sale
from billing.money import Money
from billing.services.products import products, require_price
from billing.services.tables import Product
from billing.store import journal
from config.errors import NotAllowed, NotFound


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
    require_price(price)
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
        remedy = f"Give it back: hradlo credit {number} --line {line.position} --why REASON"
        raise NotAllowed(
            f"Sale {sale_id} stands on invoice {number}.",
            remedy if line.total else "It was given away there, so there is nothing to give back.",
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
