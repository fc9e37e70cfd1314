"""Commands about goods that are sold once: sell, unsell."""

import typer

from billing.importing import iso_date
from billing.money import Money
from billing.services import goods
from billing.store.engine import Store
from daemon.cli.context import Context, WhyOption, run
from daemon.cli.typed import given, id_


def sell(
    contract: str,
    product: str,
    price: str = typer.Option("", help="Per piece, with VAT; without it, the product's price."),
    quantity: int = typer.Option(1, min=1, max=10_000),
    serial_number: str = typer.Option("", help="For warranty claims; several are separated by spaces."),
    on: str = typer.Option("", metavar="DAY", help="Like 2026-12-24; without it, today."),
) -> None:
    """Goods for the contract's next invoice."""

    async def work(context: Context, store: Store) -> int:
        async with store.transaction() as session:
            return await goods.sell(
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
    sale: int = typer.Argument(..., callback=id_, metavar="SALE", help="Its number, as `sell` and `show` say it."),
    why: str = WhyOption,
) -> None:
    """Takes back what was sold, as long as no invoice has it."""

    async def work(context: Context, store: Store) -> None:
        async with store.transaction() as session:
            await goods.unsell(session, sale, why=why, actor=context.actor, now=context.clock.now())

    run(work)
    typer.echo(f"Sale {sale} is taken back.")
