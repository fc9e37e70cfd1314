"""Commands about customers: a password for the portal, and the changes that they asked for there."""

import asyncio

import typer
from sqlalchemy import select

from billing.customers import logins, portal_changes
from billing.customers.passwords import hash_password, made_password
from billing.customers.tables import Customer
from billing.store.engine import Store
from config.errors import NotFound
from daemon.cli.context import Context, JsonOption, WhyOption, out, run
from daemon.cli.typed import Id
from daemon.terminal import table

app = typer.Typer(no_args_is_help=True, help="Customers and their portal.")


@app.command()
def password(customer: str) -> None:
    """Prints a new one-time password for the portal; the customer must choose another at the first log-in."""
    new = made_password()

    async def work(context: Context, store: Store) -> None:
        new_hash = await asyncio.to_thread(hash_password, new)
        async with store.transaction() as session:
            found = await logins.credentials(session, customer)
            if found is None:
                raise NotFound(
                    f"There is no customer {customer}.", "Customers are imported by `hradlo import customers`."
                )
            await logins.set_password(
                session, found.customer_id, new_hash, context.clock.now(), actor=context.actor, one_time=True
            )

    run(work)
    typer.echo(new)


@app.command()
def requests(json: bool = JsonOption) -> None:
    """Changes of name or address that customers asked for and nobody has decided yet."""

    async def work(context: Context, store: Store) -> list[dict[str, str]]:
        async with store.reading() as session:
            numbers = {row[0]: row[1] for row in await session.execute(select(Customer.id, Customer.number))}
            asked = await portal_changes.requests(session, is_open=True)
        return [
            {
                "id": str(one.id),
                "customer": numbers[one.customer_id],
                "asked_at": one.asked_at.astimezone(context.settings.zone).isoformat(timespec="minutes"),
                "wanted": ", ".join(f"{name}: {value}" for name, value in one.wanted.items()),
                "note": one.note,
            }
            for one in asked
        ]

    rows = run(work)
    if json:
        out(rows)
    else:
        table("Requests", ("id", "customer", "asked", "wanted", "note"), [list(row.values()) for row in rows])


@app.command()
def accept(request_id: Id, why: str = WhyOption) -> None:
    """Makes the change that a customer asked for."""
    _decide(request_id, why, is_accepted=True)


@app.command()
def refuse(request_id: Id, why: str = WhyOption) -> None:
    """Leaves everything as it is; the customer reads the reason in the portal."""
    _decide(request_id, why, is_accepted=False)


def _decide(request_id: int, why: str, *, is_accepted: bool) -> None:
    async def work(context: Context, store: Store) -> None:
        async with store.transaction() as session:
            await portal_changes.decide(
                session, request_id, is_accepted=is_accepted, actor=context.actor, why=why, now=context.clock.now()
            )

    run(work)
    typer.echo(f"Request {request_id} is {'accepted' if is_accepted else 'refused'}.")
