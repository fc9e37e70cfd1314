"""Commands about the network: plan, apply."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict

import typer

from billing.store.engine import Store
from config.counting import counted
from config.errors import NotAllowed
from daemon.binding import settle_bindings
from daemon.cli.brake import held_as_json, print_held
from daemon.cli.context import Context, JsonOption, out, run
from daemon.drivers import open_drivers
from daemon.engine_lock import only_engine
from daemon.garden import Garden
from daemon.reconcile import Preview, Reconciler
from daemon.terminal import table
from daemon.witness import Witness
from enforcement.state import Plan

CHANGES_EXIT_CODE = 2


def plan(json: bool = JsonOption) -> None:
    """What would change on the network now, and why; exit code 2 when something would."""
    preview = run(_preview)
    rows = [asdict(change) for change in preview.changes]
    if json:
        installs = any(made.installs for made in preview.plans.values())
        unknown = {"unknown": dict(preview.unknown)} if preview.unknown else {}
        held = {"held": [str(reason) for reason in preview.verdict.reasons]} | held_as_json(preview.verdict)
        out({"checksum": preview.checksum, "installs": installs, "changes": rows, **unknown, "brake": held})
    else:
        _print(rows, preview)
    if not preview.is_empty:
        raise typer.Exit(CHANGES_EXIT_CODE)


def _print(rows: list[dict[str, str]], preview: Preview) -> None:
    for site, why in preview.unknown.items():
        typer.echo(f"Site {site} is not reached, so how it is, is unknown: {why}")
    if preview.is_empty:
        print_held(preview.verdict)
        typer.echo("Nothing would change.")
        return
    for site, made in preview.plans.items():
        if made.installs:
            typer.echo(f"Hradlo's own rules would be installed at site {site}.")
    if rows:
        columns = ("site", "address", "from", "to", "contract", "debt", "why")
        table("Plan", columns, [list(row.values()) for row in rows])
    for site, made in preview.plans.items():
        typer.echo(f"Site {site}: {_counts(made)}")
    print_held(preview.verdict)  # after the table, however long it is
    typer.echo(f"Checksum {preview.checksum}")


def _counts(made: Plan) -> str:
    garden = len(made.garden_added), len(made.garden_removed)
    return f"{len(made.restores)} restored, {len(made.restrictions)} restricted, garden +{garden[0]} -{garden[1]}."


@asynccontextmanager
async def _reconciling(context: Context, store: Store) -> AsyncIterator[Reconciler]:
    """A reconciler of this command's own, with its driver and a resolved garden."""
    garden = Garden(context.settings.enforcement.garden)
    await garden.refresh()
    witness = Witness(context.settings.daemon.state_directory, context.clock)
    async with open_drivers(context.settings) as drivers:
        yield Reconciler(context.settings, store, drivers, context.clock, garden.wanted, witness)


async def _preview(context: Context, store: Store) -> Preview:
    async with _reconciling(context, store) as reconciler:
        return await reconciler.preview()


def apply(
    checksum: str = typer.Option("", help="Apply only the plan that `hradlo plan` printed with this checksum."),
) -> None:
    """Decides, records and enforces once; a running engine does this by itself."""
    done = run(lambda context, store: _apply(context, store, checksum))
    typer.echo(f"{counted(done, 'address', 'addresses')} changed.")


async def _apply(context: Context, store: Store, checksum: str) -> int:
    with only_engine(context.settings.daemon.runtime_directory):
        async with _reconciling(context, store) as reconciler:
            for each in reconciler.enforcers:
                await settle_bindings(store, each.site, each.driver, context.clock)
            preview = await reconciler.preview()
            if checksum and preview.checksum != checksum:
                if preview.is_empty:
                    raise NotAllowed(
                        f"Nothing is left to change of the plan with checksum {checksum}.",
                        "An engine, or somebody, applied it already, or its reasons are gone: hradlo status.",
                    )
                raise NotAllowed(
                    f"The plan is not the one with checksum {checksum}: facts or network changed since.",
                    "Look at it again with `hradlo plan`.",
                )
            rounds = await reconciler.settle()
    return sum(len(one.changes) for one in rounds)
