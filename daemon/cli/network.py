"""Commands about the network: plan, apply, status."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict

import typer

from billing.store.engine import Store
from config.errors import NotAllowed
from daemon.cli.context import Context, JsonOption, out, run
from daemon.drivers import open_driver
from daemon.engine import only_engine
from daemon.garden import Garden
from daemon.reconcile import Preview, Reconciler
from daemon.status import Status, read_status
from daemon.terminal import table
from enforcement.state import Plan

CHANGES_EXIT_CODE = 2


def register(app: typer.Typer) -> None:
    for command in (plan, apply, status):
        app.command()(command)


def plan(json: bool = JsonOption) -> None:
    """What would change on the network now, and why; exit code 2 when something would."""
    preview = run(_preview)
    rows, made = [asdict(change) for change in preview.changes], preview.plan
    if json:
        out({"checksum": made.checksum, "installs": made.installs, "changes": rows})
    elif made.is_empty:
        typer.echo("Nothing would change.")
    else:
        _print(rows, made)
    if not made.is_empty:
        raise typer.Exit(CHANGES_EXIT_CODE)


def _print(rows: list[dict[str, str]], made: Plan) -> None:
    if made.installs:
        typer.echo("Hradlo's own rules would be installed.")
    if rows:
        table("Plan", ("address", "from", "to", "contract", "debt", "why"), [list(row.values()) for row in rows])
    garden = len(made.garden_added), len(made.garden_removed)
    typer.echo(f"{len(made.restores)} restored, {len(made.restrictions)} restricted, garden +{garden[0]} -{garden[1]}.")
    typer.echo(f"Checksum {made.checksum}")


@asynccontextmanager
async def _reconciling(context: Context, store: Store) -> AsyncIterator[Reconciler]:
    """A reconciler of this command's own, with its driver and a resolved garden."""
    garden = Garden(context.settings.enforcement.garden)
    await garden.refresh()
    driver = await open_driver(context.settings)
    try:
        yield Reconciler(context.settings, store, driver, context.clock, garden.wanted)
    finally:
        await driver.close()


async def _preview(context: Context, store: Store) -> Preview:
    async with _reconciling(context, store) as reconciler:
        return await reconciler.preview()


def apply(
    checksum: str = typer.Option("", help="Apply only the plan that `hradlo plan` printed with this checksum."),
) -> None:
    """Decides, records and enforces once; a running engine does this by itself."""
    done = run(lambda context, store: _apply(context, store, checksum))
    typer.echo(f"{done} addresses changed.")


async def _apply(context: Context, store: Store, checksum: str) -> int:
    with only_engine(context.settings.daemon.runtime_directory):
        async with _reconciling(context, store) as reconciler:
            made = (await reconciler.preview()).plan
            if checksum and made.checksum != checksum:
                raise NotAllowed(
                    f"The plan is not the one with checksum {checksum}: facts or network changed since.",
                    "Look at it again with `hradlo plan`.",
                )
            rounds = await reconciler.settle()
    return sum(len(one.plan.changes) for one in rounds)


def status(json: bool = JsonOption) -> None:
    """How everything is, on one page."""

    async def work(context: Context, store: Store) -> Status:
        return await read_status(store, context.settings, context.clock.now())

    found = run(work)
    if json:
        out(found.as_json())
    else:
        table("Hradlo", ("what", "how"), list(found.as_json().items()))
        for advice in found.advice():
            typer.echo(advice)
