"""What comes and goes by itself: leases, PPP sessions, queues, connections."""

from tests.routeros import subscribers
from tests.routeros.furniture import furnish
from tests.routeros.simulator import Simulator
from tests.routeros.talker import Talker

LIST = "/ip/firewall/address-list"


async def test_a_lease_lists_its_address_while_it_is_bound(router: Simulator, talker: Talker) -> None:
    lease = subscribers.lease_bound(router, "02:00:00:00:00:07", "100.64.0.7", lists="a,b")
    asked = await talker.ask("/ip/dhcp-server/lease/print", "=.proplist=address,mac-address,dynamic", "?status=bound")
    assert asked[0] == ["!re", "=address=100.64.0.7", "=mac-address=02:00:00:00:00:07", "=dynamic=true"]
    assert [(row.values["list"], row.is_dynamic) for row in router.address_list] == [("a", True), ("b", True)]

    subscribers.lease_ended(router, lease)

    assert len(router.address_list) == len(router.tables[subscribers.LEASES]) == 0


async def test_a_lease_made_static_survives_a_reboot(router: Simulator, talker: Talker) -> None:
    lease = subscribers.lease_bound(router, "02:00:00:00:00:07", "100.64.0.7")
    await talker.ask("/ip/dhcp-server/lease/make-static", f"=.id={lease.id}")

    router.reboot()

    assert len(router.tables[subscribers.LEASES]) == 1


async def test_a_ppp_session_brings_its_interface_queue_and_address_list(router: Simulator, talker: Talker) -> None:
    router.add("/ppp/profile", name="basic", address_list="pppoe")
    router.add("/ppp/secret", name="jana", password="x", profile="basic", service="pppoe")
    subscribers.ppp_connected(router, "jana", "100.64.0.7")
    asked = await talker.ask("/ppp/active/print", "=.proplist=name,address")
    assert asked[0] == ["!re", "=name=jana", "=address=100.64.0.7"]
    assert router.address_list.addresses("pppoe") == ["100.64.0.7"]

    subscribers.ppp_disconnected(router, "jana")

    assert len(router.tables["/ppp/active"]) == len(router.tables["/queue/simple"]) == len(router.address_list) == 0


async def test_a_ppp_session_may_be_ended_though_it_is_dynamic(router: Simulator, talker: Talker) -> None:
    session = subscribers.ppp_connected(router, "jana", "100.64.0.7")

    assert (await talker.ask("/ppp/active/remove", f"=.id={session.id}"))[0] == ["!done"]
    assert len(router.tables["/ppp/active"]) == 0


async def test_queues_count_up_and_down_and_begin_anew_after_a_reboot(router: Simulator, talker: Talker) -> None:
    router.add("/queue/simple", name="jana", target="100.64.0.7/32", max_limit="10M/50M")
    subscribers.transferred(router, "jana", up=5, down=70)
    subscribers.transferred(router, "jana", up=1, down=1)
    asked = await talker.ask("/queue/simple/print", "=stats=", "=.proplist=name,target,bytes")
    assert asked[0] == ["!re", "=name=jana", "=target=100.64.0.7/32", "=bytes=6/71"]

    router.reboot()

    assert router.tables["/queue/simple"].find(name="jana")[0].values["bytes"] == "0/0"


async def test_connections_are_asked_by_flag_and_removed_in_a_batch(router: Simulator, talker: Talker) -> None:
    for port in (1, 2, 3):
        subscribers.flow(router, f"100.64.0.7:{port}", "203.0.113.80:443", is_fasttracked=port != 2)
    asked = await talker.ask("/ip/firewall/connection/print", "=.proplist=.id,src-address", "?fasttrack=true")
    assert [row[2] for row in asked[:-1]] == ["=src-address=100.64.0.7:1", "=src-address=100.64.0.7:3"]

    await talker.ask("/ip/firewall/connection/remove", "=.id=*1,*3")

    assert [row.values["src-address"] for row in router.tables[subscribers.CONNECTIONS]] == ["100.64.0.7:2"]


async def test_a_furnished_router_keeps_what_is_static_over_a_reboot(router: Simulator) -> None:
    furnish(router)
    comments = [row.values.get("comment", "") for row in router.tables["/ip/firewall/filter"]]
    assert comments[0].startswith("special dummy rule")

    router.reboot()

    assert [row.values.get("comment", "") for row in router.tables["/ip/firewall/filter"]] == comments
    assert router.address_list.addresses("admins") == ["192.0.2.0/28", "bank.example", "192.0.2.90"]
    assert router.address_list.addresses("blocked") == []
