"""A command loads what it needs, and the program knows all its commands before it has loaded any."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer

from daemon.cli.program import PLACES, app
from tests.daemon.admin import Admin

ROOT = Path(__file__).parents[2]
NOT_FOR_A_LOOK = {
    "aiohttp",
    "alembic",
    "argon2",
    "jinja2",
    "lxml",
    "mt940",
    "phonenumbers",
    "portal",
    "prometheus_client",
    "pyroute2",
    "routeros_api",
    "segno",
    "typst",
    "uvloop",
}
"""What takes long to load, and says nothing about how everything is."""


def loaded_by(*arguments: str) -> set[str]:
    """The packages that a command has loaded when it ends, in a process of its own."""
    tells = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))"
    program = f"{tells}; from daemon.cli import main; main()"
    argv = [sys.executable, "-c", program, *arguments]
    ran = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
    assert "Traceback" not in ran.stderr
    return {name.partition(".")[0] for name in ran.stderr.splitlines()[-1].split()}


@pytest.mark.parametrize("command", [("status",), ("brake", "show"), ("plan",)], ids=" ".join)
def test_who_looks_waits_for_no_library_that_has_no_part_in_it(admin: Admin, command: tuple[str, ...]) -> None:
    loaded = loaded_by("--config", str(admin.config), *command)

    assert "sqlalchemy" in loaded
    assert loaded & NOT_FOR_A_LOOK == set()


def test_the_version_is_told_without_settings_and_database() -> None:
    assert loaded_by("--version") & {"sqlalchemy", "pydantic", "structlog", "billing"} == set()


def test_what_parses_strangers_requests_has_no_code_that_writes_a_firewall() -> None:
    program = "import sys; import daemon.lifecycle, portal.server; print(*sys.modules)"
    argv = [sys.executable, "-c", program]
    ran = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, timeout=120, check=True)

    assert {"pyroute2", "routeros_api", "daemon.engine", "enforcement.nftables"} & set(ran.stdout.split()) == set()


def test_every_command_is_where_the_program_looks_for_it() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]

    assert list(commands) == list(PLACES)
    assert all(command.name == name and command.get_short_help_str() for name, command in commands.items())


def test_every_module_of_commands_is_reached() -> None:
    """A group that was written and never named would be a feature that nobody finds."""
    reached = {place.partition(":")[0] for place in PLACES.values()} | {"voip_calls", "voip_decks"}
    without_commands = {"__init__", "program", "context", "typed"}
    modules = {path.stem for path in (ROOT / "daemon" / "cli").glob("*.py")} - without_commands

    assert modules == reached
    for name in modules:
        import_module(f"daemon.cli.{name}")


def test_a_mistyped_command_is_answered_with_the_one_that_was_meant(admin: Admin) -> None:
    ran = admin.run("statu")

    assert ran.code == 2
    assert "No such command 'statu'. Did you mean 'status'?" in " ".join(ran.err.replace("│", " ").split())


def test_completion_knows_the_commands() -> None:
    program = typer.main.get_command(app)

    completed = [item.value for item in program.shell_complete(typer.Context(program), "s")]

    assert completed == ["sell", "status", "show", "service"]
