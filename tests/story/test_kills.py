"""`kill -9` of the whole daemon between any two steps of the story: what was done stays done, and is done once.

The tests of this file are the steps of one story and run in their order. While the daemon is dead, the network is
as it left it; the next start goes on from there.
"""

import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.lab import topology as net
from daemon.lab.isp import CONTRACT, LabIsp
from tests.namespaces import missing_for_namespaces
from tests.story.conftest import require
from tests.story.killed_daemon import STEPS

pytestmark = pytest.mark.root

ROOT = Path(__file__).parents[2]
ROUND = [step for step in STEPS if "news" in step or "network" in step or "line" in step]
MAIL = ["before a mail is claimed", "before a mail is sent", "after a mail was marked"]
URL = f"http://{net.SERVER_V4}/"
NETWORK_IS_CHANGED = {"after the network was changed"}
USAGE = ["hradlo_usage"]
"""Counting goes its own way beside the story, and touches no line."""


@pytest.fixture(scope="module")
def lab() -> Iterator[LabIsp]:
    """One subscriber, overdue for two weeks; the daemon has never run."""
    require(missing_for_namespaces())
    with LabIsp(has_mail_server=True) as made:
        made.move_clock_to_day(14)
        yield made


def start_to_die(lab: LabIsp, step: str) -> None:
    """Starts a daemon that will be dead at the step."""
    log = (lab.folder / "daemon.log").open("ab")
    with log:
        arguments = lab.command("run")[1:]
        command = (sys.executable, "-m", "tests.story.killed_daemon", step, *arguments)
        lab.daemon = lab.topology.gateway.start(*command, stdout=log, stderr=log, cwd=ROOT)


def wait_for_death(lab: LabIsp, step: str) -> None:
    daemon = lab.daemon
    assert daemon is not None
    lab.wait_for(f"death {step}", lambda: daemon.poll() is not None)
    assert daemon.returncode == -signal.SIGKILL


def die_at(lab: LabIsp, step: str) -> None:
    """One daemon that is killed at the step; until then, and from then on, the rules are what they were."""
    before = lab.rules(without=USAGE)
    start_to_die(lab, step)
    wait_for_death(lab, step)
    assert step in NETWORK_IS_CHANGED or lab.rules(without=USAGE) == before
    at_death = lab.rules()
    lab.hradlo("plan", is_checked=False)  # an admin looks at what happened
    assert lab.rules() == at_death


def go_on_until(lab: LabIsp, line: str) -> None:
    """A daemon that nobody kills brings the line there, and is killed when it rests."""
    lab.start()
    lab.wait_for_line(line)
    lab.kill()


def mail_ids(lab: LabIsp) -> Counter[str]:
    return Counter(str(mail["Message-ID"]) for mail in lab.mails())


def written(lab: LabIsp) -> list[str]:
    return [mail["kind"] for mail in lab.contract()["mails"]]


def everything_is_sent(lab: LabIsp) -> bool:
    return all(mail["sent"] for mail in lab.contract()["mails"])


def rows(lab: LabIsp, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(f"file:{lab.folder / 'hradlo.db'}?mode=ro", uri=True) as database:
        return database.execute(query).fetchall()


@pytest.mark.parametrize("step", ROUND)
def test_killed_on_the_way_to_the_notice(lab: LabIsp, step: str) -> None:
    die_at(lab, step)


def test_the_notice_comes_all_the_same_and_once(lab: LabIsp) -> None:
    go_on_until(lab, "notice")

    assert rows(lab, "SELECT count(*) FROM notice") == [(1,)]


def test_killed_before_the_acknowledgement_is_answered_it_is_kept(lab: LabIsp) -> None:
    start_to_die(lab, "before the acknowledgement is answered")
    lab.wait_for("the daemon", lambda: lab.listens(8080))
    lab.acknowledge(URL, is_answered=False)
    wait_for_death(lab, "before the acknowledgement is answered")

    go_on_until(lab, "open")

    assert rows(lab, "SELECT count(*) FROM acknowledgement") == [(1,)]


@pytest.mark.parametrize("step", ROUND)
def test_killed_on_the_way_to_the_suspension(lab: LabIsp, step: str) -> None:
    lab.move_clock_to_day(24, hour_utc=12)
    die_at(lab, step)


@pytest.mark.parametrize("step", MAIL)
def test_killed_while_mailing(lab: LabIsp, step: str) -> None:
    lab.move_clock_to_day(24, hour_utc=13 + MAIL.index(step))  # the lease of the one killed before has run out
    start_to_die(lab, step)
    wait_for_death(lab, step)


def test_the_suspension_stands_and_its_mail_arrives_once(lab: LabIsp) -> None:
    lab.move_clock_to_day(25)
    lab.start()
    lab.wait_for_line("suspended")
    lab.wait_for("the mails", lambda: everything_is_sent(lab))
    lab.kill()

    assert written(lab) == ["suspended"]
    assert list(mail_ids(lab).values()) == [1]


def test_killed_before_the_statement_is_imported(lab: LabIsp) -> None:
    path = lab.pay()
    path.rename(lab.folder / "statements" / path.name)

    die_at(lab, "before the statement is imported")

    assert rows(lab, "SELECT count(*) FROM payment") == [(0,)]


def test_killed_before_the_statement_is_moved_away(lab: LabIsp) -> None:
    start_to_die(lab, "before the statement is moved away")
    wait_for_death(lab, "before the statement is moved away")

    assert rows(lab, "SELECT count(*) FROM payment") == [(1,)]


def test_the_payment_counts_once_and_the_line_is_open(lab: LabIsp) -> None:
    go_on_until(lab, "open")
    lab.move_clock_to_day(26)
    lab.start()
    lab.wait_for("the mails", lambda: everything_is_sent(lab))
    lab.wait_for("the file to be moved away", lambda: not list((lab.folder / "statements").glob("*.gpc")))
    lab.kill()

    assert rows(lab, "SELECT count(*), sum(amount) FROM payment") == [(1, 599_00)]
    assert lab.contract(CONTRACT)["debt"].startswith("0.00")
    assert written(lab) == ["suspended", "restored"]
    assert list(mail_ids(lab).values()) == [1, 1]
    assert "no problems" in lab.hradlo("audit", "verify").stdout
