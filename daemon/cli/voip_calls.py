"""Commands about calls that have ended: voip calls import|list|waiting|assign|ignore|retry."""

from pathlib import Path
from typing import Any

import typer

from billing.store.engine import Store
from billing.voip import months, operations
from billing.voip import waiting as waiting_calls
from billing.voip.calls.detect import SIZE_BYTES_MAX, Format, read
from billing.voip.calls.importing import record_in_turns
from billing.voip.calls_csv import as_csv
from billing.voip.settling import COUNTS, Recorded
from billing.voip.tables import VoipCall
from config.counting import counted
from config.settings import Settings
from daemon.cli.context import Context, JsonOption, WhyOption, current, out, run
from daemon.cli.files import FileArgument, file_bytes
from daemon.cli.typed import given
from daemon.terminal import table

app = typer.Typer(no_args_is_help=True, help="Calls, what they cost, and those that wait for you.")


@app.command("import")
def import_file(
    file: Path = FileArgument,
    format: Format = typer.Option("auto", help="auto tells by the content."),  # noqa: A002
    json: bool = JsonOption,
) -> None:
    """Imports call records of Asterisk, FreeSWITCH or Kamailio; the same file twice adds nothing."""
    records = read(file_bytes(file, SIZE_BYTES_MAX), current.settings.zone, format)

    async def work(context: Context, store: Store) -> Recorded:
        return await record_in_turns(store, records, context.settings, context.clock.now())

    recorded = run(work)
    current.ring()
    if json:
        out({**{name: getattr(recorded, name) for name in COUNTS}, "charged": str(recorded.charged)})
    else:
        typer.echo(f"{recorded}.")
        if recorded.waiting or recorded.disputed:
            typer.echo("See them: hradlo voip calls waiting")


@app.command("list")
def list_calls(
    number: str = typer.Argument(..., metavar="NUMBER"),
    month: str = typer.Option("", metavar="YYYY-MM", help="Only of this month."),
    csv: bool = typer.Option(False, "--csv", help="As CSV."),
    json: bool = JsonOption,
) -> None:
    """A number's calls, the newest first."""

    async def work(context: Context, store: Store) -> tuple[list[VoipCall], Settings]:
        settings = context.settings
        first_on = given(months.first_day, month, "--month")
        from_at, until_at = months.bounds(first_on, settings.zone) if first_on else (None, None)
        async with store.reading() as session:
            row = await operations.find(session, number, settings.isp.country)
            return await operations.calls(session, row.id, from_at=from_at, until_at=until_at), settings

    calls, settings = run(work)
    if csv:
        typer.echo(as_csv(calls, settings.zone), nl=False)
    elif json:
        out([_as_json(call, settings) for call in calls])
    else:
        columns = ("when", "direction", "caller", "called", "destination", "seconds", "price", "charged")
        table("Calls", columns, [list(_as_json(call, settings).values())[1:9] for call in calls])


@app.command()
def waiting(json: bool = JsonOption) -> None:
    """Calls that could not be charged, and calls of which two records say different things."""

    async def work(context: Context, store: Store) -> list[dict[str, Any]]:
        async with store.reading() as session:
            return [_as_json(call, context.settings) for call in await waiting_calls.waiting(session)]

    rows = run(work)
    if json:
        out(rows)
    else:
        columns = ("id", "when", "caller", "called", "seconds", "why")
        table(
            "Waiting calls",
            columns,
            [
                [
                    row["id"],
                    row["started_at"],
                    row["caller"],
                    row["called"],
                    row["seconds"],
                    row["why"] or f"disputed: {row['dispute']}",
                ]
                for row in rows
            ],
        )


@app.command()
def assign(call: int, number: str = typer.Argument(..., metavar="NUMBER")) -> None:
    """Says whose call it is, and charges it at the price of its time."""

    async def work(context: Context, store: Store) -> VoipCall:
        async with store.transaction() as session:
            row = await operations.find(session, number, context.settings.isp.country)
            now = context.clock.now()
            return await waiting_calls.assign(session, call, row, context.settings, actor=context.actor, now=now)

    done = run(work)
    typer.echo(f"Call {call} is charged: {done.charged} of {done.price}.")


@app.command()
def ignore(call: int, why: str = WhyOption) -> None:
    """Sets a call aside as nobody's; of a disputed one, the first record stays."""

    async def work(context: Context, store: Store) -> None:
        async with store.transaction() as session:
            now = context.clock.now()
            await waiting_calls.ignore(session, call, why=why, actor=context.actor, now=now)

    run(work)
    typer.echo(f"Call {call} waits no more.")


@app.command()
def retry() -> None:
    """Charges what waits and can be charged now: after a number was added, or a deck imported."""

    async def work(context: Context, store: Store) -> tuple[int, int]:
        async with store.transaction() as session:
            return await waiting_calls.retry(session, context.settings, context.clock.now())

    charged, still = run(work)
    typer.echo(f"{counted(charged, 'call is', 'calls are')} charged, {counted(still, 'still waits', 'still wait')}.")


def _as_json(call: VoipCall, settings: Settings) -> dict[str, Any]:
    return {
        "id": call.id,
        "started_at": call.started_at.astimezone(settings.zone).isoformat(sep=" ", timespec="seconds"),
        "direction": "in" if call.is_incoming else "out",
        "caller": call.caller,
        "called": call.called,
        "destination": call.destination,
        "seconds": call.billed_seconds,
        "price": str(call.price),
        "charged": str(call.charged),
        "state": call.state,
        "why": call.why,
        "dispute": call.dispute,
        "source": call.source,
        "uid": call.uid,
    }
