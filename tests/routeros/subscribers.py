"""What comes and goes by itself on a router: leases, PPP sessions, queues and connections of subscribers."""

from tests.routeros.simulator import Simulator
from tests.routeros.tables import Row

LEASES, ACTIVE, SECRETS, PROFILES = "/ip/dhcp-server/lease", "/ppp/active", "/ppp/secret", "/ppp/profile"
QUEUES, CONNECTIONS, INTERFACES = "/queue/simple", "/ip/firewall/connection", "/interface"


def lease_bound(router: Simulator, mac_address: str, address: str, *, host_name: str = "", lists: str = "") -> Row:
    """A DHCP client got an address; `lists` are the lease's `address-lists`."""
    values = {
        "address": address,
        "mac-address": mac_address.upper(),
        "server": "dhcp1",
        "status": "bound",
        "expires-after": "9m30s",
        "last-seen": "30s",
        "active-address": address,
        "active-mac-address": mac_address.upper(),
        "active-server": "dhcp1",
        "host-name": host_name,
        "address-lists": lists,
    }
    lease = router.tables[LEASES].appear(values, "dhcp")
    _list_address(router, lists, address, "dhcp")
    return lease


def lease_ended(router: Simulator, lease: Row) -> None:
    """The client is gone, and with it the entries that the lease made."""
    router.tables[LEASES].delete(lease)
    _unlist_address(router, lease.values.get("address-lists", ""), lease.values["address"], "dhcp")


def ppp_connected(router: Simulator, name: str, address: str) -> Row:
    """A PPPoE client logged in: session, interface, queue, and the address list of its profile."""
    session = {"name": name, "service": "pppoe", "caller-id": "02:00:00:00:00:01", "address": address, "uptime": "0s"}
    row = router.tables[ACTIVE].appear(session, "ppp")
    interface = {"name": f"<pppoe-{name}>", "type": "pppoe-in", "running": "true", "rx-byte": "0", "tx-byte": "0"}
    router.tables[INTERFACES].appear(interface, "ppp")
    queue = {"name": f"<pppoe-{name}>", "target": f"<pppoe-{name}>", "parent": "none", "max-limit": "0/0"}
    router.tables[QUEUES].appear(queue, "ppp")
    _list_address(router, _profile_list(router, name), address, "ppp")
    return row


def ppp_disconnected(router: Simulator, name: str) -> None:
    """The session ends; what it brought goes."""
    for row in router.tables[ACTIVE].find(name=name):
        router.tables[ACTIVE].delete(row)
        _unlist_address(router, _profile_list(router, name), row.values["address"], "ppp")
    for path in (INTERFACES, QUEUES):
        for row in router.tables[path].find(name=f"<pppoe-{name}>"):
            router.tables[path].delete(row)


def transferred(router: Simulator, queue_name: str, *, up: int, down: int) -> None:
    """So many more bytes went through a queue."""
    for row in router.tables[QUEUES].find(name=queue_name):
        before_up, before_down = (int(part) for part in row.values["bytes"].split("/"))
        row.values["bytes"] = f"{before_up + up}/{before_down + down}"


def flow(
    router: Simulator, source: str, destination: str, *, is_fasttracked: bool = False, protocol: str = "tcp"
) -> Row:
    """A tracked connection; addresses as the router prints them, ``ip:port``."""
    values = {
        "protocol": "tcp",
        "src-address": source,
        "dst-address": destination,
        "reply-src-address": destination,
        "reply-dst-address": source,
        "tcp-state": "established",
        "timeout": "23h59m59s",
        "expected": "false",
        "seen-reply": "true",
        "assured": "true",
        "confirmed": "true",
        "dying": "false",
        "fasttrack": "true" if is_fasttracked else "false",
        "orig-bytes": "0",
        "repl-bytes": "0",
    }
    return router.tables[CONNECTIONS].appear(values, "")


def _profile_list(router: Simulator, name: str) -> str:
    """The address list of the profile of a PPP secret."""
    secrets = router.tables[SECRETS].find(name=name)
    profile = secrets[0].values.get("profile", "default") if secrets else "default"
    profiles = router.tables[PROFILES].find(name=profile)
    return profiles[0].values.get("address-list", "") if profiles else ""


def _list_address(router: Simulator, lists: str, address: str, owner: str) -> None:
    for name in filter(None, lists.split(",")):
        router.address_list.appear({"list": name, "address": address}, owner)


def _unlist_address(router: Simulator, lists: str, address: str, owner: str) -> None:
    for name in filter(None, lists.split(",")):
        entry = router.address_list.at(name, address)
        if entry is not None and entry.owner == owner:
            router.address_list.delete(entry)
