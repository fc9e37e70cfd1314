"""What was last recorded that the network does to lines, by site and over all sites."""

from sqlalchemy import Subquery, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning.tables import Line


async def lines(session: AsyncSession, site: str) -> dict[int, str]:
    """The restricted lines of a site: contract id -> `notice` or `suspended`."""
    rows = await session.execute(select(Line.contract_id, Line.state).where(Line.site == site))
    return dict(iter(rows.all()))


def strictest_lines() -> Subquery:
    """Contract id and the strictest state of its lines; contracts that are open everywhere are not in it."""
    # the strictest is the last one in the alphabet, too: notice, suspended
    return select(Line.contract_id, func.max(Line.state).label("state")).group_by(Line.contract_id).subquery()
