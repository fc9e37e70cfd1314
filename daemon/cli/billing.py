"""Commands that make invoices: bill, credit."""

from functools import partial
from typing import Any

import typer
from rich.progress import Progress
from sqlalchemy.ext.asyncio import AsyncSession

from billing.importing import iso_date
from billing.invoicing import credit_notes, mails
from billing.invoicing.run import FAR_DAYS, Totals, require_near
from billing.invoicing.run import bill as run_bill
from billing.money import Money
from billing.store.engine import Store
from config.counting import counted
from daemon.cli.context import Context, JsonOption, out, run
from daemon.cli.typed import given
from daemon.engine_lock import engine_state
from daemon.terminal import console, table
from daemon.witness import require_believed_clock


def bill(
    date: str = typer.Option("", "--date", metavar="DAY", help="Everything due until this day; without it, today."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what it would do, and write nothing."),
    far: bool = typer.Option(False, "--far", help=f"Also what is more than {FAR_DAYS} days from today."),
    json: bool = JsonOption,
) -> None:
    """Recurring invoices and sold goods: whatever is due and not invoiced yet. Run it as often as you like."""
    done = run(partial(_bill, text=date, dry_run=dry_run, far=far, quiet=json))
    if json:
        out(_as_json(done, dry_run))
    else:
        _print(done, dry_run)


async def _bill(context: Context, store: Store, *, text: str, dry_run: bool, far: bool, quiet: bool) -> Totals:
    now, settings = context.clock.now(), context.settings
    until_on = given(iso_date, text, "--date") or context.today
    done = Totals()
    if not dry_run and engine_state(settings.daemon.runtime_directory) == "running":
        require_believed_clock(settings.daemon.state_directory, context.clock)
    if not far:
        async with store.reading() as session:
            await require_near(session, until_on, context.today)

    async def announce(session: AsyncSession, invoice_ids: Any) -> None:
        await mails.announce(session, invoice_ids, settings=settings, now=now)

    with Progress(console=console(), transient=True, disable=quiet or not console().is_terminal) as progress:
        bar = progress.add_task("Invoices", total=None)
        async for batch, due in run_bill(
            store, settings, until_on=until_on, now=now, actor=context.actor, dry_run=dry_run, announce=announce
        ):
            done.add(batch)
            progress.update(bar, total=due, completed=done.contracts)
    if done.invoices and not dry_run:
        context.ring()
    return done


def _as_json(done: Totals, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "contracts": done.contracts,
        "invoices": done.invoices,
        "total": str(done.total),
        "from_on": done.from_on,
        "until_on": done.until_on,
        "lines_by_product": dict(done.by_product),
        "total_by_rate": {f"{category} {points / 100:g} %": str(sum_) for (category, points), sum_ in _rates(done)},
    }


def _rates(done: Totals) -> list[tuple[tuple[str, int], Money]]:
    return sorted(done.by_rate.items(), key=lambda each: -each[0][1])


def _print(done: Totals, dry_run: bool) -> None:
    table("Lines", ("product", "lines"), [[name, str(count)] for name, count in sorted(done.by_product.items())])
    rates = [[category, f"{points / 100:g} %", str(amount)] for (category, points), amount in _rates(done)]
    table("VAT rates", ("category", "rate", "with VAT"), rates)
    words = "would be issued" if dry_run else "issued"
    days = f", for {done.from_on} to {done.until_on}" if done.from_on else ""
    typer.echo(
        f"{counted(done.invoices, 'invoice')} {words}, {done.total} in all{days}; "
        f"{counted(done.contracts, 'contract')} looked at."
    )


def credit(
    invoice: str,
    line: list[int] = typer.Option([], "--line", help="Only these lines (their positions); without it, all."),
    bill_again: bool = typer.Option(False, "--bill-again", help="The next run invoices the periods anew."),
    why: str = typer.Option(..., "--why", help="The reason; it is printed on the credit note."),
) -> None:
    """Gives back an invoice, or lines of it, by a credit note. Issued invoices never change."""

    async def work(context: Context, store: Store) -> credit_notes.CreditNote:
        now = context.clock.now()
        async with store.transaction() as session:
            made = await credit_notes.credit(
                session,
                invoice,
                context.settings,
                positions=line,
                bills_again=bill_again,
                why=why,
                actor=context.actor,
                now=now,
            )
            await mails.announce(session, [made.id], settings=context.settings, now=now)
        context.ring()
        return made

    made = run(work)
    typer.echo(f"Credit note {made.number}: {made.total}.")
