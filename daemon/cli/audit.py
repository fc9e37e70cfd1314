"""Commands about the record: audit, audit verify, audit accept-clock."""

from datetime import datetime

import typer
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract
from billing.payments import invariants
from billing.store import clock_guard, journal
from billing.store.engine import Store
from billing.store.tables import JournalEntry
from billing.voip import invariants as voip_invariants
from config.errors import JournalBroken, Problem
from daemon.cli.context import Context, JsonOption, WhyOption, current, out, run
from daemon.terminal import table

app = typer.Typer(help="Who did what, when and why.", invoke_without_command=True)


def register(program: typer.Typer) -> None:
    program.add_typer(app, name="audit")


@app.callback()
def newest(
    context: typer.Context, last: int = typer.Option(50, min=1, help="So many entries."), json: bool = JsonOption
) -> None:
    """The newest entries of the journal."""
    if context.invoked_subcommand:
        return

    async def work(context: Context, store: Store) -> list[dict[str, object]]:
        async with store.reading() as session:
            return await _newest(session, last)

    rows = run(work)
    if json:
        out(rows)
    else:
        table(
            "Journal", ("id", "when", "who", "what", "contract", "detail", "why"), [list(row.values()) for row in rows]
        )


async def _newest(session: AsyncSession, count: int) -> list[dict[str, object]]:
    query = (
        select(JournalEntry, Contract.number)
        .outerjoin(Contract, Contract.id == JournalEntry.contract_id)
        .order_by(JournalEntry.id.desc())
        .limit(count)
    )
    rows = (await session.execute(query)).all()
    return [
        {
            "id": entry.id,
            "at": entry.at.isoformat(timespec="seconds"),
            "actor": entry.actor,
            "action": entry.action,
            "contract": number or "",
            "detail": entry.detail,
            "why": entry.why,
        }
        for entry, number in reversed(rows)
    ]


@app.command()
def verify(json: bool = JsonOption) -> None:
    """Checks the journal's chain and every invariant of the ledger and of calls; exit code 1 when one is broken."""

    async def work(context: Context, store: Store) -> tuple[int, list[Problem]]:
        async with store.reading() as session:
            try:
                count, problems = await journal.verify(session), []
            except JournalBroken as error:
                count, problems = 0, [Problem("journal", str(error))]
            books = [*await invariants.verify(session), *await voip_invariants.verify(session)]
            return count, problems + books

    count, problems = run(work)
    if json:
        out({"journal_entries": count, "problems": [str(problem) for problem in problems]})
    else:
        for problem in problems:
            typer.echo(str(problem))
        typer.echo(f"{count} journal entries; {len(problems) or 'no'} problem{'s' if len(problems) != 1 else ''}.")
    if problems:
        raise typer.Exit(1)


@app.command("accept-clock")
def accept_clock(why: str = WhyOption) -> None:
    """Says that the clock is right, and that later entries of the journal were written by one that was ahead."""

    async def work(context: Context, store: Store) -> datetime:
        now = context.clock.now()
        async with store.transaction() as session:
            await clock_guard.accept(session, actor=context.actor, why=why, now=now)
        return now

    now = run(work)
    current.ring()
    typer.echo(f"The clock is accepted: it is {now:%Y-%m-%d %H:%M} UTC.")
