"""What the brake remembers: why it held, what a person released, and which restrictions were decided together.

All of it are facts with a journal entry. Whether it holds is judged elsewhere (`enforcement.brake`), on the counts
that are read here; here is nothing that opens or restricts a line.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract
from billing.dunning.facts import Stage
from billing.dunning.policy import Policy
from billing.dunning.tables import BrakeHold, BrakeRelease, Released, Restriction, Run, Standing
from billing.services.tables import Service, ServiceAddress
from billing.store import journal
from config.counting import counted
from config.settings import Settings

RELEASE_VALID = timedelta(hours=2)
ROLLING = timedelta(hours=24)


@dataclass(slots=True)
class Permit:
    """What the brake lets happen in one round: without one, no line gets stricter."""

    lines: Mapping[int, str] = field(default_factory=dict)
    """Contract id -> the strictest line that it may get."""
    released: frozenset[int] = frozenset()
    """Those of them that a person released."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Line -> so many in 24 hours, those aside that were released: asked once more while nobody else writes."""
    run_id: int | None = None
    """The round's run, once it restricted somebody."""


class HoldReason(NamedTuple):
    """One reason for which lines are held; of one kind (`notice`, `suspended`), or of both (empty)."""

    why: str
    line: str
    words: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a person last saw decide, and let go on."""

    release_id: int
    at: datetime
    version: str
    policy_sha256: str


def policy_sha256(settings: Settings) -> str:
    """Changes whenever a rule of dunning or a limit of the brake does."""
    policy = Policy.from_settings(settings)
    values = {each.name: _plain(getattr(policy, each.name)) for each in fields(policy)}
    values |= {f"brake.{name}": str(value) for name, value in settings.brake.model_dump().items()}
    return hashlib.sha256("\n".join(f"{name}={values[name]}" for name in sorted(values)).encode()).hexdigest()


def _plain(value: object) -> str:
    return str(sorted(value)) if isinstance(value, frozenset) else str(value)


# ── holds ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def open_holds(session: AsyncSession) -> list[BrakeHold]:
    """What holds now, oldest first."""
    query = select(BrakeHold).where(BrakeHold.ended_at.is_(None)).order_by(BrakeHold.id)
    return list((await session.scalars(query)).all())


async def begin_hold(
    session: AsyncSession, reason: HoldReason, *, gateway: str = "", actor: str, now: datetime, why: str = ""
) -> None:
    """From now on it holds for this reason."""
    hold = BrakeHold(why=reason.why, line=reason.line, words=reason.words, gateway=gateway, since_at=now)
    session.add(hold)
    detail = {"reason": reason.why, "line": reason.line, "words": reason.words, "gateway": gateway}
    await journal.append(session, at=now, actor=actor, action="brake.held", detail=detail, why=why)


async def keep_holds(
    session: AsyncSession, reasons: Collection[HoldReason], lasting: Collection[str], gateway: str, now: datetime
) -> list[HoldReason]:
    """Begins what holds now and did not, ends what did and does not; returns those that began.

    Holds whose reason is in `lasting` end only when a person releases them, and those of another gateway are its own.
    """
    await journal.lock(session)
    holds = await open_holds(session)
    known = {(each.why, each.line) for each in holds if each.gateway == gateway or each.why in lasting}
    wanted = {(each.why, each.line): each for each in reasons}
    begun = [reason for key, reason in wanted.items() if key not in known]
    for reason in begun:
        await begin_hold(session, reason, gateway=gateway, actor=journal.ENGINE, now=now)
    for hold in holds:
        if hold.gateway == gateway and hold.why not in lasting and (hold.why, hold.line) not in wanted:
            hold.ended_at = now
            detail = {"reason": hold.why, "line": hold.line, "gateway": gateway}
            await journal.append(session, at=now, actor=journal.ENGINE, action="brake.over", detail=detail)
    await session.flush()
    return begun


# ── releases ────────────────────────────────────────────────────────────────────────────────────────────────────


async def accepted(session: AsyncSession) -> Accepted | None:
    """The last release; None when there never was one."""
    query = select(BrakeRelease).order_by(BrakeRelease.id.desc()).limit(1)
    last = (await session.scalars(query)).first()
    return Accepted(last.id, last.at, last.version, last.policy_sha256) if last else None


async def release_of(session: AsyncSession, checksum: str) -> BrakeRelease | None:
    """The last release, if it let happen what was shown with this checksum."""
    last = (await session.scalars(select(BrakeRelease).order_by(BrakeRelease.id.desc()).limit(1))).first()
    return last if last and last.checksum == checksum else None


async def released(session: AsyncSession, now: datetime) -> dict[int, str]:
    """Contract id -> how far its line may be restricted because a person said so, not long ago."""
    query = (
        select(Released.contract_id, Released.line)
        .join(BrakeRelease, BrakeRelease.id == Released.release_id)
        .where(BrakeRelease.at <= now, BrakeRelease.until_at > now)
        .order_by(BrakeRelease.id)
    )
    return dict(iter((await session.execute(query)).all()))


async def release(
    session: AsyncSession,
    contracts: Mapping[int, str],
    *,
    checksum: str,
    version: str,
    policy: str,
    actor: str,
    why: str,
    now: datetime,
) -> int:
    """A person looked at what is proposed and lets it happen, within `RELEASE_VALID`; returns the release's id.

    `contracts`: each with the line that it may get. Ends every hold: what still is a reason holds the next time.
    """
    await journal.lock(session)
    made = BrakeRelease(
        at=now,
        until_at=now + RELEASE_VALID,
        actor=actor,
        why=why,
        checksum=checksum,
        version=version,
        policy_sha256=policy,
    )
    session.add(made)
    await session.flush()
    rows = [{"release_id": made.id, "contract_id": contract, "line": line} for contract, line in contracts.items()]
    if rows:
        await session.execute(insert(Released), rows)
    reasons = [each.why for each in await open_holds(session)]
    ending = update(BrakeHold).where(BrakeHold.ended_at.is_(None))
    await session.execute(ending.values(ended_at=now, release_id=made.id))
    detail = {
        "release": made.id,
        "checksum": checksum,
        "reasons": ",".join(sorted(set(reasons))),
        "notices": sum(line == "notice" for line in contracts.values()),
        "suspensions": sum(line == "suspended" for line in contracts.values()),
    }
    await journal.append(session, at=now, actor=actor, action="brake.released", detail=detail, why=why)
    return made.id


# ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run, for people."""

    run: int
    at: datetime
    notices: int
    suspensions: int
    undone_at: datetime | None

    @property
    def counts(self) -> str:
        """How many it restricted, in words."""
        return f"{counted(self.notices, 'notice')}, {counted(self.suspensions, 'suspension')}"

    def as_json(self) -> dict[str, object]:
        return asdict(self)


