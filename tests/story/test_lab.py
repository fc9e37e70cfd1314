"""`hradlo lab` as a command: it tells the whole story on real packets and leaves nothing behind."""

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.namespaces import missing_for_namespaces
from tests.story.conftest import require

pytestmark = pytest.mark.root

HRADLO = str(Path(sys.executable).parent / "hradlo")
PATIENCE_SECONDS = 120
KEYSTROKE_SECONDS = 0.1


@pytest.fixture(autouse=True)
def _possible() -> None:
    require(missing_for_namespaces())


def namespaces_of(process: "subprocess.Popen[str]") -> list[str]:
    """The namespaces that a lab made, by the process id in their names."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if line.startswith(f"hradlo-{process.pid}-")]


def lab(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [HRADLO, "lab", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def told_until(running: "subprocess.Popen[str]", words: str) -> str:
    """What the lab says, up to these words."""
    assert running.stdout is not None
    told = ""
    while words not in told:
        piece = running.stdout.read(1)
        assert piece, told
        told += piece
    return told


def test_the_lab_tells_every_step_and_removes_its_namespaces() -> None:
    with lab() as running:
        told, _ = running.communicate(timeout=PATIENCE_SECONDS)

    assert running.returncode == 0, told
    assert told.count("✓") == 9
    assert "refused at once" in told
    assert namespaces_of(running) == []


def test_a_kept_lab_names_commands_that_work_and_is_removed_by_ctrl_c() -> None:
    with lab("--keep") as running:
        told = told_until(running, "removes the lab")
        plan = told.partition("See what would change\n")[2].splitlines()[0].strip()

        tried = subprocess.run(plan.split(), capture_output=True, text=True, check=False)
        running.send_signal(signal.SIGINT)
        running.wait(PATIENCE_SECONDS)

    assert tried.returncode == 0, tried.stderr
    assert namespaces_of(running) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_lab_ended_in_the_middle_by_an_impatient_person_is_removed(number: signal.Signals) -> None:
    with lab() as running:
        told_until(running, "✓")
        running.send_signal(number)
        while running.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                running.wait(KEYSTROKE_SECONDS)
            running.send_signal(signal.SIGINT)

    assert running.returncode != 0
    assert namespaces_of(running) == []
