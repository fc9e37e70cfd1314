"""The command that says how everything is: status."""

import typer

from billing.store.engine import Store
from config.setting_types import MAIN_SITE
from daemon.cli.context import Context, JsonOption, out, run
from daemon.status import Status, read_status
from daemon.terminal import table


def status(json: bool = JsonOption) -> None:
    """How everything is, on one page."""

    async def work(context: Context, store: Store) -> Status:
        return await read_status(store, context.settings, context.clock.now())

    found = run(work)
    if json:
        out(found.as_json())
    else:
        table("Hradlo", ("what", "how"), list(found.rows()))
        if [site.site for site in found.sites] != [MAIN_SITE]:
            columns = ("site", "state", "restricted", "engine", "on duty")
            rows = [(s.site, s.state, s.restricted, s.engine, "yes" if s.is_on_duty else "") for s in found.sites]
            table("Sites", columns, rows)
        for advice in found.advice():
            typer.echo(advice)
