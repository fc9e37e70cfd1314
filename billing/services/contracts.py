"""What an admin agrees about a contract's services, each a journalled change in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, delete, insert, literal, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from billing.invoicing.tables import InvoiceLine
from billing.money import ZERO, Money
from billing.services.cover import invoiced_until
from billing.services.products import require_price
from billing.services.rules import PERIODS_MONTHS
from billing.services.tables import Product, ProductPrice, Service, ServicePause, ServicePrice
from billing.store import journal
from config.counting import counted
from config.errors import NotAllowed, NotFound


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
    require_price(price)
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
