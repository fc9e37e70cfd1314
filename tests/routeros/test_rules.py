"""Ordered rules: where they stand, what moves, what the router refuses, and what is foreign."""

import pytest

from tests.routeros.rules import DUMMY
from tests.routeros.simulator import Simulator
from tests.routeros.talker import Talker

FILTER, NAT = "/ip/firewall/filter", "/ip/firewall/nat"


async def ruled(talker: Talker, comment: str, *more: str) -> list[list[str]]:
    return await talker.ask(f"{FILTER}/add", "=chain=forward", f"=comment={comment}", *more)


def order(router: Simulator) -> list[str]:
    return [row.values["comment"] for row in router.tables[FILTER]]


async def test_a_rule_is_added_at_the_end_or_before_another(router: Simulator, talker: Talker) -> None:
    await ruled(talker, "one")
    await ruled(talker, "two")
    await ruled(talker, "between", "=place-before=*2")

    assert order(router) == ["one", "between", "two"]


async def test_rules_are_moved_together_before_another_or_to_the_end(router: Simulator, talker: Talker) -> None:
    for comment in ("1", "2", "3", "4"):
        await ruled(talker, comment)

    await talker.ask(f"{FILTER}/move", "=numbers=*3,*4", "=destination=*1")
    assert order(router) == ["3", "4", "1", "2"]

    await talker.ask(f"{FILTER}/move", "=numbers=*3")
    assert order(router) == ["4", "1", "2", "3"]


async def test_with_fasttrack_a_dummy_rule_is_on_top_that_nobody_can_touch(router: Simulator, talker: Talker) -> None:
    await ruled(talker, "fast", "=action=fasttrack-connection", "=connection-state=established,related")
    assert order(router) == [DUMMY, "fast"]
    [dummy] = router.tables[FILTER].find(comment=DUMMY)

    for command in (
        [f"{FILTER}/add", "=chain=forward", f"=place-before={dummy.id}"],
        [f"{FILTER}/set", f"=.id={dummy.id}", "=disabled=yes"],
        [f"{FILTER}/remove", f"=.id={dummy.id}"],
        [f"{FILTER}/move", f"=numbers={dummy.id}"],
    ):
        assert (await talker.ask(*command))[0][0] == "!trap"

    await talker.ask(f"{FILTER}/disable", "=.id=*1")
    assert order(router) == ["fast"]


@pytest.mark.parametrize(
    "words",
    [
        [f"{FILTER}/add", "=chain=forward", "=dst-port=53"],
        [f"{FILTER}/add", "=chain=forward", "=action=jump"],
        [f"{FILTER}/add", "=chain=forward", "=action=reject", "=reject-with=tcp-reset"],
        [f"{FILTER}/add", "=chain=forward", "=protocol=carrier-pigeon"],
        [f"{NAT}/add", "=chain=srcnat", "=action=dst-nat", "=to-addresses=192.0.2.1"],
        [f"{NAT}/add", "=chain=dstnat", "=action=drop"],
    ],
)
async def test_what_does_not_fit_together_is_refused(router: Simulator, talker: Talker, words: list[str]) -> None:
    assert (await talker.ask(*words))[0][0] == "!trap"
    assert len(router.tables[FILTER]) + len(router.tables[NAT]) == 0


async def test_a_rule_that_would_become_impossible_stays_as_it_was(router: Simulator, talker: Talker) -> None:
    await ruled(talker, "dns", "=protocol=udp", "=dst-port=53")

    answer = await talker.ask(f"{FILTER}/unset", "=.id=*1", "=value-name=protocol")

    assert answer[0][0] == "!trap"
    assert router.tables[FILTER].find(comment="dns")[0].values["protocol"] == "udp"


async def test_a_rule_about_a_missing_interface_is_invalid(router: Simulator, talker: Talker) -> None:
    await ruled(talker, "x", "=in-interface=ether9")

    assert router.tables[FILTER].find(comment="x")[0].values["invalid"] == "true"


async def test_counters_begin_anew_after_a_reboot(router: Simulator, talker: Talker) -> None:
    await ruled(talker, "x")
    router.tables[FILTER].find(comment="x")[0].values.update(bytes="1000", packets="10")

    router.reboot()

    assert router.tables[FILTER].find(comment="x")[0].values["bytes"] == "0"


async def test_what_bears_the_mark_is_not_foreign(router: Simulator, talker: Talker) -> None:
    await ruled(talker, "the admin's")
    before = router.foreign()

    await ruled(talker, "hradlo:v1:jump", "=place-before=*1")
    await talker.ask("/ip/firewall/address-list/add", "=list=hradlo-notice", "=address=192.0.2.1", "=comment=hradlo:7")

    assert router.foreign() == before


async def test_a_foreign_rule_deleted_and_added_again_is_found_out(router: Simulator, talker: Talker) -> None:
    await ruled(talker, "the admin's")
    before = router.foreign()

    await talker.ask(f"{FILTER}/remove", "=.id=*1")
    await ruled(talker, "the admin's")

    assert router.foreign() != before
