"""What engines last said of their sites. A site that nobody spoke of for some minutes is unknown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.services.tables import ServiceAddress, ServiceBinding, SiteReport

UNKNOWN_AFTER = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Report:
    """One site, as its engine sees it."""

    site: str
    restricted: int
    """Addresses whose lines are not open."""
    trouble: str
    """Why it is not reached; empty when it is."""


@dataclass(frozen=True, slots=True)
class SiteView:
    """One site, as anybody sees it."""

    site: str
    state: str
    """`enforced`, `not reached`, or `unknown`"""
    restricted: int
    engine: str
    """Who enforces it: host and process."""
    is_on_duty: bool
    """That engine sends the mail and asks the bank, too."""
    seen_at: datetime | None
    trouble: str


async def report(
    session: AsyncSession, reports: Sequence[Report], *, engine: str, is_on_duty: bool, now: datetime
) -> None:
    """Keeps what an engine says of its sites; it is no fact about anybody, so the journal does not have it."""
    await session.execute(delete(SiteReport).where(SiteReport.site.in_([each.site for each in reports])))
    common = {"engine": engine, "is_on_duty": is_on_duty, "seen_at": now}
    rows = [{"site": one.site, "restricted": one.restricted, "trouble": one.trouble, **common} for one in reports]
    await session.execute(insert(SiteReport), rows)


async def sites(session: AsyncSession, now: datetime) -> list[SiteView]:
    """Every site that was ever reported, or that addresses or bindings are at, by name."""
    reports = {row.site: row for row in await session.scalars(select(SiteReport))}
    named = set(await session.scalars(select(ServiceAddress.site).distinct()))
    named |= set(await session.scalars(select(ServiceBinding.site).distinct()))
    return [_view(site, reports.get(site), now) for site in sorted(named | reports.keys())]


def _view(site: str, found: SiteReport | None, now: datetime) -> SiteView:
    if found is None:
        return SiteView(site, "unknown", 0, "", False, None, "no engine has ever enforced it")
    is_silent = now - found.seen_at > UNKNOWN_AFTER
    state = "unknown" if is_silent else "not reached" if found.trouble else "enforced"
    is_on_duty = found.is_on_duty and not is_silent
    return SiteView(site, state, found.restricted, found.engine, is_on_duty, found.seen_at, found.trouble)
