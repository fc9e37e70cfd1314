"""How everything is, on one page, with what to do next."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract
from billing.dunning import brake
from billing.dunning.lines import strictest_lines
from billing.dunning.reading import IS_PARKED
from billing.dunning.tables import Standing
from billing.payments.tables import BankStatement, Payment
from billing.services.sites import SiteView, sites
from billing.store import outbox
from billing.store.clock_guard import require_plausible
from billing.store.engine import Store
from billing.voip.tables import IS_WAITING as IS_CALL_WAITING
from config.counting import counted
from config.errors import ClockBehind
from config.settings import Settings
from daemon.engine_lock import engine_state
from enforcement.brake import Why


@dataclass(frozen=True, slots=True)
class Status:
    """Counts of everything that moves."""

    engine: str
    """`running`, `stopped`, or `unknown` to who may not ask"""
    clock: str
    """`good`, or what is wrong with it"""
    mode: str
    """`enforce` or `monitor`"""
    admin: str
    """Who is told by mail when something is held"""
    brake: str
    """`go`, or why new restrictions are held"""
    last_run: str
    """The last restrictions that were decided together; `hradlo undo` takes them back"""
    contracts: int
    reminded: int
    notice: int
    acknowledged: int
    suspended: int
    parked: int
    lines_in_notice: int
    lines_suspended: int
    payments_waiting: int
    calls_waiting: int
    mails_waiting: int
    mails_failed: int
    mails_expired: int
    last_statement_imported_at: str
    sites: tuple[SiteView, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def rows(self) -> Iterator[tuple[str, object]]:
        """What stands on the page, but for the sites."""
        yield from ((name, value) for name, value in self.as_json().items() if name != "sites")

    def advice(self) -> Iterator[str]:
        """What a person should do, most urgent first."""
        if self.engine == "stopped":
            yield "No engine runs here: lines stay as they are. Start it: systemctl start hradlo"
        if self.clock != "good":
            yield self.clock
        yield from self._advice_on_the_brake()
        yield from self._advice_on_sites()
        if self.parked:
            parked = counted(self.parked, "contract is", "contracts are")
            yield f"{parked} parked for absurd facts: hradlo doctor says which and why."
        if self.payments_waiting:
            waiting = counted(self.payments_waiting, "payment waits", "payments wait")
            yield f"{waiting} for a person: hradlo payments unmatched"
        if self.calls_waiting:
            waiting = counted(self.calls_waiting, "telephone call waits", "telephone calls wait")
            yield f"{waiting} for a person: hradlo voip calls waiting"
        if self.mails_failed:
            yield f"{counted(self.mails_failed, 'mail was', 'mails were')} refused for good: hradlo mails failed"
        if not self.last_statement_imported_at:
            yield "No bank statement was ever imported: hradlo payments import FILE"

    def _advice_on_sites(self) -> Iterator[str]:
        """Of a single gateway, that its engine is stopped says it all."""
        lost = [site for site in self.sites if site.state != "enforced"]
        for site in lost if self.engine == "running" or len(self.sites) > 1 else ():
            why = f": {site.trouble}" if site.trouble else ""
            last = f", last heard of {site.seen_at:%Y-%m-%d %H:%M} UTC" if site.seen_at else ""
            yield f"Site {site.site} is {site.state}{last}{why}. Its lines stay as they were."

    def _advice_on_the_brake(self) -> Iterator[str]:
        if self.mode == "monitor":
            yield "It only monitors: nobody is restricted. Whom it would restrict: hradlo brake show (docs/brake.md)."
        elif self.brake != "go":
            yield "New restrictions are held until somebody has looked: hradlo brake show"
        if not self.admin:
            yield "Nobody is told by mail when restrictions are held: set [mail] admin."


async def read_status(store: Store, settings: Settings, now: datetime) -> Status:
    async with store.reading() as session:
        stages = await _counts(session, Standing.stage)
        lines = await _counts(session, strictest_lines().c.state)
        imported_at = await session.scalar(select(func.max(BankStatement.imported_at)))
        return Status(
            engine=engine_state(settings.daemon.runtime_directory),
            clock=await _clock_state(session, now),
            mode=settings.enforcement.mode,
            admin=settings.mail.admin,
            brake=await brake_state(session),
            last_run=await _last_run(session, settings),
            contracts=await _count(session, Contract.id.is_not(None)),
            reminded=stages.get("reminded", 0),
            notice=stages.get("notice", 0),
            acknowledged=stages.get("acknowledged", 0),
            suspended=stages.get("suspended", 0),
            parked=await _count(session, IS_PARKED),
            lines_in_notice=lines.get("notice", 0),
            lines_suspended=lines.get("suspended", 0),
            payments_waiting=await _count(session, Payment.state == "waiting"),
            calls_waiting=await _count(session, IS_CALL_WAITING),
            mails_waiting=await _count(session, outbox.IS_WAITING),
            mails_failed=await _count(session, outbox.IS_FAILED),
            mails_expired=await _count(session, outbox.IS_EXPIRED),
            last_statement_imported_at=_local(imported_at, settings),
            sites=tuple(await sites(session, now)),
        )


async def brake_state(session: AsyncSession) -> str:
    """`go`, or the reasons for which the engines hold new restrictions; for metrics, too."""
    whys = {each.why for each in await brake.open_holds(session)}
    if await brake.accepted(session) is None:
        whys.add(Why.FIRST)  # whether an engine has looked yet or not
    return ", ".join(sorted(whys)) or "go"


async def _last_run(session: AsyncSession, settings: Settings) -> str:
    for run in await brake.last_runs(session, 1):
        undone = ", undone" if run.undone_at else ""
        counts = f"{run.counts}{undone}"
        return f"{run.run} ({_local(run.at, settings)}): {counts}"
    return ""


async def _clock_state(session: AsyncSession, now: datetime) -> str:
    try:
        await require_plausible(session, now)
    except ClockBehind as error:
        return str(error)
    return "good"


def _local(at: datetime | None, settings: Settings) -> str:
    return at.astimezone(settings.zone).isoformat(sep=" ", timespec="minutes") if at else ""


async def _counts(session: AsyncSession, column: Any) -> dict[str, int]:
    rows = (await session.execute(select(column, func.count()).group_by(column))).all()
    return {str(name): int(count) for name, count in rows}


async def _count(session: AsyncSession, condition: ColumnElement[bool]) -> int:
    return await session.scalar(select(func.count()).where(condition)) or 0
