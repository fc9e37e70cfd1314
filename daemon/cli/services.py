"""Commands about what is sold by the month: product, service."""

from typing import Any

import typer

from billing.dunning.operations import contract_id_of
from billing.importing import iso_date
from billing.money import Money
from billing.services import contracts, products
from billing.store.engine import Store
from config.counting import counted
from daemon.cli.context import Context, JsonOption, WhyOption, out, run
from daemon.cli.typed import Id, given, needed
from daemon.contract_report import SERVICE_COLUMNS
from daemon.terminal import table

products_app = typer.Typer(no_args_is_help=True, help="What you sell, with dated prices.")
services_app = typer.Typer(
    no_args_is_help=True, help="A contract's services: stop, pause, resume, price, period, billed."
)


# ── products ────────────────────────────────────────────────────────────────────────────────────────────────────


@products_app.command("set")
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
            await products.set_product(
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


@products_app.command("list")
def list_products(json: bool = JsonOption) -> None:
    """Every product with today's price."""

    async def work(context: Context, store: Store) -> list[dict[str, str]]:
        async with store.reading() as session:
            found = await products.products(session, context.today)
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


@services_app.command("list")
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


@services_app.command()
def stop(service: Id, on: str = typer.Option(..., metavar="DAY", help="The last day."), why: str = WhyOption) -> None:
    """Ends a service."""
    ends_on = needed(iso_date, on, "--on")
    advice = _change(contracts.stop, service, ends_on=ends_on, why=why)
    typer.echo(" ".join(filter(None, [f"Service {service} ends {ends_on}.", advice])))


@services_app.command()
def pause(
    service: Id,
    from_: str = typer.Option(..., "--from", metavar="DAY", help="The first day that is not billed."),
    until: str = typer.Option("", metavar="DAY", help="The last one; without it, until it is resumed."),
    why: str = WhyOption,
) -> None:
    """Does not bill a service for some days."""
    _change(
        contracts.pause,
        service,
        from_on=needed(iso_date, from_, "--from"),
        until_on=given(iso_date, until, "--until"),
        why=why,
    )
    typer.echo(f"Service {service} is paused from {from_}.")


@services_app.command()
def resume(service: Id, on: str = typer.Option(..., metavar="DAY", help="The first day that is billed.")) -> None:
    """Ends a pause."""
    _change(contracts.resume, service, on=needed(iso_date, on, "--on"))
    typer.echo(f"Service {service} is billed again from {on}.")


@services_app.command()
def price(
    service: Id,
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


@services_app.command()
def period(service: Id, months: int = typer.Argument(..., help="1, 3 or 12")) -> None:
    """How many months are invoiced at once."""
    _change(contracts.set_period, service, months)
    typer.echo(f"Service {service} is invoiced by {counted(months, 'month')}.")


@services_app.command()
def billed(
    service: Id,
    until: str = typer.Option(..., metavar="DAY", help="The last day that another program has invoiced."),
    why: str = WhyOption,
) -> None:
    """Says until when another program has invoiced a service: Hradlo goes on from the next day."""
    _change(contracts.set_billed_until, service, needed(iso_date, until, "--until"), why=why)
    typer.echo(f"Service {service} counts as invoiced until {until}.")


def _change(change: Any, *arguments: Any, **named: Any) -> Any:
    async def work(context: Context, store: Store) -> Any:
        async with store.transaction() as session:
            return await change(session, *arguments, **named, actor=context.actor, now=context.clock.now())

    return run(work)
