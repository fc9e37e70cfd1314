"""Commands about price decks: voip deck import|list|show."""

from dataclasses import asdict
from datetime import datetime, time
from pathlib import Path
from typing import Any

import typer

from billing.importing import iso_date
from billing.store.engine import Store
from billing.voip import decks
from billing.voip.deck_file import Change, Changes, words
from billing.voip.decks import DeckReport
from billing.voip.rating import Rate
from config.counting import counted
from config.errors import NotFound
from daemon.cli.context import Context, JsonOption, out, run
from daemon.cli.files import DryRunOption, FileArgument, file_bytes
from daemon.cli.typed import given, needed
from daemon.terminal import table

app = typer.Typer(no_args_is_help=True, help="Prices of calls.")

CHANGES_SHOWN_MAX = 20
NameOption = typer.Option(decks.STANDARD, "--name", help="Which decks: the tariff of the numbers that name it.")


@app.command("import")
def import_(
    file: Path = FileArgument,
    valid_from: str = typer.Option(..., "--valid-from", metavar="DAY", help="The first day on which it counts."),
    name: str = NameOption,
    dry_run: bool = DryRunOption,
    json: bool = JsonOption,
) -> None:
    """Takes a price list (CSV) from a day on, whole or not at all, and says what it changes."""
    data = file_bytes(file)

    async def work(context: Context, store: Store) -> DeckReport:
        async with store.transaction() as session:
            return await decks.import_deck(
                session,
                data,
                file.name,
                context.settings,
                valid_from_on=needed(iso_date, valid_from, "--valid-from"),
                name=name,
                dry_run=dry_run,
                actor=context.actor,
                now=context.clock.now(),
            )

    report = run(work)
    if json:
        out(_as_json(report, dry_run))
    else:
        _print(report, dry_run)


def _as_json(report: DeckReport, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "deck": report.name,
        "valid_from": report.valid_from_at.isoformat(),
        "rates": report.rates,
        "changes": asdict(report.changes),
        "warnings": [str(problem) for problem in report.warnings],
    }


def _print(report: DeckReport, dry_run: bool) -> None:
    changes = report.changes
    for title, some in _titled(changes):
        if some:
            rows = [[each.prefix, each.destination, each.before, each.after] for each in some[:CHANGES_SHOWN_MAX]]
            rest = len(some) - len(rows)
            table(title, ("prefix", "destination", "before", "after"), rows)
            if rest:
                typer.echo(f"… and {rest} more; --json lists them all.")
    for problem in report.warnings:
        typer.echo(f"Odd: {problem}")
    counts = ", ".join(f"{len(some)} {title.lower()}" for title, some in _titled(changes))
    did = "would count" if dry_run else "counts"
    typer.echo(f"Deck {report.name}: {counted(report.rates, 'price')} ({counts}, {changes.unchanged} unchanged).")
    typer.echo(f"It {did} from {report.valid_from_at:%Y-%m-%d}.")


def _titled(changes: Changes) -> list[tuple[str, tuple[Change, ...]]]:
    return [
        ("Raised", changes.raised),
        ("Lowered", changes.lowered),
        ("Changed", changes.other),
        ("New", changes.new),
        ("Gone", changes.gone),
    ]


@app.command("list")
def list_decks(json: bool = JsonOption) -> None:
    """Every deck, by name, the newest first."""

    async def work(context: Context, store: Store) -> list[dict[str, str]]:
        async with store.reading() as session:
            found = await decks.decks(session, context.clock.now())
        return [
            {
                "deck": each.name,
                "valid_from": f"{each.valid_from_at.astimezone(context.settings.zone):%Y-%m-%d}",
                "counts": "now" if each.is_valid_now else "",
                "prices": str(each.rates),
                "file": each.source,
                "imported_at": f"{each.imported_at.astimezone(context.settings.zone):%Y-%m-%d %H:%M}",
                "imported_by": each.imported_by,
            }
            for each in found
        ]

    rows = run(work)
    if json:
        out(rows)
    else:
        columns = ("deck", "valid from", "counts", "prices", "file", "imported", "by")
        table("Price decks", columns, [list(row.values()) for row in rows])


@app.command()
def show(
    name: str = typer.Argument(decks.STANDARD),
    at: str = typer.Option("", "--at", metavar="DAY", help="As it counts at the beginning of that day; else now."),
    prefix: str = typer.Option("", help="Only prefixes that begin so."),
    json: bool = JsonOption,
) -> None:
    """The prices of a deck."""

    async def work(context: Context, store: Store) -> list[Rate]:
        instant = instant_of(context, at)
        async with store.reading() as session:
            deck = await decks.deck_at(session, name, instant)
        if deck is None:
            raise NotFound(f"There is no deck {name} then.", "`hradlo voip deck list` lists them.")
        return sorted((rate for rate in deck.rates if rate.prefix.startswith(prefix)), key=lambda rate: rate.prefix)

    rates = run(work)
    if json:
        out([_rate_as_json(rate) for rate in rates])
    else:
        table(
            f"Deck {name}",
            ("prefix", "destination", "price"),
            [[r.prefix, r.destination, words(r.prices)] for r in rates],
        )


def _rate_as_json(rate: Rate) -> dict[str, Any]:
    price, connect, first, step = rate.prices
    return {
        "prefix": rate.prefix,
        "destination": rate.destination,
        "price_per_minute": str(price),
        "connect": str(connect),
        "first_seconds": first,
        "step_seconds": step,
    }


def instant_of(context: Context, at: str) -> datetime:
    """The beginning of the day in `--at`; without it, now."""
    day = given(iso_date, at, "--at")
    return datetime.combine(day, time(), context.settings.zone) if day else context.clock.now()
