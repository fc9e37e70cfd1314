"""Commands that set Hradlo up and keep it: init, backup, upgrade, check-config, doctor."""

import asyncio
import os
import secrets
from pathlib import Path

import typer

from billing.invoicing.documents.logo import logo_problems
from billing.letters.checking import template_problems
from billing.store.schema_version import upgrade as upgrade_database
from config.demands import doubts
from config.errors import HradloError, NotFound, SettingsError
from config.example import Values, write
from config.settings import SIGNING_KEY_BYTES_MIN
from daemon.backing_up import back_up, back_up_into
from daemon.cli.context import JsonOption, current, out
from daemon.doctor import Finding, examine
from daemon.terminal import table

DATA = Path("/var/lib/hradlo")
SQLITE = "sqlite:///"


def init(
    data: Path = typer.Option(DATA, help="The folder for the database."),
    database: str = typer.Option("", help="Another database, like postgresql://hradlo@/hradlo."),
    name: str = typer.Option("My ISP", help="The name that subscribers know you by."),
    iban: str = typer.Option("", help="The account that subscribers pay to."),
    interface: list[str] = typer.Option([], help="An interface behind which subscribers are; may be repeated."),
    address: list[str] = typer.Option([], help="This gateway's address for the notice; may be repeated."),
    dryrun: bool = typer.Option(False, "--dryrun", help="A trial on a desk: the network exists in memory only."),
) -> None:
    """Writes a config, makes the secrets, creates the database. What is there already stays as it is."""
    config = current.config
    if config.exists():
        typer.echo(f"{config} is there already and stays as it is; options are for a new one.")
    else:
        write(config, _values(config, data.absolute(), database, name, iban, interface, address, dryrun))
        typer.echo(f"Wrote {config}: read it, every setting is explained there.")
    key = config.absolute().parent / "secrets" / "signing_key"
    if not key.exists():
        _make_secret(key)
        typer.echo(f"Made {key}.")
    _create_database()
    print_doubts()
    typer.echo("Next: hradlo check-config, then hradlo import customers FILE.csv")
    if current.settings.enforcement.mode == "monitor":
        typer.echo("It only monitors for now: nobody is restricted before you set [enforcement] mode (docs/brake.md).")


def _values(
    config: Path,
    data: Path,
    database: str,
    name: str,
    iban: str,
    interfaces: list[str],
    addresses: list[str],
    is_dryrun: bool,
) -> Values:
    values: dict[str, dict[str, object]] = {
        "isp": {"name": name, "iban": iban},
        "database": {"url": database or f"sqlite:///{data / 'hradlo.db'}"},
        "secrets": {"directory": str(config.absolute().parent / "secrets")},
        "enforcement": {
            "mode": "monitor",
            "driver": "dryrun" if is_dryrun else "nftables",
            "subscriber_interfaces": interfaces,
        },
        "notice": {"addresses": addresses},
    }
    if addresses:
        host = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
        values["notice"]["url"] = f"http://{host}:8080"
    if os.geteuid() != 0 or data != DATA:  # /run/hradlo is root's, and of the one real installation
        values["daemon"] = {"runtime_directory": str(data / "run"), "state_directory": str(data)}
    return values


def _make_secret(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(secrets.token_urlsafe(SIGNING_KEY_BYTES_MIN * 2) + "\n", encoding="ascii")


def _create_database() -> None:
    url = current.settings.database_url
    if url.startswith(SQLITE):
        Path(url.removeprefix(SQLITE)).parent.mkdir(parents=True, exist_ok=True)
    asyncio.run(upgrade_database(url))
    typer.echo("The database is ready.")


def backup(
    file: Path = typer.Argument(..., metavar="FILE"),
    unseen: bool = typer.Option(False, "--unseen", help="PostgreSQL: do not restore the copy to look at it."),
    keep: int = typer.Option(
        0, "--keep", min=0, metavar="N", help="FILE is a folder: name the copy by the time, and keep the N newest."
    ),
) -> None:
    """Copies the database while everything runs, and opens the copy to check it. Keep it away from this machine."""
    url = current.settings.database_url
    if keep:
        file, looked = asyncio.run(back_up_into(file, keep, url, current.clock.now(), is_unseen=unseen))
    else:
        looked = asyncio.run(back_up(url, file, is_unseen=unseen))
    typer.echo(f"Wrote {file}: {looked or 'an archive of pg_dump, not looked at'}.")
    typer.echo(f"The config and the secrets, beside {current.config}, are not in it.")


def upgrade() -> None:
    """Brings the database to this version of Hradlo. Back it up first."""
    url = current.settings.database_url
    if url.startswith(SQLITE) and not Path(url.removeprefix(SQLITE)).exists():
        raise NotFound(
            f"There is no {url.removeprefix(SQLITE)}.", "Create it with `hradlo init`, or see [database] url."
        )
    asyncio.run(upgrade_database(url))
    typer.echo("The database is up to date.")


def check_config() -> None:
    """Reads the settings, the logo and your own mail templates, and lists every problem."""
    settings = current.settings
    problems = [*logo_problems(settings.portal.logo), *template_problems(settings)]
    if problems:
        raise SettingsError(f"{current.config} names files that can't be used.", problems)
    if not print_doubts():
        typer.echo(f"{current.config} is fine.")


def print_doubts() -> bool:
    """Says what leaves subscribers without a way to pay; whether there was anything to say."""
    found = doubts(current.settings)
    if found:
        typer.echo(f"{current.config} has no mistake, but:")
    for doubt in found:
        typer.echo(f"  {doubt}")
    return bool(found)


def doctor(json: bool = JsonOption) -> None:
    """Examines this machine and says in words what is wrong and what to do; exit code 1 when something is."""
    try:
        findings = asyncio.run(examine(current.settings, current.clock))
    except HradloError as error:
        findings = [Finding("settings", False, error.message, error.remedy)]
    if json:
        out([finding.as_json() for finding in findings])
    else:
        rows = [("ok" if f.is_good else "!!", f.what, f.found, f.remedy) for f in findings]
        table("Doctor", ("", "what", "found", "what to do"), rows)
    if not all(finding.is_good for finding in findings):
        raise typer.Exit(1)
