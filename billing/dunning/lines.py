"""What was last recorded that the network does to lines, by site and over all sites."""

from sqlalchemy import Subquery, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning.tables import Line
from billing.services.tables import Service, ServiceAddress


async def lines(session: AsyncSession, site: str) -> dict[int, str]:
    """The restricted lines of a site: contract id -> `notice` or `suspended`."""
    rows = await session.execute(select(Line.contract_id, Line.state).where(Line.site == site))
    return dict(iter(rows.all()))


async def left_behind(session: AsyncSession) -> dict[str, dict[int, str]]:
    """Site -> contract id -> restricted line, where the contract has no address any more.

    The site's own engine sees to it; of a site that is no more, nobody would.
    """
    # All addresses once: asked for each line, SQLite would look through a whole site again and again.
    there = (
        select(ServiceAddress.site, Service.contract_id)
        .join(Service, Service.id == ServiceAddress.service_id)
        .distinct()
        .subquery()
    )
    is_there = (there.c.site == Line.site) & (there.c.contract_id == Line.contract_id)
    query = select(Line.site, Line.contract_id, Line.state).outerjoin(there, is_there)
    found: dict[str, dict[int, str]] = {}
    for site, contract_id, state in await session.execute(query.where(there.c.contract_id.is_(None))):
        found.setdefault(site, {})[contract_id] = state
    return found


def strictest_lines(site: str | None = None) -> Subquery:
    """Contract id and its line at a site, or the strictest of all sites; who is open there is not in it."""
    # the strictest is the last one in the alphabet, too: notice, suspended
    query = select(Line.contract_id, func.max(Line.state).label("state")).group_by(Line.contract_id)
    return (query if site is None else query.where(Line.site == site)).subquery()
