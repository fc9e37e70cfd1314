"""What the ISP sells, with dated prices; each change is journalled."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.money import ZERO, Money
from billing.services.tables import Product, ProductPrice
from billing.store import journal
from config.errors import NotAllowed

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
    require_price(price)
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


def require_price(price: Money | None) -> None:
    """A negative price would make invoices that ask for less than nothing."""
    if price is not None and price < ZERO:
        raise NotAllowed(
            f"{price} is no price.", "A discount is a lower price; what was invoiced is given back by `hradlo credit`."
        )
