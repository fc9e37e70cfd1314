"""What a customer changes in the portal: contacts at once, a new e-mail by a link, the rest as a request."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.logins import end_links, note
from billing.customers.tables import ChangeRequest, Customer
from billing.store import journal
from config.errors import NotAllowed, NotFound

AT_ONCE = ("phone", "mailing_street", "mailing_city", "mailing_postal_code", "language")
"""Columns that a customer changes alone …"""
ON_REQUEST = ("name", "street", "city", "postal_code")
"""… and those that identify the contract: a person at the ISP decides."""
REQUESTS_OPEN_MAX = 3


@dataclass(frozen=True, slots=True)
class Request:
    """A request for a change, open or decided."""

    id: int
    customer_id: int
    wanted: Mapping[str, str]
    note: str
    asked_at: datetime
    decided_at: datetime | None
    is_accepted: bool
    why: str


async def change(session: AsyncSession, customer_id: int, wanted: Mapping[str, str], now: datetime) -> bool:
    """Changes what may be changed at once; False when nothing was different."""
    customer = await session.get_one(Customer, customer_id)
    changed = {name: wanted[name] for name in AT_ONCE if name in wanted and wanted[name] != getattr(customer, name)}
    if not changed:
        return False
    await session.execute(update(Customer).where(Customer.id == customer_id).values(**changed))
    await note(session, customer_id, "customer.changed", now, {"columns": sorted(changed)})
    return True


async def change_email(session: AsyncSession, customer_id: int, email: str, now: datetime) -> str:
    """Takes a confirmed address, and ends the links that were sent to the one before, which it returns."""
    customer = await session.get_one(Customer, customer_id)
    before = customer.email
    await session.execute(update(Customer).where(Customer.id == customer_id).values(email=email))
    await end_links(session, customer_id, now)
    await note(session, customer_id, "customer.changed", now, {"columns": ["email"]})
    return before


async def ask(
    session: AsyncSession, customer_id: int, wanted: Mapping[str, str], note_text: str, now: datetime
) -> None:
    """Keeps a request; raises `NotAllowed` when too many are open."""
    await journal.lock(session)
    if len(await requests(session, customer_id, is_open=True)) >= REQUESTS_OPEN_MAX:
        raise NotAllowed("There are open requests already.", "We will get in touch about them.")
    kept = {name: wanted[name] for name in ON_REQUEST if name in wanted}
    session.add(ChangeRequest(customer_id=customer_id, wanted=json.dumps(kept), note=note_text, asked_at=now))
    await note(session, customer_id, "change.requested", now, {"columns": sorted(kept)})


async def requests(session: AsyncSession, customer_id: int | None = None, *, is_open: bool = False) -> list[Request]:
    """Requests of one customer or of all, the newest first."""
    query = select(ChangeRequest).order_by(ChangeRequest.id.desc())
    if customer_id is not None:
        query = query.where(ChangeRequest.customer_id == customer_id)
    if is_open:
        query = query.where(ChangeRequest.decided_at.is_(None))
    return [_request(row) for row in await session.scalars(query)]


def _request(row: ChangeRequest) -> Request:
    wanted = json.loads(row.wanted)
    return Request(row.id, row.customer_id, wanted, row.note, row.asked_at, row.decided_at, row.is_accepted, row.why)


async def decide(
    session: AsyncSession, request_id: int, *, is_accepted: bool, actor: str, why: str, now: datetime
) -> None:
    """A person at the ISP accepts (the columns change) or refuses; raises `NotFound`, `NotAllowed`."""
    await journal.lock(session)
    row = await session.get(ChangeRequest, request_id)
    if row is None:
        raise NotFound(f"There is no request {request_id}.", "`hradlo customer requests` lists the open ones.")
    if row.decided_at is not None:
        raise NotAllowed(f"Request {request_id} was decided {row.decided_at:%Y-%m-%d} by {row.decided_by}.", "")
    row.decided_at, row.decided_by, row.is_accepted, row.why = now, actor, is_accepted, why
    if is_accepted:
        values = {name: text for name, text in json.loads(row.wanted).items() if name in ON_REQUEST}
        await session.execute(update(Customer).where(Customer.id == row.customer_id).values(**values))
    action = "change.accepted" if is_accepted else "change.refused"
    await note(session, row.customer_id, action, now, {"request": request_id}, actor=actor, why=why)
