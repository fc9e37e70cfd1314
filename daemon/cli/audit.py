"""Commands about the record: audit, audit verify, audit proof, audit accept-clock."""

from datetime import datetime
from pathlib import Path

import typer
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract
from billing.dunning import evidence
from billing.dunning.proof_page import proof_pdf
from billing.invoicing import seals
from billing.payments import invariants, journalled
from billing.store import clock_guard, journal
from billing.store.engine import Store
from billing.store.tables import JournalEntry
from billing.voip import invariants as voip_invariants
from config.counting import counted
from config.errors import InputRejected, JournalBroken, Problem
from daemon import witness
from daemon.cli.context import Context, JsonOption, WhyOption, current, out, run
from daemon.terminal import table

app = typer.Typer(help="Who did what, when and why.", invoke_without_command=True)


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
def verify(
    json: bool = JsonOption,
    mark: str = typer.Option("", help="ID:HASH of an entry, as a daily report has it: it must still be there."),
) -> None:
    """Checks the journal's chain, acknowledgements, documents, the ledger and calls; exit code 1 when one is broken."""
    known = _mark(mark)

    async def work(context: Context, store: Store) -> tuple[int, list[Problem]]:
        sight = witness.last_sight(context.settings.daemon.state_directory)  # before the database: it goes on meanwhile
        async with store.reading() as session:
            try:
                count, problems = await journal.verify(session, known), []
            except JournalBroken as error:
                count, problems = 0, [Problem("journal", str(error))]
            problems += [*await witness.verify(session, sight), *await evidence.verify(session)]
            problems += [*await seals.verify(session), *await journalled.verify(session)]
            return count, problems + await invariants.verify(session) + await voip_invariants.verify(session)

    count, problems = run(work)
    if json:
        out({"journal_entries": count, "problems": [str(problem) for problem in problems]})
    else:
        for problem in problems:
            typer.echo(str(problem))
        found = counted(len(problems), "problem") if problems else "no problems"
        typer.echo(f"{counted(count, 'journal entry', 'journal entries')}; {found}.")
    if problems:
        raise typer.Exit(1)


def _mark(text: str) -> journal.Mark | None:
    number, _, digest = text.partition(":")
    if not text:
        return None
    if not number.isdecimal() or not digest:
        raise InputRejected("Nothing was checked.", [Problem("--mark", "write it like 1234:9f86d081…")])
    return journal.Mark(int(number), digest.strip())


@app.command()
def proof(
    contract: str,
    notice: int | None = typer.Option(None, help="The notice's number; without it, the latest acknowledged one."),
    pdf: Path | None = typer.Option(None, "--pdf", metavar="FILE", help="Write the PDF there."),
    json: bool = JsonOption,
) -> None:
    """What a subscriber acknowledged, when and from where, and its place in the journal's chain."""

    async def work(context: Context, store: Store) -> evidence.Proof:
        async with store.reading() as session:
            return await evidence.proof(session, contract, notice)

    found = run(work)
    if pdf is not None:
        pdf.write_bytes(proof_pdf(found, current.settings))
        typer.echo(f"Wrote {pdf}.", err=True)
    if json:
        out(found.as_json())
    elif pdf is None:
        told = {**found.as_json(), "journal": f"entry {found.journal.id}, {found.journal.hash}"}
        table("Proof", ("what", "how"), [(name, str(value)) for name, value in told.items()])


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
