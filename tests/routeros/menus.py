"""Which menus there are, and which arguments their commands take.

A small table after MikroTik's manual and the published syntax trees of the versions (restraml, public domain);
what Hradlo has no business with is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.routeros.profiles import Profile


@dataclass(frozen=True, slots=True)
class Menu:
    """What a menu's items are made of."""

    arguments: frozenset[str] = frozenset()
    """What `add` and `set` take."""
    required: tuple[str, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)
    booleans: frozenset[str] = frozenset({"disabled"})
    choices: Mapping[str, frozenset[str]] = field(default_factory=dict)
    counters: frozenset[str] = frozenset()
    sensitive: frozenset[str] = frozenset()
    """Left out of what is printed to a user without the policy `sensitive`."""
    commands: frozenset[str] = frozenset()
    """Beside `print`, `getall`, `find`, `listen`, `get`."""
    is_ordered: bool = False
    is_single: bool = False
    """One row without `.id`: `/system/identity`."""


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


WRITE = words("add set remove unset enable disable comment edit")
_COUNTED = words("bytes packets")
_MATCHERS = words(
    """address-list address-list-timeout chain comment connection-bytes connection-limit connection-mark
    connection-nat-state connection-rate connection-state connection-type content disabled dscp dst-address
    dst-address-list dst-address-type dst-limit dst-port fragment hotspot icmp-options in-bridge-port in-interface
    in-interface-list ingress-priority ipsec-policy jump-target layer7-protocol limit log log-prefix nth out-interface
    out-interface-list packet-mark packet-size per-connection-classifier port priority protocol random routing-mark
    src-address src-address-list src-address-type src-mac-address src-port tcp-flags tcp-mss time tls-host ttl action
    place-before copy-from psd"""
)
_FILTER_ACTIONS = words(
    "accept add-dst-to-address-list add-src-to-address-list drop fasttrack-connection jump log passthrough reject "
    "return tarpit"
)
_NAT_ACTIONS = words(
    "accept add-dst-to-address-list add-src-to-address-list dst-nat endpoint-independent-nat jump log masquerade "
    "netmap passthrough redirect return same src-nat"
)
_MANGLE_ACTIONS = words(
    "accept add-dst-to-address-list add-src-to-address-list change-dscp change-mss change-ttl clear-df "
    "fasttrack-connection jump log mark-connection mark-packet mark-routing passthrough return route set-priority "
    "sniff-pc sniff-tzsp strip-ipv4-options"
)
_RAW_ACTIONS = words("accept add-dst-to-address-list add-src-to-address-list drop jump log notrack passthrough return")
REJECTIONS = words(
    "icmp-network-unreachable icmp-host-unreachable icmp-protocol-unreachable icmp-port-unreachable "
    "icmp-net-prohibited icmp-host-prohibited icmp-admin-prohibited tcp-reset"
)
REJECTIONS_V6 = words(
    "icmp-no-route icmp-admin-prohibited icmp-address-unreachable icmp-port-unreachable tcp-reset "
    "icmp-policy-fail icmp-reject-route"
)
PROTOCOLS = words("tcp udp udp-lite icmp icmpv6 igmp gre ipsec-esp ipsec-ah ospf sctp dccp ipv6-icmp ipencap vrrp")
_RULE_DEFAULTS = {"action": "accept", "log": "false", "log-prefix": ""}
_RULE_COUNTERS = {"bytes": "0", "packets": "0", "invalid": "false", "dynamic": "false", "disabled": "false"}


def _rule_menu(actions: frozenset[str], more: str = "", *, rejections: frozenset[str] = frozenset()) -> Menu:
    choices: dict[str, frozenset[str]] = {"action": actions}
    if rejections:
        choices["reject-with"] = rejections
    return Menu(
        arguments=_MATCHERS | words(more),
        required=("chain",),
        defaults={**_RULE_DEFAULTS, **_RULE_COUNTERS},
        booleans=words("disabled log fragment"),
        choices=choices,
        counters=_COUNTED,
        commands=WRITE | words("move reset-counters reset-counters-all"),
        is_ordered=True,
    )


def _address_list_menu(profile: Profile) -> Menu:
    arguments = words("address comment copy-from disabled list timeout")
    return Menu(
        arguments=arguments if profile.is_v6 else arguments | {"dynamic"},
        required=("list",),
        booleans=words("disabled dynamic"),
        commands=WRITE,
    )


_SINGLE = words("set")
_QUEUE = words(
    "name target dst parent packet-marks priority queue limit-at max-limit burst-limit burst-threshold burst-time "
    "bucket-size total-limit-at total-max-limit total-queue comment disabled copy-from place-before time"
)
_LEASE = words(
    "address address-lists allow-dual-stack-queue always-broadcast block-access client-id comment copy-from "
    "dhcp-option dhcp-option-set disabled insert-queue-before lease-time mac-address rate-limit server use-src-mac"
)
_SECRET = words(
    "name password service caller-id profile local-address remote-address remote-ipv6-prefix routes ipv6-routes "
    "limit-bytes-in limit-bytes-out comment disabled copy-from"
)
_PPP_PROFILE = words(
    "name local-address remote-address bridge address-list dns-server rate-limit only-one change-tcp-mss use-upnp "
    "use-encryption session-timeout idle-timeout on-up on-down comment copy-from incoming-filter outgoing-filter"
)
_SERVICE = words("port address certificate tls-version vrf max-sessions disabled name")


