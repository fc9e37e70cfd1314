"""Calls that wait for a person: whose are they, what do they cost, which of two records is right."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.store import journal
from billing.voip.charging import Owner, Rated, Rater, charge, owners_of
from billing.voip.settling import lock
from billing.voip.tables import IS_WAITING, VoipCall, VoipNumber
from config.errors import NotAllowed, NotFound
from config.settings import Settings

CALLS_AT_ONCE = 1000


async def waiting(session: AsyncSession) -> list[VoipCall]:
    """Calls that could not be charged, and charged ones that another record disputes; the oldest first."""
    query = select(VoipCall).where(IS_WAITING)
    return list(await session.scalars(query.order_by(VoipCall.id)))


async def retry(session: AsyncSession, settings: Settings, now: datetime) -> tuple[int, int]:
    """Rates again what waits, after a deck or a number was added; how many are charged now, and how many still wait."""
    await lock(session)
    charged = still = last_id = 0
    while True:
        query = select(VoipCall).where(VoipCall.state == "waiting", VoipCall.id > last_id)
        calls = list(await session.scalars(query.order_by(VoipCall.id).limit(CALLS_AT_ONCE)))
        if not calls:
            return charged, still
        last_id = calls[-1].id
        owners = await owners_of(session, calls, settings.isp.country)
        rated = await _rated(Rater(session, owners, settings.isp.country), calls, settings, session, now)
        charged += len(rated)
        still += len(calls) - len(rated)


async def assign(
    session: AsyncSession, call_id: int, number: VoipNumber, settings: Settings, *, actor: str, now: datetime
) -> VoipCall:
    """Says whose call it is, and charges it; raises `NotAllowed` when it still has no price."""
    await journal.lock(session)
    await lock(session)
    call = await _call(session, call_id)
    if call.state == "rated":
        raise NotAllowed(f"Call {call_id} is charged already.", "Correct the credit with `hradlo voip credit`.")
    owner = Owner(number.id, number.contract_id, number.deck)
    rater = Rater(session, {call.caller: owner}, settings.isp.country)
    if not await _rated(rater, [call], settings, session, now):
        why = (await rater.rate(call)).why
        raise NotAllowed(f"Call {call_id} can't be charged: {why}.", "Import a deck that has the price.")
    await _note(session, "voip.call_assigned", call, number, actor, "", now)
    await session.refresh(call)
    return call


async def ignore(session: AsyncSession, call_id: int, *, why: str, actor: str, now: datetime) -> None:
    """Sets a waiting call aside as nobody's; of a disputed one, says that the first record is right."""
    await journal.lock(session)
    await lock(session)
    call = await _call(session, call_id)
    if call.state != "waiting" and not call.dispute:
        raise NotAllowed(f"Call {call_id} waits for nobody.", "`hradlo voip calls waiting` lists those that do.")
    state = "ignored" if call.state == "waiting" else call.state
    said = update(VoipCall).where(VoipCall.id == call_id).values(state=state, why=why, dispute="")
    await session.execute(said)
    await _note(session, "voip.call_ignored", call, None, actor, why, now)


async def _rated(
    rater: Rater, calls: Sequence[VoipCall], settings: Settings, session: AsyncSession, now: datetime
) -> list[Rated]:
    """Charges those of the calls that can be, and writes it down."""
    rated = [each for each in [await rater.rate(call) for call in calls] if each.state == "rated"]
    await charge(session, rated, settings, now)
    by_key = {(call.source, call.uid): call for call in calls}
    for each in rated:
        assert each.owner is not None
        call = by_key[each.record.source, each.record.uid]
        done = update(VoipCall).where(VoipCall.id == call.id)
        done = done.values(
            state="rated",
            why="",
            number_id=each.owner.id,
            is_incoming=each.is_incoming,
            destination=each.destination,
            rate_id=each.rate_id,
            price=each.price,
            charged=each.charged,
        )
        await session.execute(done.execution_options(synchronize_session=False))
    return rated


async def _call(session: AsyncSession, call_id: int) -> VoipCall:
    found = await session.get(VoipCall, call_id, populate_existing=True)
    if found is None:
        raise NotFound(f"There is no call {call_id}.", "`hradlo voip calls waiting` lists those that wait.")
    return found


async def _note(
    session: AsyncSession, action: str, call: VoipCall, number: VoipNumber | None, actor: str, why: str, now: datetime
) -> None:
    detail = {"call": call.id, "uid": call.uid} | ({"number": number.number} if number else {})
    contract_id = number.contract_id if number else None
    await journal.append(session, at=now, actor=actor, action=action, contract_id=contract_id, detail=detail, why=why)
