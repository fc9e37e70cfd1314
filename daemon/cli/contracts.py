"""Commands about contracts: show, forecast, promise, hold, exempt, release."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning import operations
from billing.dunning.forecast import forecast_all
from billing.dunning.policy import Policy
from billing.dunning.reading import load_facts
from billing.dunning.rules import WORDS
from billing.importing import iso_date
from billing.store.engine import Store
from config.counting import counted
from daemon.cli.context import Context, JsonOption, WhyOption, current, out, run
from daemon.cli.typed import needed
from daemon.contract_report import ContractReport, report
from daemon.terminal import table


def show(contract: str, json: bool = JsonOption) -> None:
    """Everything about one contract, with its timeline."""

    async def work(context: Context, store: Store) -> ContractReport:
        async with store.reading() as session:
            return await report(session, contract, context.settings, context.clock.now())

    found = run(work)
    if json:
        out(found.as_json())
    else:
        found.print()


def forecast(days: int = typer.Option(14, min=1, max=366, help="How far to look."), json: bool = JsonOption) -> None:
    """Who will be reminded, noticed and suspended, and when, if nobody pays or acknowledges."""

    async def work(context: Context, store: Store) -> list[dict[str, str]]:
        now, policy = context.clock.now(), Policy.from_settings(context.settings)
        async with store.reading() as session:
            facts = await load_facts(session)
        zone = context.settings.zone
        return [
            {
                "at": seen.at.astimezone(zone).isoformat(timespec="minutes"),
                "contract": seen.contract_number,
                "what": seen.what,
                "why": seen.why,
                "debt": str(seen.debt),
            }
            for seen in forecast_all(facts, policy, now, now + timedelta(days=days))
        ]

    rows = run(work)
    if json:
        out(rows)
    else:
        worded = [[*row.values()] for row in (row | {"why": WORDS.get(row["why"], row["why"])} for row in rows)]
        table(f"The next {counted(days, 'day')}", ("when", "contract", "what", "why", "debt"), worded)
        typer.echo("The brake is not reckoned with: what it holds now, says hradlo brake show.")
        if current.settings.enforcement.mode == "monitor":
            typer.echo("It only monitors: of this, nothing but the reminders before the notice happens.")


def promise(
    contract: str, until: str = typer.Option(..., help="The last protected day, like 2026-12-24."), why: str = WhyOption
) -> None:
    """Nothing happens to the contract up to and including a day."""
    until_on = needed(iso_date, until, "--until")

    async def write(session: AsyncSession, context: Context) -> None:
        now = context.clock.now()
        today = context.today
        await operations.promise(
            session, contract, until_on=until_on, actor=context.actor, why=why, today=today, now=now
        )

    _change(write, f"Contract {contract} is protected up to and including {until_on}.")


def hold(contract: str, why: str = WhyOption) -> None:
    """Nothing happens to the contract until it is released."""

    async def write(session: AsyncSession, context: Context) -> None:
        await operations.hold(session, contract, actor=context.actor, why=why, now=context.clock.now())

    _change(write, f"Contract {contract} is held.")


def exempt(contract: str, why: str = WhyOption) -> None:
    """The contract is never reminded, noticed or suspended."""

    async def write(session: AsyncSession, context: Context) -> None:
        await operations.exempt(session, contract, actor=context.actor, why=why, now=context.clock.now())

    _change(write, f"Contract {contract} is exempt.")


def release(contract: str, why: str = WhyOption) -> None:
    """Ends a hold, an exemption and a promise."""

    async def write(session: AsyncSession, context: Context) -> None:
        now, today = context.clock.now(), context.today
        await operations.release(session, contract, actor=context.actor, why=why, today=today, now=now)

    _change(write, f"Contract {contract} is released; its debt counts again.")


def _change(write: Callable[[AsyncSession, Context], Awaitable[None]], done: str) -> None:
    async def work(context: Context, store: Store) -> None:
        async with store.transaction() as session:
            await write(session, context)

    run(work)
    current.ring()
    typer.echo(done)
