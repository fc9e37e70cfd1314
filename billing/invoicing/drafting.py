"""An invoice before it has a number: lines from due periods and sold goods, with their VAT. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from billing.invoicing.vat import Rate, Split, split
from billing.money import Money
from billing.services.periods import Charge


@dataclass(frozen=True, slots=True)
class Item:
    """What is to stand on a line."""

    text: str
    product_id: int
    vat_category: str
    quantity: int
    unit_price: Money
    service_id: int | None = None
    from_on: date | None = None
    until_on: date | None = None
    serial_number: str = ""
    sale_id: int | None = None

    @property
    def total(self) -> Money:
        return Money(self.unit_price.minor * self.quantity)


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A line with its VAT."""

    item: Item
    rate: Rate
    split: Split


@dataclass(frozen=True, slots=True)
class InvoiceDraft:
    """All of an invoice but its number and its parties."""

    contract_id: int
    lines: tuple[DraftLine, ...]
    groups: dict[Rate, Split]
    base: Money
    vat: Money
    total: Money


def draft(contract_id: int, items: Sequence[Item], rate_of: Callable[[str], int]) -> InvoiceDraft | None:
    """An invoice of these items; `rate_of` knows the basis points of a VAT category. None for nothing to pay.

    A free period stands on no invoice. Goods that were given away do, on the next one that is to be paid: it is the
    receipt that a warranty claim needs.
    """
    shown = [item for item in items if item.total or item.sale_id is not None]
    if not any(item.total for item in shown):
        return None
    rates = [(item.vat_category, rate_of(item.vat_category)) for item in shown]
    splits, groups = split([(rate, item.total) for rate, item in zip(rates, shown, strict=True)])
    lines = tuple(DraftLine(*each) for each in zip(shown, rates, splits, strict=True))
    base = Money.total([group.base for group in groups.values()])
    vat = Money.total([group.vat for group in groups.values()])
    return InvoiceDraft(contract_id, lines, groups, base, vat, base + vat)


def item_of(charge: Charge, name: str, product_id: int, vat_category: str) -> Item:
    """The line of a service's period."""
    return Item(
        text=name,
        product_id=product_id,
        vat_category=vat_category,
        quantity=1,
        unit_price=charge.total,
        service_id=charge.service_id,
        from_on=charge.from_on,
        until_on=charge.until_on,
    )
