"""The units on a machine that systemd has booted: installed, started, hung, killed, upgraded, taken away.

The tests of this file are the steps of one story and run in their order.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.machine import Machine, commit, machine, missing_for_a_machine

pytestmark = pytest.mark.root

INIT = 'hradlo init --name "Boot ISP" --iban CZ6508000000192000145399 --interface lo --address 127.0.0.1'
ANSWER = "curl --silent --output /dev/null --write-out '%{http_code}' --max-time 20 http://127.0.0.1:8080/"
RULES = "nft list table inet hradlo"


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which an admin has followed docs/install.md up to the services."""
    if reason := missing_for_a_machine():
        pytest.skip(reason)
    with machine(tmp_path_factory.mktemp("machine")) as made:
        made.before_boot("make -C /src install")
        made.boot()
        made.run(f"ip link set lo up; {INIT}")
        made.run('sed -i \'s/mode = "monitor"/mode = "enforce"/\' /etc/hradlo/hradlo.toml')
        made.run("systemctl enable --now hradlo-web.socket hradlo-web.service hradlo.service")
        yield made


def process_of(booted: Machine, unit: str) -> str:
    return booted.run(f"systemctl show --property=MainPID --value {unit}").strip()


def is_active(booted: Machine, *units: str) -> bool:
    return booted.run(f"systemctl is-active {' '.join(units)} || true").split() == ["active"] * len(units)


def current(booted: Machine) -> str:
    return Path(booted.run("readlink -f /opt/hradlo/current").strip()).name


def built(booted: Machine, message: str) -> str:
    """A newer source, built: the release that runs, copied, because the machine has no network to build with."""
    old = current(booted)
    new = old.rpartition("-")[0] + "-" + commit(booted.root / "src", message)
    releases = booted.root / "opt" / "hradlo" / "releases"
    shutil.copytree(releases / old, releases / new, symlinks=True, copy_function=os.link)
    return new


def test_both_units_run_as_their_own_users_and_the_engine_has_written_its_rules(booted: Machine) -> None:
    assert is_active(booted, "hradlo", "hradlo-web", "hradlo-web.socket")
    users = [booted.run(f"ps -o user= -p {process_of(booted, unit)}").strip() for unit in ("hradlo", "hradlo-web")]
    assert users == ["hradlo", "hradlo-web"]
    booted.wait_for("the rules", lambda: "table inet hradlo" in booted.run("nft list tables").splitlines())
    assert "policy accept" in booted.run(RULES)


def test_the_notice_server_answers_on_the_socket_that_systemd_passed(booted: Machine) -> None:
    assert booted.run(ANSWER) in ("200", "302", "404")


def test_the_billing_run_works_in_its_sandbox_and_its_timer_is_off_until_it_is_enabled(booted: Machine) -> None:
    assert booted.run("systemctl is-enabled hradlo-bill.timer || true").strip() == "disabled"
    booted.run("systemctl enable --now hradlo-bill.timer && systemctl start hradlo-bill.service")

    assert "0 invoices issued" in booted.run("journalctl --output=cat --unit=hradlo-bill")
    assert "hradlo-bill.timer" in booted.run("systemctl list-timers --no-pager")


def test_the_nightly_backup_works_in_its_sandbox(booted: Machine) -> None:
    booted.run("systemctl start hradlo-backup.service")

    assert booted.run("ls /var/lib/hradlo/nightly").startswith("hradlo-20")
    assert "books in balance" in booted.run("journalctl --output=cat --unit=hradlo-backup")


def test_what_the_sandbox_forbids_nothing_asks_for(booted: Machine) -> None:
    """Counting transferred data failed here once: the sandbox hides the boot id."""
    booted.wait_for("the counters", lambda: "inet hradlo_usage" in booted.run("nft list tables"))

    lines = booted.run("journalctl --output=cat --unit=hradlo --unit=hradlo-web").splitlines()

    logged = [json.loads(line) for line in lines if line.startswith("{")]
    assert logged
    assert [entry for entry in logged if entry["level"] in ("error", "critical")] == []


