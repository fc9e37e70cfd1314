"""Commands about telephone numbers and their credit: voip number|price|allow|credit; deck and calls stand beside it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.passwords import hash_password, made_password
from billing.dunning.operations import contract_id_of
from billing.money import Money
from billing.store.engine import Store
from billing.voip import decks, months, operations, topping_up
from billing.voip.credit import Credit
from billing.voip.deck_file import words
from billing.voip.numbers import Nature
from billing.voip.operations import Price
from billing.voip.tables import VoipNumber
from config.errors import NotAllowed, NotFound
from daemon.cli import voip_calls, voip_decks
from daemon.cli.context import Context, JsonOption, WhyOption, out, run
from daemon.cli.typed import given, needed
from daemon.terminal import table

app = typer.Typer(no_args_is_help=True, help="Telephone numbers, what calls cost, credit.")
numbers = typer.Typer(no_args_is_help=True, help="Contracts' telephone numbers.")
app.add_typer(numbers, name="number")
app.add_typer(voip_decks.app, name="deck")
app.add_typer(voip_calls.app, name="calls")

NumberArgument = typer.Argument(..., metavar="NUMBER", help="As people write it: 910 123 456, +420910123456 …")
DeckOption = typer.Option(decks.STANDARD, "--deck", help="The name of the price decks that count for it.")


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────────────────


@numbers.command()
def add(number: str = NumberArgument, contract: str = typer.Argument(...), deck: str = DeckOption) -> None:
    """Gives a contract a telephone number, and prints the password for the telephone zone, once."""
    new = made_password()

    async def work(context: Context, store: Store) -> str:
        hashed = await asyncio.to_thread(hash_password, new)
        now, settings = context.clock.now(), context.settings
        async with store.transaction() as session:
            number_id = await operations.add_number(
                session, number, contract, settings, deck=deck, actor=context.actor, now=now
            )
            row = await session.get_one(VoipNumber, number_id)
            await operations.set_password_hash(session, row, hashed, actor=context.actor, now=now)
            return row.number

    added = run(work)
    typer.echo(f"{added} belongs to contract {contract}. Its password for the telephone zone: {new}")


@numbers.command()
def password(number: str = NumberArgument) -> None:
    """Prints a new password for the telephone zone; the old one works no more."""
    new = made_password()
    hashed = hash_password(new)

    async def work(context: Context, session: AsyncSession, row: VoipNumber) -> None:
        await operations.set_password_hash(session, row, hashed, actor=context.actor, now=context.clock.now())

    _change(number, work)
    typer.echo(new)


@numbers.command()
def deck(
    number: str = NumberArgument,
    name: str = typer.Argument(..., help="The name of the price decks, as `hradlo voip deck list` shows it."),
    why: str = WhyOption,
) -> None:
    """Gives a number another tariff, for calls from now on."""

    async def work(context: Context, session: AsyncSession, row: VoipNumber) -> None:
        await operations.set_deck(session, row, name, why=why, actor=context.actor, now=context.clock.now())

    typer.echo(f"{_change(number, work)} is charged by deck {name}.")


@numbers.command()
def block(number: str = NumberArgument, why: str = WhyOption) -> None:
    """Lets a number make only free and emergency calls."""
    _set_state(number, "blocked", why)


@numbers.command()
def unblock(number: str = NumberArgument, why: str = WhyOption) -> None:
    """Lets a blocked or closed number call again."""
    _set_state(number, "active", why)


@numbers.command()
def close(number: str = NumberArgument, why: str = WhyOption) -> None:
    """Ends a number: emergency calls only, no log-in. Its calls and its credit stay on record."""
    _set_state(number, "closed", why)


def _set_state(number: str, state: str, why: str) -> None:
    async def work(context: Context, session: AsyncSession, row: VoipNumber) -> None:
        await operations.set_state(session, row, state, why=why, actor=context.actor, now=context.clock.now())

    typer.echo(f"{_change(number, work)} is {state}.")


@numbers.command("list")
def list_numbers(
    contract: str = typer.Option("", "--contract", help="Only this contract's."), json: bool = JsonOption
) -> None:
    """Every number, with its credit."""

    async def work(context: Context, store: Store) -> list[dict[str, str]]:
        async with store.reading() as session:
            contract_id = await contract_id_of(session, contract) if contract else None
            return [each.as_row() for each in await operations.listed(session, contract_id)]

    rows = run(work)
    if json:
        out(rows)
    else:
        table("Telephone numbers", operations.COLUMNS, [list(row.values()) for row in rows])


@dataclass(frozen=True, slots=True)
class _Shown:
    """Everything about one number."""

    number: dict[str, str]
    month: dict[str, str]
    top_ups: list[dict[str, str]]


@numbers.command()
def show(number: str = NumberArgument, json: bool = JsonOption) -> None:
    """One number: credit, what is left of this month's cap, top-ups."""

    async def work(context: Context, store: Store) -> _Shown:
        now, settings = context.clock.now(), context.settings
        async with store.reading() as session:
            row = await operations.find(session, number, settings.isp.country)
            allowance = await topping_up.allowance(session, row.id, settings, now)
            top_ups = await topping_up.top_ups(session, row.id)
            view = await operations.view(session, row.id)
        month = {
            "month": allowance.month,
            "topped_up": str(allowance.topped_up),
            "cap": str(allowance.cap),
            "left": str(allowance.left),
        }
        bought = [
            {
                "at": each.at.astimezone(settings.zone).isoformat(sep=" ", timespec="minutes"),
                "amount": str(each.amount),
                "invoice": each.invoice_number,
            }
            for each in top_ups
        ]
        return _Shown(view.as_row(), month, bought)

    shown = run(work)
    if json:
        out({**shown.number, "this_month": shown.month, "top_ups": shown.top_ups})
        return
    table("Telephone number", operations.COLUMNS, [list(shown.number.values())])
    table("This month", ("month", "topped up", "cap", "left"), [list(shown.month.values())])
    table("Top-ups", ("when", "amount", "invoice"), [list(each.values()) for each in shown.top_ups])


