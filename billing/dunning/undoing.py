"""Undo: everybody whom a run restricted gets the line back, at once and unbraked.

It is a promise for each of them, as an admin would make it one by one: the next round opens the line, says so by
mail, and does not restrict it again before the promise ends. What was wrong can be mended until then.
"""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract
from billing.dunning import brake
from billing.dunning.facts import Stage
from billing.dunning.operations import PROMISE_DAYS_MAX
from billing.dunning.reading import CHUNK
from billing.dunning.tables import Promise, Run, Standing
from billing.store import journal
from config.errors import NotAllowed, NotFound

RESTRICTED = (Stage.NOTICE.value, Stage.ACKNOWLEDGED.value, Stage.SUSPENDED.value)


@dataclass(frozen=True, slots=True)
class Undone:
    """Whom an undo protects now."""

    run: int
    until_on: date
    contracts: tuple[str, ...]
    """Numbers; those of the run who paid or were protected meanwhile are not among them."""


async def undo(
    session: AsyncSession, run_id: int, *, until_on: date, actor: str, why: str, today: date, now: datetime
) -> Undone:
    """Protects everybody of a run up to and including `until_on`.

    Raises `NotFound` for no such run, and `NotAllowed` for one that was undone already, or for a day that is past or
    more than a year away.
    """
    if not 0 <= (until_on - today).days <= PROMISE_DAYS_MAX:
        raise NotAllowed(f"{until_on} is past or more than a year away.", "Name a day from today on.")
    await journal.lock(session)
    await _require_to_be_undone(session, run_id)
    ids = await brake.contracts_of_run(session, run_id)
    found = await _still_restricted(session, ids)
    reason = why or f"run {run_id} was undone"
    await _promise(session, list(found), until_on, actor, reason, now)
    await brake.mark_undone(session, run_id, now)
    detail = {"run": run_id, "until_on": until_on.isoformat()}
    entries = [journal.Entry(now, actor, "promise.made", each, detail, reason) for each in found]
    summary = {"run": run_id, "contracts": len(found), "until_on": until_on.isoformat()}
    await journal.append_many(session, [journal.Entry(now, actor, "run.undone", None, summary, why), *entries])
    return Undone(run_id, until_on, tuple(sorted(found.values())))


async def _require_to_be_undone(session: AsyncSession, run_id: int) -> None:
    """Once: who of it is restricted again since then was restricted by a later run, and knowingly."""
    run = await session.get(Run, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}.", "`hradlo brake show` lists the last ones.")
    if run.undone_at is not None:
        raise NotAllowed(
            f"Run {run_id} was undone already, at {run.undone_at:%Y-%m-%d %H:%M} UTC. Nothing was changed.",
            "Protect somebody for longer: hradlo promise CONTRACT --until DAY. Was it another run? hradlo brake show.",
        )


async def _still_restricted(session: AsyncSession, ids: list[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for start in range(0, len(ids), CHUNK):
        query = (
            select(Contract.id, Contract.number)
            .join(Standing, Standing.contract_id == Contract.id)
            .where(Contract.id.in_(ids[start : start + CHUNK]), Standing.stage.in_(RESTRICTED))
        )
        found |= dict(iter((await session.execute(query)).all()))
    return found


async def _promise(session: AsyncSession, ids: list[int], until_on: date, actor: str, why: str, now: datetime) -> None:
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        earlier = (Promise.contract_id.in_(chunk)) & Promise.released_at.is_(None)
        await session.execute(update(Promise).where(earlier).values(released_at=now))
        row = {"until_on": until_on, "why": why, "made_by": actor, "made_at": now}
        await session.execute(insert(Promise), [{"contract_id": each, **row} for each in chunk])
