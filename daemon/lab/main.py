"""`hradlo lab`: the story on real packets, told on the terminal; `--keep` leaves it open to try by hand.

Each step says what was done, and shows what the subscriber's own `curl` saw of it.
"""

import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from rich.markup import escape

from daemon.lab import topology as net
from daemon.lab.isp import CONTRACT, LabIsp
from daemon.terminal import console

URL = f"http://{net.SERVER_V4}/"
SECURE_URL = f"https://{net.SERVER_V4}/"
BANK_URL = f"https://{net.GARDEN_V4}/"
THE_INTERNET = "the page itself"
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, `kill`, and a terminal that was closed."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a step expected, and what there was."""

    words: str
    is_right: bool


def run(*, keep: bool) -> int:
    """Plays the story and returns 0 only if every step happened; raises `LabError` when it can't be built.

    The namespaces and everything in them are removed at the end, after an error, and after a signal.
    """
    with _ended_by_signals(), LabIsp() as lab:
        try:
            failures = _play(lab)
            if keep:
                _stay(lab)
        finally:
            _hear_no_more_signals()
    return 1 if failures else 0


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """The first signal ends the story; those that come while the lab is removed are not heard."""
    before = {number: signal.signal(number, _end) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _: FrameType | None) -> None:
    _hear_no_more_signals()
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def _hear_no_more_signals() -> None:
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def _play(lab: LabIsp) -> int:
    """Tells the story; returns how many steps did not happen as they should."""
    lab.start()
    console().print(
        "A subscriber, a gateway and an internet, each in a network namespace of its own; on the gateway runs "
        "`hradlo run` with nftables.\n",
        highlight=False,
    )
    return sum(not _tell(words, happens(lab)) for words, happens in STEPS)


def _tell(words: str, seen: Seen) -> bool:
    mark = "[green]✓[/green]" if seen.is_right else "[red]✗[/red]"
    console().print(f"{mark} {escape(words)}\n    [dim]{escape(seen.words)}[/dim]", highlight=False)
    return seen.is_right


def _ask(lab: LabIsp, url: str, *, sees: str) -> Seen:
    """What the subscriber's curl gets for a URL, in words, and whether it begins with what it should."""
    done = lab.topology.subscriber.run("curl", "-sikm", "5", url, is_checked=False)
    answer = _answer_words(done.stdout, done.returncode)
    return Seen(f"curl {url}  →  {answer}", answer.startswith(sees))


def _answer_words(head_and_body: str, curl_code: int) -> str:
    # 7: nobody could be reached, 35 and 56: reset while shaking hands or reading
    if curl_code:
        return "refused at once" if curl_code in (7, 35, 56) else f"no answer (curl {curl_code})"
    lines = head_and_body.splitlines()
    location = next((line.split(None, 1)[1] for line in lines if line.lower().startswith("location:")), "")
    if location:
        return f"302 to {location.partition('?')[0]}"
    return THE_INTERNET if "The internet" in head_and_body else lines[0].partition(" ")[2]


def _in_notice(lab: LabIsp) -> Seen:
    lab.move_clock_to_day(14)
    lab.wait_for_line("notice")
    return _ask(lab, URL, sees="302 to http://")


def _acknowledged(lab: LabIsp) -> Seen:
    lab.acknowledge(URL)
    lab.wait_for_line("open")
    seen = _ask(lab, URL, sees=THE_INTERNET)
    return Seen(f"{seen.words}; suspension at {lab.contract()['suspend_at']}", seen.is_right)


def _suspended(lab: LabIsp) -> Seen:
    lab.move_clock_to_day(24, hour_utc=12)
    lab.wait_for_line("suspended")
    return _ask(lab, SECURE_URL, sees="refused at once")


def _paid(lab: LabIsp) -> Seen:
    lab.hradlo("payments", "import", str(lab.pay()))
    lab.wait_for_line("open")
    return _ask(lab, SECURE_URL, sees=THE_INTERNET)


def _verified(lab: LabIsp) -> Seen:
    said = lab.hradlo("audit", "verify").stdout
    return Seen(" ".join(said.split()), "no problems" in said)


STEPS: tuple[tuple[str, Callable[[LabIsp], Seen]], ...] = (
    ("Before the notice a plain page loads", lambda lab: _ask(lab, URL, sees=THE_INTERNET)),
    ("14 days after the due date it leads to the notice", _in_notice),
    ("An encrypted page works as ever", lambda lab: _ask(lab, SECURE_URL, sees=THE_INTERNET)),
    ("“I have read this” opens the line, and the ten days begin", _acknowledged),
    ("Ten days later, unpaid, the line is suspended: an encrypted page is refused", _suspended),
    ("A plain page says why", lambda lab: _ask(lab, URL, sees="302 to http://")),
    ("The bank can be reached, so that one can pay", lambda lab: _ask(lab, BANK_URL, sees=THE_INTERNET)),
    ("A payment from a bank file opens the line again", _paid),
    ("Ledger and journal verify", _verified),
)


def _stay(lab: LabIsp) -> None:
    """Waits for Enter or Ctrl-C, with the commands to go on by hand."""
    subscriber, gateway = lab.topology.subscriber, lab.topology.gateway
    again = lab.add_overdue_invoice()
    commands = (
        ("Be the subscriber", subscriber.command("curl", "-i", URL)),
        ("Owe again (due 14 days ago)", gateway.command(*lab.command("import", "invoices", str(again)))),
        ("See the contract", gateway.command(*lab.command("show", CONTRACT))),
        ("See what would change", gateway.command(*lab.command("plan"))),
        ("See the rules", gateway.command("nft", "list", "table", "inet", "hradlo")),
        ("Pay", gateway.command(*lab.command("payments", "import", str(lab.pay(specific_symbol=""))))),
    )
    console().print("\nIt stays as it is until you press Enter. In another terminal:", highlight=False)
    for what, command in commands:
        console().print(f"\n  {what}\n    {shlex.join(command)}", highlight=False, markup=False, soft_wrap=True)
    try:
        input("\nEnter removes the lab. ")
    except (EOFError, KeyboardInterrupt):
        console().print()
