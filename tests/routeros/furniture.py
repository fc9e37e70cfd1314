"""A router as an ISP runs it: what was there before Hradlo came, and must be there after it has gone."""

from tests.routeros.simulator import Simulator
from tests.routeros.subscribers import lease_bound

FILTER, NAT, LIST = "/ip/firewall/filter", "/ip/firewall/nat", "/ip/firewall/address-list"


def furnish(router: Simulator, office: str = "192.0.2.0/28", *, has_fasttrack: bool = True) -> None:
    """MikroTik's default firewall and a bit of an admin's own, `ether1` towards the internet.

    `office` is where the router may be managed from.
    """
    router.add(FILTER, chain="input", action="accept", connection_state="established,related,untracked")
    router.add(FILTER, chain="input", action="drop", connection_state="invalid")
    router.add(FILTER, chain="input", action="accept", src_address_list="admins", comment="the office")
    router.add(FILTER, chain="input", action="drop", in_interface="ether1")
    if has_fasttrack:
        state = "established,related"
        router.add(
            FILTER, chain="forward", action="fasttrack-connection", connection_state=state, comment="defconf: fasttrack"
        )
    router.add(FILTER, chain="forward", action="accept", connection_state="established,related,untracked")
    router.add(FILTER, chain="forward", action="drop", connection_state="invalid")
    router.add(FILTER, chain="forward", action="drop", dst_port="25", protocol="tcp", comment="no spam from here")
    router.add(NAT, chain="srcnat", action="masquerade", out_interface="ether1", comment="defconf: masquerade")
    camera = {"protocol": "tcp", "dst_port": "8080", "to_addresses": "192.168.88.9", "to_ports": "80"}
    router.add(NAT, chain="dstnat", action="dst-nat", in_interface="ether1", comment="camera", **camera)
    router.world.names["bank.example"] = ["192.0.2.90"]
    router.add(LIST, list="admins", address=office, comment="the office")
    router.add(LIST, list="admins", address="bank.example")
    router.add(LIST, list="blocked", address="198.51.100.7", timeout="1d", comment="by hand")
    lease_bound(router, "02:00:00:00:00:07", "100.64.0.200", lists="leased")