async def begin_run(session: AsyncSession, now: datetime) -> int:
    """A new run, for restrictions that were decided together."""
    run = Run(at=now)
    session.add(run)
    await session.flush()
    return run.id


async def write_restrictions(
    session: AsyncSession, run_id: int, lines: Mapping[int, str], released_ids: Collection[int], now: datetime
) -> None:
    """Contracts whose line the run makes stricter."""
    rows = [
        {"run_id": run_id, "contract_id": each, "line": line, "at": now, "is_released": each in released_ids}
        for each, line in lines.items()
    ]
    if rows:
        await session.execute(insert(Restriction), rows)


async def restricted_lately(session: AsyncSession, now: datetime) -> dict[str, int]:
    """Line -> contracts that got it in the last 24 hours without a person's release.

    A clock that was ahead left rows of a day to come: they count, too.
    """
    query = (
        select(Restriction.line, func.count(func.distinct(Restriction.contract_id)))
        .where(Restriction.at > now - ROLLING, Restriction.is_released.is_(False))
        .group_by(Restriction.line)
    )
    return dict(iter((await session.execute(query)).all()))


async def last_runs(session: AsyncSession, limit: int = 10) -> list[RunSummary]:
    """The newest runs, newest first."""
    runs = (await session.scalars(select(Run).order_by(Run.id.desc()).limit(limit))).all()
    counts = await _counts(session, [run.id for run in runs])
    return [
        RunSummary(
            run.id, run.at, counts.get((run.id, "notice"), 0), counts.get((run.id, "suspended"), 0), run.undone_at
        )
        for run in runs
    ]


async def _counts(session: AsyncSession, run_ids: Sequence[int]) -> dict[tuple[int, str], int]:
    query = (
        select(Restriction.run_id, Restriction.line, func.count())
        .where(Restriction.run_id.in_(run_ids))
        .group_by(Restriction.run_id, Restriction.line)
    )
    return {(run_id, line): count for run_id, line, count in await session.execute(query)}


async def contracts_of_run(session: AsyncSession, run_id: int) -> list[int]:
    """Whom a run restricted."""
    return list((await session.scalars(select(Restriction.contract_id).where(Restriction.run_id == run_id))).all())


async def mark_undone(session: AsyncSession, run_id: int, now: datetime) -> None:
    await session.execute(update(Run).where(Run.id == run_id).values(undone_at=now))


# ── how many there are ──────────────────────────────────────────────────────────────────────────────────────────


async def contracts_count(session: AsyncSession) -> int:
    return await session.scalar(select(func.count()).select_from(Contract)) or 0


async def open_lines_count(session: AsyncSession) -> int:
    """Contracts with an address that are neither noticed nor suspended."""
    with_address = select(func.count(func.distinct(Service.contract_id)))
    with_address = with_address.join(ServiceAddress, ServiceAddress.service_id == Service.id)
    restricted = select(func.count()).select_from(Standing)
    restricted = restricted.where(Standing.stage.in_([Stage.NOTICE.value, Stage.SUSPENDED.value]))
    return max(0, (await session.scalar(with_address) or 0) - (await session.scalar(restricted) or 0))
