"""The daemon among others on a gateway: their rules stay theirs, its own rules heal, and its garden outlives DNS."""

import getpass
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.lab import topology as net
from daemon.lab.isp import LabIsp
from tests.namespaces import missing_for_namespaces
from tests.story.conftest import require

pytestmark = pytest.mark.root

BANK = "bank.example"
MOVED_V4 = "203.0.113.91"
FOREIGN = """
table inet admin {
    comment "my own rules"
    set vip { type ipv4_addr; flags interval; elements = { 100.64.0.0/24, 192.0.2.1 }; }
    chain input { type filter hook input priority filter; policy accept; ip saddr @vip counter accept comment "vip"; }
    chain forward { type filter hook forward priority -20; policy accept; ct state established counter accept; }
}
table ip nat { chain postrouting { type nat hook postrouting priority srcnat; oifname "elsewhere" masquerade; }; }
table ip6 raw6 { chain pre { type filter hook prerouting priority raw; meta mark 7 drop; }; }
"""


class Dns:
    """A real dnsmasq in the lab's internet, at the resolver's address."""

    def __init__(self, lab: LabIsp) -> None:
        self._lab = lab
        self._running: subprocess.Popen[bytes] | None = None

    def start(self, address: str) -> None:
        self.stop()
        options = ("--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--pid-file=")
        listens = (f"--user={getpass.getuser()}", f"--listen-address={net.RESOLVER_V4}", "--bind-interfaces")
        knows = (f"--address=/{BANK}/{address}", "--max-ttl=0")
        self._running = self._lab.topology.internet.start("dnsmasq", *options, *listens, *knows)

    def stop(self) -> None:
        if self._running is not None:
            self._running.kill()
            self._running.wait()


@pytest.fixture(scope="module")
def lab() -> Iterator[LabIsp]:
    """A gateway with an admin's own rules and a bank that is known by name."""
    require(missing_for_namespaces())
    require("" if shutil.which("dnsmasq") else "needs dnsmasq: apt install dnsmasq-base")
    with LabIsp(garden=[BANK]) as made:
        made.topology.gateway.run("nft", "-f", "-", stdin=FOREIGN)
        with resolver_of(made):
            yield made


class resolver_of:
    """`ip netns exec` shows the gateway's programs this /etc/resolv.conf instead of the machine's."""

    def __init__(self, lab: LabIsp) -> None:
        self._folder = Path("/etc/netns") / lab.topology.gateway.name

    def __enter__(self) -> None:
        self._folder.mkdir(parents=True)
        text = f"nameserver {net.RESOLVER_V4}\noptions timeout:1 attempts:1\n"
        (self._folder / "resolv.conf").write_text(text, encoding="ascii")

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder)


@pytest.fixture(scope="module")
def dns(lab: LabIsp) -> Iterator[Dns]:
    server = Dns(lab)
    server.start(net.GARDEN_V4)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def foreign_rules(lab: LabIsp) -> str:
    """Everybody else's rules, as nft prints them before Hradlo was ever started."""
    return foreign(lab)


def foreign(lab: LabIsp) -> str:
    """The ruleset without Hradlo's own tables, byte for byte; counters are left out, as packets move them."""
    return lab.rules(without=["hradlo", "hradlo_usage"])


def has_own_table(lab: LabIsp) -> bool:
    return "table inet hradlo {" in lab.rules()


def answers(lab: LabIsp, address: str) -> bool:
    """Whether the suspended subscriber reaches an https server there."""
    curl = ("curl", "-skm", "3", f"https://{address}/")
    return "The internet" in lab.topology.subscriber.run(*curl, is_checked=False).stdout


def test_a_suspended_line_reaches_a_bank_that_is_known_by_name(lab: LabIsp, foreign_rules: str, dns: Dns) -> None:
    lab.topology.internet.run("ip", "address", "add", f"{MOVED_V4}/24", "dev", "eth0")
    lab.start()
    lab.move_clock_to_day(14)
    lab.wait_for_line("notice")
    lab.acknowledge(f"http://{net.SERVER_V4}/")
    lab.move_clock_to_day(24, hour_utc=12)
    lab.wait_for_line("suspended")

    lab.wait_for("the bank", lambda: answers(lab, net.GARDEN_V4))
    assert not answers(lab, net.SERVER_V4)
    assert foreign(lab) == foreign_rules


def test_while_dns_is_down_the_bank_stays_reachable_even_over_a_restart(lab: LabIsp, dns: Dns) -> None:
    dns.stop()
    lab.kill()
    lab.start()
    lab.hradlo("apply", is_checked=False)
    log = lab.folder / "daemon.log"
    lab.wait_for("a look at DNS", lambda: "garden names unknown" in log.read_text(encoding="utf-8"))

    assert answers(lab, net.GARDEN_V4)


def test_a_bank_that_moved_is_followed_once_dns_is_back(lab: LabIsp, dns: Dns) -> None:
    dns.start(MOVED_V4)

    lab.wait_for("the moved bank", lambda: answers(lab, MOVED_V4))
    lab.wait_for("the old address to go", lambda: not answers(lab, net.GARDEN_V4))


def test_a_flushed_ruleset_is_healed(lab: LabIsp) -> None:
    lab.topology.gateway.run("nft", "flush", "ruleset")
    lab.topology.gateway.run("nft", "-f", "-", stdin=FOREIGN)

    lab.wait_for("healing", lambda: has_own_table(lab) and not answers(lab, net.SERVER_V4))


def test_a_deleted_table_is_healed(lab: LabIsp) -> None:
    lab.topology.gateway.run("nft", "delete", "table", "inet", "hradlo")

    lab.wait_for("healing", lambda: has_own_table(lab) and not answers(lab, net.SERVER_V4))


def test_other_peoples_rules_are_byte_for_byte_what_they_were(lab: LabIsp, foreign_rules: str) -> None:
    lab.hradlo("payments", "import", str(lab.pay()))
    lab.wait_for_line("open")

    assert "my own rules" in foreign_rules
    assert foreign(lab) == foreign_rules


def test_a_stop_leaves_every_rule_as_it_is(lab: LabIsp) -> None:
    before = lab.rules()
    assert lab.daemon is not None
    lab.daemon.terminate()

    assert lab.daemon.wait(20) == 0
    assert lab.rules() == before


def test_run_without_the_rights_says_what_is_missing(lab: LabIsp) -> None:
    # Root's own files can still be read, so that the missing right is the only obstacle, wherever Python lives.
    without = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    watched = ("env", "PYTHONDEVMODE=1")  # tells what was left open: now and then it became a traceback

    refused = lab.topology.gateway.run(*without, *watched, *lab.command("run", "--role", "engine"), is_checked=False)

    assert refused.returncode == 1
    assert "CAP_NET_ADMIN" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "unclosed event loop" not in refused.stderr