def menus(profile: Profile, *, has_ipv6: bool) -> dict[str, Menu]:
    """Every menu of this version, by path."""
    found = {
        "/ip/firewall/filter": _rule_menu(_FILTER_ACTIONS, "reject-with", rejections=REJECTIONS),
        "/ip/firewall/nat": _rule_menu(_NAT_ACTIONS, "to-addresses to-ports randomise-ports same-not-by-dst"),
        "/ip/firewall/mangle": _rule_menu(
            _MANGLE_ACTIONS, "passthrough new-connection-mark new-packet-mark new-routing-mark new-mss new-dscp"
        ),
        "/ip/firewall/raw": _rule_menu(_RAW_ACTIONS),
        "/ip/firewall/address-list": _address_list_menu(profile),
        "/ip/firewall/connection": Menu(commands=words("remove"), counters=words("orig-bytes repl-bytes")),
        "/ip/firewall/connection/tracking": Menu(
            words("enabled loose-tcp-tracking tcp-established-timeout"), commands=_SINGLE, is_single=True
        ),
        **_network_menus(),
        **_subscriber_menus(),
        **_system_menus(profile),
    }
    if has_ipv6:
        found |= _ipv6_menus(profile)
    return found


def _ipv6_menus(profile: Profile) -> dict[str, Menu]:
    found = {
        "/ipv6/firewall/filter": _rule_menu(_FILTER_ACTIONS, "reject-with", rejections=REJECTIONS_V6),
        "/ipv6/firewall/mangle": _rule_menu(_MANGLE_ACTIONS, "passthrough new-connection-mark new-packet-mark"),
        "/ipv6/firewall/raw": _rule_menu(_RAW_ACTIONS),
        "/ipv6/firewall/address-list": _address_list_menu(profile),
        "/ipv6/firewall/connection": Menu(commands=words("remove"), counters=words("orig-bytes repl-bytes")),
        "/ipv6/settings": Menu(words("disable-ipv6 forward accept-redirects"), commands=_SINGLE, is_single=True),
    }
    if not profile.is_v6:
        found["/ipv6/firewall/nat"] = _rule_menu(_NAT_ACTIONS, "to-address to-ports")
    return found


def _network_menus() -> dict[str, Menu]:
    return {
        "/interface": Menu(
            words("name mtu comment disabled"), commands=words("set enable disable"), counters=words("rx-byte tx-byte")
        ),
        "/interface/list": Menu(words("name comment include exclude"), ("name",), commands=WRITE),
        "/interface/list/member": Menu(words("list interface comment disabled"), ("list", "interface"), commands=WRITE),
        "/ip/address": Menu(
            words("address network interface comment disabled"), ("address", "interface"), commands=WRITE
        ),
        "/ip/route": Menu(words("dst-address gateway distance comment disabled"), commands=WRITE),
        "/ip/dns": Menu(words("servers allow-remote-requests cache-size"), commands=_SINGLE, is_single=True),
        "/ip/settings": Menu(words("ip-forward rp-filter allow-fast-path"), commands=_SINGLE, is_single=True),
        "/ip/service": Menu(_SERVICE, commands=words("set enable disable")),
        "/ip/dhcp-server": Menu(
            words("name interface address-pool lease-time disabled comment"), ("interface",), commands=WRITE
        ),
        "/ip/dhcp-server/network": Menu(
            words("address gateway dns-server dhcp-option comment"), ("address",), commands=WRITE
        ),
        "/ip/dhcp-server/option": Menu(words("name code value comment"), ("name", "code"), commands=WRITE),
    }


def _subscriber_menus() -> dict[str, Menu]:
    return {
        "/ip/dhcp-server/lease": Menu(
            _LEASE, defaults={"dynamic": "false", "disabled": "false"}, commands=WRITE | {"make-static"}
        ),
        "/ppp/active": Menu(commands=words("remove")),
        "/ppp/secret": Menu(
            _SECRET,
            ("name",),
            {"service": "any", "profile": "default", "disabled": "false"},
            sensitive=words("password"),
            commands=WRITE,
        ),
        "/ppp/profile": Menu(_PPP_PROFILE, ("name",), commands=WRITE),
        "/queue/simple": Menu(
            _QUEUE,
            ("target",),
            {"bytes": "0/0", "packets": "0/0", "disabled": "false", "dynamic": "false", "invalid": "false"},
            counters=words("bytes packets"),
            commands=WRITE | words("move reset-counters reset-counters-all"),
            is_ordered=True,
        ),
    }


def _system_menus(profile: Profile) -> dict[str, Menu]:
    found = {
        "/system/identity": Menu(words("name"), commands=_SINGLE, is_single=True),
        "/system/resource": Menu(is_single=True),
        "/system/routerboard": Menu(is_single=True),
        "/system/clock": Menu(words("date time time-zone-name"), commands=_SINGLE, is_single=True),
        "/system/package": Menu(),
        "/certificate": Menu(words("name trusted"), commands=words("set remove")),
        "/user": Menu(
            words("name group password address comment disabled"),
            ("name", "group"),
            sensitive=words("password"),
            commands=WRITE,
        ),
        "/user/group": Menu(words("name policy skin comment"), ("name",), commands=WRITE),
    }
    if profile.is_v6:
        found["/ip/accounting"] = Menu(words("enabled threshold"), commands=_SINGLE, is_single=True)
    return found