def test_the_engine_is_back_after_a_kill_and_the_rules_never_changed(booted: Machine) -> None:
    before, rules = process_of(booted, "hradlo"), booted.run(RULES)

    booted.run(f"kill -KILL {before}")
    during = booted.run(RULES)
    booted.wait_for("the next", lambda: process_of(booted, "hradlo") not in (before, "0"))
    booted.wait_for("ready", lambda: is_active(booted, "hradlo"))

    assert during == booted.run(RULES) == rules


def test_a_hung_engine_is_restarted_by_the_watchdog(booted: Machine) -> None:
    booted.run(
        "mkdir -p /etc/systemd/system/hradlo.service.d && "
        "printf '[Service]\\nWatchdogSec=3\\n' > /etc/systemd/system/hradlo.service.d/test.conf && "
        "systemctl daemon-reload && systemctl restart hradlo"
    )
    hung = process_of(booted, "hradlo")

    booted.run(f"kill -STOP {hung}")
    booted.wait_for("the next", lambda: process_of(booted, "hradlo") not in (hung, "0"))

    assert "watchdog" in booted.run("journalctl --output=cat --unit=hradlo").lower()
    booted.wait_for("ready", lambda: is_active(booted, "hradlo"))


def test_who_asks_while_the_web_unit_restarts_waits_and_is_answered(booted: Machine) -> None:
    booted.run("systemctl stop hradlo-web.service")

    assert booted.run(f"systemctl --no-block start hradlo-web.service; {ANSWER}") in ("200", "302", "404")


def test_a_reload_reads_the_settings_again_on_the_same_sockets(booted: Machine) -> None:
    before = [process_of(booted, unit) for unit in ("hradlo", "hradlo-web")]
    booted.run("sed -i 's/^name = .*/name = \"Reloaded ISP\"/' /etc/hradlo/hradlo.toml")

    booted.run("systemctl reload hradlo hradlo-web")
    page = "curl --silent --max-time 20 --header 'Accept: text/html' http://127.0.0.1:8080/"
    booted.wait_for("the new name", lambda: "Reloaded ISP" in booted.run(page))

    assert [process_of(booted, unit) for unit in ("hradlo", "hradlo-web")] == before
    assert is_active(booted, "hradlo", "hradlo-web")


def test_an_upgrade_keeps_the_release_before_backs_up_and_starts_what_ran(booted: Machine) -> None:
    old, rules = current(booted), booted.run(RULES)
    new = built(booted, "second")

    booted.run("make -C /src install")

    assert current(booted) == new
    assert booted.run("readlink /opt/hradlo/previous").strip().endswith(old)
    assert len(booted.run("ls /var/lib/hradlo/backups").split()) == 1
    assert is_active(booted, "hradlo", "hradlo-web")
    assert booted.run(RULES) == rules


def test_one_command_goes_back(booted: Machine) -> None:
    new = current(booted)

    booted.run("make -C /src rollback")

    assert current(booted) != new
    assert is_active(booted, "hradlo", "hradlo-web")
    assert booted.run(ANSWER) in ("200", "302", "404")


def test_a_release_that_refuses_the_settings_changes_nothing(booted: Machine) -> None:
    before, process = current(booted), process_of(booted, "hradlo")
    built(booted, "third")
    booted.run("cp /etc/hradlo/hradlo.toml /root/kept.toml && echo 'nonsense = 1' >> /etc/hradlo/hradlo.toml")

    refused = booted.run("make -C /src install 2>&1 || true")
    booted.run("cp /root/kept.toml /etc/hradlo/hradlo.toml")

    assert "nonsense" in refused
    assert "nothing was changed" in refused
    assert (current(booted), process_of(booted, "hradlo")) == (before, process)


def test_uninstalling_opens_every_line_and_keeps_settings_and_ledger(booted: Machine) -> None:
    booted.run("make -C /src uninstall")

    assert booted.run("nft list tables") == ""
    assert booted.run("ls /etc/systemd/system | grep hradlo.*service$ || true") == ""
    assert "hradlo" not in booted.run("ls /opt").split()
    assert booted.run("ls /etc/hradlo/hradlo.toml /var/lib/hradlo/hradlo.db").split()
