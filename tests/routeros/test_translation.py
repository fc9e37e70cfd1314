"""What a rule of the router's becomes in the kernel's language; on real packets: `test_netfilter.py`."""

import pytest

from tests.routeros.translation import Ruleset

DROP = {"chain": "forward", "action": "drop"}


def translated(rule: dict[str, str], table: str = "filter", version: int = 4) -> str:
    """The one rule's line, without its counter and comment."""
    ruleset = Ruleset(version, {table: [{".id": "*7", **rule}]}, {}, {"ether1": "wan"})
    text = ruleset.text()
    assert ruleset.not_understood == []
    [line] = [line for line in text.splitlines() if '"*7"' in line]
    return line.replace(" counter", "").partition(" comment")[0].strip()


@pytest.mark.parametrize(
    ("matcher", "line"),
    [
        ({"src-address": "!10.0.0.0/8"}, "ip saddr != 10.0.0.0/8 drop"),
        ({"dst-address-list": "a"}, "ip daddr @list_0 drop"),
        ({"src-address-list": "!a"}, "ip saddr != @list_0 drop"),
        ({"dst-port": "80,8000-8100", "protocol": "tcp"}, "meta l4proto tcp th dport { 80,8000-8100 } drop"),
        ({"protocol": "!udp"}, "meta l4proto != udp drop"),
        ({"in-interface": "ether1"}, 'iifname "wan" drop'),
        ({"out-interface": "!ether9"}, 'oifname != "ether9" drop'),
        ({"connection-state": "established,related"}, "ct state { established,related } drop"),
        ({"dst-address-type": "!local"}, "fib daddr type != local drop"),
        ({"limit": "10/1m,5:packet", "protocol": "udp"}, "meta l4proto udp limit rate 10/minute burst 5 packets drop"),
        ({"dst-limit": "2,4,dst-address/1m"}, "update @limit_0 { ip daddr limit rate 2/second burst 4 packets } drop"),
    ],
)
def test_each_matcher_says_the_same_to_the_kernel(matcher: dict[str, str], line: str) -> None:
    assert translated({**DROP, **matcher}) == line


@pytest.mark.parametrize(
    ("action", "line"),
    [
        ({"action": "reject", "reject-with": "icmp-admin-prohibited"}, "reject with icmp admin-prohibited"),
        ({"action": "reject", "protocol": "tcp", "reject-with": "tcp-reset"}, "meta l4proto tcp reject with tcp reset"),
        ({"action": "fasttrack-connection"}, "ct mark set ct mark or 0x00000001"),
        ({"action": "jump", "jump-target": "nowhere"}, ""),
        ({"action": "passthrough"}, ""),
        ({"action": "tarpit"}, "drop"),
    ],
)
def test_each_action_does_the_same(action: dict[str, str], line: str) -> None:
    assert translated({"chain": "forward", **action}) == line


def test_ipv6_is_refused_in_its_own_words() -> None:
    rule = {
        "chain": "forward",
        "action": "reject",
        "reject-with": "icmp-admin-prohibited",
        "src-address": "2001:db8::/32",
    }

    assert translated(rule, version=6) == "ip6 saddr 2001:db8::/32 reject with icmpv6 admin-prohibited"


def test_what_is_translated_goes_to_an_address_and_a_port() -> None:
    rule = {"chain": "dstnat", "action": "dst-nat", "protocol": "tcp", "to-addresses": "192.0.2.1", "to-ports": "8101"}

    assert translated(rule, "nat") == "meta l4proto tcp dnat to 192.0.2.1:8101"


def test_chains_of_any_name_are_told_apart() -> None:
    rules = [
        {**DROP, ".id": f"*{number}", "chain": name} for number, name in enumerate(["a-b", "a b", "a_b", "forward"])
    ]

    chains = [line.split()[1] for line in Ruleset(4, {"filter": rules}, {}).text().splitlines() if "chain" in line]

    assert len(set(chains)) == len(chains)


@pytest.mark.parametrize("unknown", [{"layer7-protocol": "x"}, {"dst-limit": "1,1,dst-port"}, {"limit": "5/11s,1"}])
def test_a_rule_that_is_not_understood_is_left_out_and_named(unknown: dict[str, str]) -> None:
    ruleset = Ruleset(4, {"filter": [{**DROP, ".id": "*7", **unknown}]}, {})

    assert '"*7"' not in ruleset.text()
    assert "*7" in ruleset.not_understood[0]
