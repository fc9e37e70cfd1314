"""Commands about MikroTik routers: setting one up, and taking everything of Hradlo away from it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import typer

from config.errors import NotFound
from daemon.cli.context import current
from daemon.drivers import router_driver
from daemon.engine_lock import only_engine
from enforcement.routeros.commands import Command
from enforcement.routeros.driver import RouterOsDriver
from enforcement.routeros.examination import Remark

app = typer.Typer(no_args_is_help=True, help="MikroTik routers: set one up, or take Hradlo away from it.")

SiteArgument = typer.Argument(..., metavar="SITE", help="The router's site in [[routeros]].")
DryRunOption = typer.Option(False, "--dry-run", help="Print the commands, and write nothing.")


@app.command()
def setup(site: str = SiteArgument, is_dry_run: bool = DryRunOption) -> None:
    """Installs Hradlo's rules on a router, in the safe order, and says what it found there.

    Nothing else on it is touched, and a second time does nothing. A running engine does it by itself.
    """
    asyncio.run(_set_up(site, is_dry_run))


@app.command()
def remove(site: str = SiteArgument, is_dry_run: bool = DryRunOption) -> None:
    """Takes all of Hradlo's rules and entries away from a router: every line on it is open then."""
    asyncio.run(_remove(site, is_dry_run))


async def _set_up(site: str, is_dry_run: bool) -> None:
    async with _router(site) as driver:
        planned = await driver.planned_setup()
        _print(planned, "Nothing is missing.")
        if planned and not is_dry_run:
            with only_engine(current.settings.daemon.runtime_directory):
                await driver.set_up()
            typer.echo("Done.")
        for remark in await driver.examine():
            if not (is_dry_run and remark.what == "rules"):
                _say(remark)


async def _remove(site: str, is_dry_run: bool) -> None:
    async with _router(site) as driver:
        planned = await driver.planned_removal()
        _print(planned, "Nothing of Hradlo's is there.")
        if planned and not is_dry_run:
            with only_engine(current.settings.daemon.runtime_directory):
                await driver.remove()
            typer.echo("Done. Remove its [[routeros]] too, before an engine starts again.")


@asynccontextmanager
async def _router(site: str) -> AsyncIterator[RouterOsDriver]:
    """The driver of a router in the settings; raises `NotFound`."""
    settings = current.settings
    found = next((router for router in settings.routeros if router.site == site), None)
    if found is None:
        sites = ", ".join(router.site for router in settings.routeros) or "none"
        raise NotFound(f"There is no router with the site {site}.", f"In [[routeros]] there are: {sites}.")
    driver = router_driver(settings, found)
    try:
        yield driver
    finally:
        await driver.close()


def _print(commands: Sequence[Command], nothing: str) -> None:
    for command in commands:
        typer.echo(str(command))
    if not commands:
        typer.echo(nothing)


def _say(remark: Remark) -> None:
    if remark.is_good:
        typer.echo(f"ok {remark.what}: {remark.found}")
    else:
        typer.echo(f"!! {remark.what}: {remark.found}. {remark.remedy}")
