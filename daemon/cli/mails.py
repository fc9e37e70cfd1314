"""Commands about mails that a server refused for good."""

from dataclasses import asdict

import typer

from billing.store.engine import Store
from config.counting import counted
from config.errors import NotAllowed
from daemon import failed_mails
from daemon.cli.context import Context, JsonOption, WhyOption, out, run
from daemon.cli.typed import id_
from daemon.terminal import table

app = typer.Typer(no_args_is_help=True, help="Mails that a server refused for good.")

_IDS = "Their ids, as `hradlo mails failed` prints them."


@app.command()
def failed(json: bool = JsonOption) -> None:
    """Which they are, and what the server said; each is sent again or set aside by a person."""

    async def work(context: Context, store: Store) -> list[dict[str, object]]:
        async with store.reading() as session:
            found = await failed_mails.failed_mails(session)
        zone = context.settings.zone
        at = (each.failed_at.astimezone(zone).isoformat(sep=" ", timespec="minutes") for each in found)
        return [asdict(each) | {"failed_at": failed_at} for each, failed_at in zip(found, at, strict=True)]

    rows = run(work)
    if json:
        out(rows)
    else:
        columns = ("id", "failed at", "contract", "kind", "to", "what the server said")
        table("Failed mails", columns, [list(row.values()) for row in rows])


@app.command()
def retry(mail_ids: list[int] = typer.Argument(..., callback=id_, metavar="MAIL...", help=_IDS)) -> None:
    """Sends them again, to the address that the customer has now."""

    async def work(context: Context, store: Store) -> dict[int, str]:
        actor, now = context.actor, context.clock.now()
        async with store.transaction() as session:
            return await failed_mails.retry(session, mail_ids, context.settings, actor=actor, now=now)

    for mail_id, recipient in run(work).items():
        typer.echo(f"Mail {mail_id} goes to {recipient}.")


@app.command()
def dismiss(
    mail_ids: list[int] | None = typer.Argument(None, callback=id_, metavar="MAIL...", help=_IDS),
    all_: bool = typer.Option(False, "--all", help="All that failed."),
    why: str = WhyOption,
) -> None:
    """Sets them aside: `hradlo status` counts them no more, and each stays in its contract's report."""
    if bool(mail_ids) == all_:
        raise NotAllowed("Nothing was set aside.", "Name the mails by their ids, or all by --all.")

    async def work(context: Context, store: Store) -> int:
        chosen, now = (None if all_ else mail_ids), context.clock.now()
        async with store.transaction() as session:
            return await failed_mails.dismiss(session, chosen, actor=context.actor, why=why, now=now)

    typer.echo(f"{counted(run(work), 'mail is', 'mails are')} set aside.")