# ── prices and credit ───────────────────────────────────────────────────────────────────────────────────────────


@app.command()
def price(
    number: str = NumberArgument,
    at: str = typer.Option("", "--at", metavar="DAY", help="As it was or will be at the beginning of that day."),
    deck: str = DeckOption,
    json: bool = JsonOption,
) -> None:
    """What calls to a number cost."""

    async def work(context: Context, store: Store) -> Price:
        instant = voip_decks.instant_of(context, at)
        async with store.reading() as session:
            try:
                found = await operations.price_of(session, number, context.settings, deck=deck, at=instant)
            except ValueError as error:
                raise NotAllowed(f"{error}.") from error
            if found.rate is None and await decks.head_at(session, deck, instant) is None:
                raise NotFound(f"No deck {deck} counts then.", "See: hradlo voip deck list")
            return found

    found = run(work)
    if json:
        out(_price_as_json(found))
    else:
        typer.echo(_price_in_words(found))


def _price_as_json(found: Price) -> dict[str, Any]:
    rate = found.rate
    return {
        "number": str(found.called),
        "nature": found.called.nature.value,
        "can_be_called": rate is not None,
        "destination": found.destination,
        "prefix": rate.prefix if rate else "",
        "price_per_minute": str(rate.prices[0]) if rate else None,
        "connect": str(rate.prices[1]) if rate else None,
        "first_seconds": rate.first_seconds if rate else None,
        "step_seconds": rate.step_seconds if rate else None,
        "examples": {f"{minutes} min": str(cost) for minutes, cost in found.examples},
    }


def _price_in_words(found: Price) -> str:
    if found.called.nature in (Nature.EMERGENCY, Nature.FREE):
        return f"{found.called} is free ({found.called.nature.value})."
    if found.rate is None:
        return f"{found.called} can't be called: the deck has no price for it."
    examples = ", ".join(f"{minutes} min {cost}" for minutes, cost in found.examples)
    return f"{found.called} {found.destination} (prefix {found.rate.prefix}): {words(found.rate.prices)}; {examples}."


@app.command()
def allow(
    number: str = NumberArgument,
    amount: str = typer.Argument(..., help="So much above the cap; 0.00 takes it back."),
    month: str = typer.Option(
        "", "--month", metavar="YYYY-MM", help="In this month alone; without it, the present one."
    ),
    why: str = WhyOption,
) -> None:
    """Lets a number top up more in one month; said again, the new amount counts."""

    async def work(context: Context, session: AsyncSession, row: VoipNumber) -> None:
        now, first_on = context.clock.now(), given(months.first_day, month, "--month")
        await topping_up.allow(
            session,
            row,
            needed(Money.parse, amount, "AMOUNT"),
            month=f"{first_on:%Y-%m}" if first_on else months.of(now, context.settings.zone),
            why=why,
            actor=context.actor,
            now=now,
        )

    allowed = _change(number, work)
    typer.echo(f"{allowed} may top up {amount} above the cap{f' in {month}' if month else ' this month'}.")


@app.command()
def credit(
    number: str = NumberArgument,
    amount: str = typer.Argument(..., help="Given; or taken, like -12.50 (after --)."),
    why: str = typer.Option(..., "--why", help="The reason; it stands in the journal."),
) -> None:
    """Gives a number credit without an invoice, or takes it: a complaint, a mistake, a returned invoice."""

    async def work(context: Context, session: AsyncSession, row: VoipNumber) -> None:
        await operations.correct(
            session,
            row,
            needed(Credit.parse, amount, "AMOUNT"),
            context.settings,
            why=why,
            actor=context.actor,
            now=context.clock.now(),
        )

    typer.echo(f"The credit of {_change(number, work)} is corrected by {amount}.")


def _change(number: str, change: Callable[[Context, AsyncSession, VoipNumber], Awaitable[None]]) -> str:
    """Changes a number in one transaction; returns it in full."""

    async def work(context: Context, store: Store) -> str:
        async with store.transaction() as session:
            row = await operations.find(session, number, context.settings.isp.country)
            await change(context, session, row)
            return row.number

    return run(work)
