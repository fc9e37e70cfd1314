"""Numbers of documents: one series for each kind and year, without a gap.

A number is taken in the transaction that issues its document, so a transaction that fails gives it back. The
series' row is locked until then, which is why issuing documents takes turns.

Invoices of another program must not have numbers of a series: a series does not begin where they have some
(`require_free`), and none is imported into one that has begun (`series_of`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoicing.tables import Invoice, NumberSeries
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
        await require_free(session, settings, kind, year)
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


async def require_free(session: AsyncSession, settings: Invoicing, kind: str, year: int) -> None:
    """Raises `NotAllowed` when documents of another program have numbers of a series that has not begun yet."""
    has_begun = select(NumberSeries.id).where(NumberSeries.kind == kind, NumberSeries.year == year)
    if await session.scalar(has_begun) is not None:
        return
    prefix, digits = _form(settings, kind, year)
    alike = (func.length(Invoice.number) == len(prefix) + digits) & Invoice.number.startswith(prefix)
    query = select(func.count(), func.min(Invoice.number), func.max(Invoice.number)).where(alike)
    count, first, last = (await session.execute(query)).one()
    if count:
        which = f"Invoice {first}" if count == 1 else f"{count} invoices from {first} to {last}"
        raise NotAllowed(
            f"{which} of another program would get in the way of the {kind.replace('_', ' ')} numbers of {year}, "
            f"which begin with {prefix}{1:0{digits}d}.",
            f'Give them another beginning, for example [invoicing] {kind}_prefix = "7{{yy}}", {kind}_digits = 7.',
        )


async def series_of(session: AsyncSession, numbers: Sequence[str]) -> dict[str, str]:
    """Of these numbers those that Hradlo has given out or will give out, each with its series in words."""
    begun = (await session.scalars(select(NumberSeries))).all()
    return {
        number: f"{series.kind.replace('_', ' ')}s of {series.year}"
        for series in begun
        for number in numbers
        if len(number) == len(series.prefix) + series.digits and number.startswith(series.prefix)
    }


def _form(settings: Invoicing, kind: str, year: int) -> tuple[str, int]:
    """Prefix and digits, as the settings say when the first number of a year is taken."""
    prefix: str = getattr(settings, f"{kind}_prefix")
    return prefix.format(yy=f"{year % 100:02d}", yyyy=year), getattr(settings, f"{kind}_digits")
