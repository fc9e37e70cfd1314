"""Numbers of documents: one series for each kind and year, without a gap.

A number is taken in the transaction that issues its document, so a transaction that fails gives it back. The
series' row is locked until then, which is why issuing documents takes turns.
"""

from dataclasses import dataclass

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoicing.tables import NumberSeries
from config.errors import NotAllowed
from config.settings import Invoicing


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers that were taken, and the series that they are of."""

    series_id: int
    texts: tuple[str, ...]


async def take(session: AsyncSession, settings: Invoicing, kind: str, year: int, count: int) -> Numbers:
    """The next `count` numbers of a kind (`invoice`, `credit_note`) in a year; raises `NotAllowed` when it is full.

    The caller holds `journal.lock`, so that on SQLite and PostgreSQL alike nobody else takes one meanwhile.
    """
    query = select(NumberSeries).where(NumberSeries.kind == kind, NumberSeries.year == year).with_for_update()
    series = await session.scalar(query)
    if series is None:
        prefix, digits = _form(settings, kind, year)
        row = {"kind": kind, "year": year, "prefix": prefix, "digits": digits, "next": 1}
        await session.execute(insert(NumberSeries).values(**row))
        series = await session.scalar(query)
        assert series is not None
    first, last = series.next, series.next + count - 1
    if last >= 10**series.digits:
        raise NotAllowed(
            f"The {kind} numbers of {year} are used up: {series.prefix} has room for {series.digits} digits.",
            "Give [invoicing] more digits; they count from the next year on.",
        )
    await session.execute(update(NumberSeries).where(NumberSeries.id == series.id).values(next=last + 1))
    await session.refresh(series)
    return Numbers(series.id, tuple(f"{series.prefix}{n:0{series.digits}d}" for n in range(first, last + 1)))


def _form(settings: Invoicing, kind: str, year: int) -> tuple[str, int]:
    """Prefix and digits, as the settings say when the first number of a year is taken."""
    prefix: str = getattr(settings, f"{kind}_prefix")
    return prefix.format(yy=f"{year % 100:02d}", yyyy=year), getattr(settings, f"{kind}_digits")
