"""What an admin can do for one contract: promise, hold, exempt, release. Each is one journalled change of facts.

Nothing here touches a line: the engine reads the new facts and does the rest.
"""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract
from billing.dunning.tables import Promise
from billing.store import journal
from config.errors import NotAllowed, NotFound

PROMISE_DAYS_MAX = 366


async def contract_id_of(session: AsyncSession, contract_number: str) -> int:
    """The id of the contract with this number (leading zeros don't count); raises `NotFound`."""
    query = select(Contract.id).where(Contract.number == contract_number.strip().lstrip("0"))
    found = await session.scalar(query)
    if found is None:
        raise NotFound(f"There is no contract {contract_number}.", "Contract numbers are the variable symbols.")
    return found


async def promise(
    session: AsyncSession, contract_number: str, *, until_on: date, actor: str, why: str, today: date, now: datetime
) -> None:
    """Nothing happens to the contract up to and including `until_on`; replaces an earlier promise.

    Raises `NotFound`, or `NotAllowed` for a day that is past or more than a year away.
    """
    contract_id = await contract_id_of(session, contract_number)
    if until_on < today:
        raise NotAllowed(f"{until_on} is past.", "A promise needs a day from today on.")
    if (until_on - today).days > PROMISE_DAYS_MAX:
        raise NotAllowed(f"{until_on} is more than a year away.", "Use `hradlo hold` or `hradlo exempt` for that.")
    await _release_promises(session, contract_id, now)
    session.add(Promise(contract_id=contract_id, until_on=until_on, why=why, made_by=actor, made_at=now))
    await _journal(session, "promise.made", contract_id, actor, why, now, until_on=until_on.isoformat())


async def hold(session: AsyncSession, contract_number: str, *, actor: str, why: str, now: datetime) -> None:
    """Nothing happens to the contract until it is released; raises `NotFound`."""
    contract_id = await contract_id_of(session, contract_number)
    await _shield(session, contract_id, hold_since_at=now, shield_why=why)
    await _journal(session, "contract.held", contract_id, actor, why, now)


async def exempt(session: AsyncSession, contract_number: str, *, actor: str, why: str, now: datetime) -> None:
    """The contract is never reminded, noticed or suspended until it is released; raises `NotFound`."""
    contract_id = await contract_id_of(session, contract_number)
    await _shield(session, contract_id, exempt_since_at=now, shield_why=why)
    await _journal(session, "contract.exempted", contract_id, actor, why, now)


async def release(
    session: AsyncSession, contract_number: str, *, actor: str, why: str, today: date, now: datetime
) -> None:
    """Ends a hold, an exemption and a promise; raises `NotFound`, or `NotAllowed` where there is none."""
    await journal.lock(session)
    contract_id = await contract_id_of(session, contract_number)
    contract = await session.get_one(Contract, contract_id, populate_existing=True)
    promised_until = await _release_promises(session, contract_id, now)
    is_promised = any(until_on >= today for until_on in promised_until)
    if not is_promised and contract.hold_since_at is None and contract.exempt_since_at is None:
        raise NotAllowed(
            f"Nothing protects contract {contract_number}: no hold, no exemption, no promise.",
            f"Is it another contract? hradlo show {contract_number}",
        )
    await _shield(session, contract_id, hold_since_at=None, exempt_since_at=None, shield_why="")
    await _journal(session, "contract.released", contract_id, actor, why, now)


async def _shield(session: AsyncSession, contract_id: int, **values: object) -> None:
    await session.execute(update(Contract).where(Contract.id == contract_id).values(**values))


async def _release_promises(session: AsyncSession, contract_id: int, now: datetime) -> Sequence[date]:
    """The last days of those that were not released before; some may be past."""
    standing = (Promise.contract_id == contract_id) & Promise.released_at.is_(None)
    released = update(Promise).where(standing).values(released_at=now).returning(Promise.until_on)
    return (await session.scalars(released)).all()


async def _journal(
    session: AsyncSession, action: str, contract_id: int, actor: str, why: str, now: datetime, **detail: str
) -> None:
    await journal.append(session, at=now, actor=actor, action=action, contract_id=contract_id, detail=detail, why=why)
