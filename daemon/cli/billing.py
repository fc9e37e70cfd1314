"""Commands that make invoices: bill, credit, sell, unsell, product, service."""

from functools import partial
from typing import Any

import typer
from rich.progress import Progress
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning.operations import contract_id_of
from billing.importing import iso_date
from billing.invoicing import credit_notes, mails
from billing.invoicing.run import FAR_DAYS, Totals, require_near
from billing.invoicing.run import bill as run_bill
from billing.money import Money
from billing.services import contracts
from billing.store.engine import Store
from config.counting import counted
from daemon.cli.context import Context, JsonOption, WhyOption, out, run
from daemon.cli.typed import given, needed
from daemon.contract_report import SERVICE_COLUMNS
from daemon.engine_lock import engine_state
from daemon.terminal import console, table
from daemon.witness import require_believed_clock

products = typer.Typer(no_args_is_help=True, help="What you sell, with dated prices.")
services = typer.Typer(no_args_is_help=True, help="A contract's services: stop, pause, resume, price, period, billed.")

DayOption = typer.Option("", metavar="DAY", help="Like 2026-12-24; without it, today.")


# ── invoices ────────────────────────────────────────────────────────────────────────────────────────────────────


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


def sell(
    contract: str,
    product: str,
    price: str = typer.Option("", help="Per piece, with VAT; without it, the product's price."),
    quantity: int = typer.Option(1, min=1, max=10_000),
    serial_number: str = typer.Option("", help="For warranty claims; several are separated by spaces."),
    on: str = DayOption,
) -> None:
    """Goods for the contract's next invoice."""

    async def work(context: Context, store: Store) -> int:
        async with store.transaction() as session:
            return await contracts.sell(
                session,
                contract,
                product,
                unit_price=given(Money.parse, price, "--price"),
                quantity=quantity,
                serial_number=serial_number,
                supplied_on=given(iso_date, on, "--on") or context.today,
                actor=context.actor,
                now=context.clock.now(),
            )

    sale = run(work)
    typer.echo(f"{quantity} × {product} will be on the next invoice of contract {contract}.")
    typer.echo(f"Until then `hradlo unsell {sale}` takes it back.")


def unsell(
    sale: int = typer.Argument(..., metavar="SALE", help="Its number, as `sell` and `show` say it."),
    why: str = WhyOption,
) -> None:
    """Takes back what was sold, as long as no invoice has it."""

    async def work(context: Context, store: Store) -> None:
        async with store.transaction() as session:
            await contracts.unsell(session, sale, why=why, actor=context.actor, now=context.clock.now())

    run(work)
    typer.echo(f"Sale {sale} is taken back.")


# ── products ────────────────────────────────────────────────────────────────────────────────────────────────────


@products.command("set")
def set_product(
    kind: str = typer.Argument(..., help="internet, insurance, voip, goods or other"),
    name: str = typer.Argument(...),
    price: str = typer.Option("", help="With VAT; per month, of goods per piece."),
    from_: str = typer.Option("", "--from", metavar="DAY", help="The price counts from this day; without it, today."),
    vat: str = typer.Option("", help="VAT category: standard, reduced, exempt …"),
    bills_suspended: bool | None = typer.Option(
        None, "--bill-suspended/--skip-suspended", help="Invoice periods that begin while the line is suspended."
    ),
) -> None:
    """Adds a product, or changes it."""

    async def work(context: Context, store: Store) -> None:
        async with store.transaction() as session:
            await contracts.set_product(
                session,
                kind,
                name,
                vat_category=vat or None,
                bills_suspended=bills_suspended,
                price=given(Money.parse, price, "--price"),
                valid_from_on=given(iso_date, from_, "--from") or context.today,
                actor=context.actor,
                now=context.clock.now(),
            )

    run(work)
    typer.echo(f"{kind} {name} is set.")


