"""`hradlo lab`: the story on real packets, told on the terminal; `--keep` leaves it open to try by hand."""

from collections.abc import Callable

from daemon.lab import topology as net
from daemon.lab.isp import CONTRACT, LabIsp
from daemon.terminal import console

URL = f"http://{net.SERVER_V4}/"
SECURE_URL = f"https://{net.SERVER_V4}/"


def run(*, keep: bool) -> int:
    """Plays the story and returns 0 only if every step happened; raises `LabError` when it can't be built."""
    with LabIsp() as lab:
        lab.start()
        failures = sum(not _step(words, happened(lab)) for words, happened in STEPS)
        if keep:
            _explain(lab)
    return 1 if failures else 0


def _curl(lab: LabIsp, url: str) -> str:
    return lab.topology.subscriber.run("curl", "-sikm", "3", url, is_checked=False).stdout


def _in_notice(lab: LabIsp) -> bool:
    lab.move_clock_to_day(14)
    lab.wait_for_line("notice")
    return "302" in _curl(lab, URL).partition("\n")[0]


def _paid(lab: LabIsp) -> bool:
    lab.hradlo("payments", "import", str(lab.pay()))
    lab.wait_for_line("open")
    return "The internet" in _curl(lab, URL)


STEPS: tuple[tuple[str, Callable[[LabIsp], bool]], ...] = (
    ("Before the notice a plain page loads", lambda lab: "The internet" in _curl(lab, URL)),
    ("14 days after the due date it leads to the notice", _in_notice),
    ("An encrypted page works as ever", lambda lab: "The internet" in _curl(lab, SECURE_URL)),
    ("A payment from a bank file opens the line again", _paid),
    ("Ledger and journal verify", lambda lab: "no problems" in lab.hradlo("audit", "verify").stdout),
)


def _step(words: str, happened: bool) -> bool:
    console().print(f"{'✓' if happened else '✗'} {words}")
    return happened


def _explain(lab: LabIsp) -> None:
    inside = f"ip netns exec {lab.topology.subscriber.name}"
    command = f"ip netns exec {lab.topology.gateway.name} {' '.join(lab._command('show', CONTRACT))}"
    console().print(f"\nBe the subscriber:  {inside} curl -i {URL}\nBe the admin:       {command}", highlight=False)
    input("Enter removes the lab. ")