@products.command("list")
def list_products(json: bool = JsonOption) -> None:
    """Every product with today's price."""

    async def work(context: Context, store: Store) -> list[dict[str, str]]:
        async with store.reading() as session:
            found = await contracts.products(session, context.today)
        return [
            {
                "kind": each.kind,
                "name": each.name,
                "price": str(each.price) if each.price is not None else "",
                "vat": each.vat_category,
                "while_suspended": "invoiced" if each.bills_suspended else "skipped",
            }
            for each in found
        ]

    rows = run(work)
    columns = ("kind", "name", "price", "VAT", "while suspended")
    if json:
        out(rows)
    else:
        table("Products", columns, [list(row.values()) for row in rows])


# ── services ────────────────────────────────────────────────────────────────────────────────────────────────────


@services.command("list")
def list_services(contract: str, json: bool = JsonOption) -> None:
    """A contract's services, with the numbers that the other commands want."""

    async def work(context: Context, store: Store) -> list[dict[str, str]]:
        async with store.reading() as session:
            found = await contracts.services_of(session, await contract_id_of(session, contract), context.today)
        return [each.as_json() for each in found]

    rows = run(work)
    if json:
        out(rows)
    else:
        table("Services", SERVICE_COLUMNS, [list(row.values()) for row in rows])


@services.command()
def stop(service: int, on: str = typer.Option(..., metavar="DAY", help="The last day."), why: str = WhyOption) -> None:
    """Ends a service."""
    ends_on = given(iso_date, on, "--on")
    assert ends_on is not None
    advice = _change(contracts.stop, service, ends_on=ends_on, why=why)
    typer.echo(" ".join(filter(None, [f"Service {service} ends {ends_on}.", advice])))


@services.command()
def pause(
    service: int,
    from_: str = typer.Option(..., "--from", metavar="DAY", help="The first day that is not billed."),
    until: str = typer.Option("", metavar="DAY", help="The last one; without it, until it is resumed."),
    why: str = WhyOption,
) -> None:
    """Does not bill a service for some days."""
    _change(
        contracts.pause,
        service,
        from_on=given(iso_date, from_, "--from"),
        until_on=given(iso_date, until, "--until"),
        why=why,
    )
    typer.echo(f"Service {service} is paused from {from_}.")


@services.command()
def resume(service: int, on: str = typer.Option(..., metavar="DAY", help="The first day that is billed.")) -> None:
    """Ends a pause."""
    _change(contracts.resume, service, on=given(iso_date, on, "--on"))
    typer.echo(f"Service {service} is billed again from {on}.")


@services.command()
def price(
    service: int,
    amount: str = typer.Argument(..., help="Per month, with VAT."),
    from_: str = typer.Option(..., "--from", metavar="DAY", help="The first day of the new price."),
    why: str = WhyOption,
) -> None:
    """Agrees a price for one service."""
    _change(
        contracts.set_price,
        service,
        needed(Money.parse, amount, "AMOUNT"),
        valid_from_on=needed(iso_date, from_, "--from"),
        why=why,
    )
    typer.echo(f"Service {service} costs {amount} from {from_}.")


@services.command()
def period(service: int, months: int = typer.Argument(..., help="1, 3 or 12")) -> None:
    """How many months are invoiced at once."""
    _change(contracts.set_period, service, months)
    typer.echo(f"Service {service} is invoiced by {counted(months, 'month')}.")


@services.command()
def billed(
    service: int,
    until: str = typer.Option(..., metavar="DAY", help="The last day that another program has invoiced."),
    why: str = WhyOption,
) -> None:
    """Says until when another program has invoiced a service: Hradlo goes on from the next day."""
    _change(contracts.set_billed_until, service, given(iso_date, until, "--until"), why=why)
    typer.echo(f"Service {service} counts as invoiced until {until}.")


def _change(change: Any, *arguments: Any, **named: Any) -> Any:
    async def work(context: Context, store: Store) -> Any:
        async with store.transaction() as session:
            return await change(session, *arguments, **named, actor=context.actor, now=context.clock.now())

    return run(work)
