"""Random schedules of everything that can go wrong with a router: in the end it is as it should be, and no one else's
thing has changed.

A schedule is a walk through desired states while connections break, the router reboots, a second writer writes and
somebody deletes, disables and moves what is ours. `make fuzz` plays a thousand of them, `make test` a few.
"""

import os
from contextlib import suppress
from datetime import UTC, datetime
from random import Random

import pytest

from config.clock import TestClock
from config.errors import DriverError
from enforcement.planner import plan
from enforcement.routeros import transport
from enforcement.routeros.driver import RouterOsDriver
from enforcement.routeros.rules import menus
from enforcement.state import Address, Desired, LineState
from tests.enforcement.routeros import ROUTER, Eager, reach, routeros_driver
from tests.routeros import faults
from tests.routeros.simulator import Simulator, running

SCHEDULES = int(os.environ.get("HRADLO_FAULT_SCHEDULES", "24"))
ROUNDS_MAX = 12
LISTS, FILTER, NAT = "/ip/firewall/address-list", "/ip/firewall/filter", "/ip/firewall/nat"
ADDRESSES = [Address.parse(f"100.64.0.{n}") for n in range(1, 13)] + [
    Address.parse(f"2001:db8:{n:x}::/56") for n in range(1, 5)
]
GARDEN = [Address.parse("203.0.113.90"), Address.parse("2001:db8:200::90"), Address.parse("192.0.2.80")]


@pytest.mark.parametrize("seed", range(SCHEDULES))
async def test_whatever_goes_wrong_the_router_ends_as_it_should_be(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "RUN_SECONDS", 0.3)
    monkeypatch.setattr(transport, "PRINT_SECONDS", 0.3)
    dice = Random(seed)
    clock = TestClock(datetime(2026, 11, 28, 12, tzinfo=UTC))
    simulated = Simulator(profile=dice.choice(["6.49", "7.12", "7.18", "7.22"]), has_ipv6=True, clock=clock)
    furnish(simulated, dice)
    foreign = foreign_of(simulated)
    async with (
        running(simulated),
        routeros_driver(simulated, breaker=Eager()) as driver,
        routeros_driver(simulated, breaker=Eager()) as second,
    ):
        desired = Desired({})
        for _ in range(dice.randint(2, 4)):
            desired = wanted(dice)
            spoil(simulated, dice)
            for _ in range(dice.randint(1, 3)):
                with suppress(DriverError):
                    await reach(driver, desired)
                if dice.random() < 0.2:
                    with suppress(DriverError):
                        await reach(second, wanted(dice))
                clock.advance(hours=dice.choice([0, 0, 1, 25]))
        simulated.faults.clear()
        await persist(driver, desired)

        assert shown(simulated) == expected(desired)
        assert foreign_of(simulated) == foreign
        assert own_rules_are_unique(simulated)


def furnish(router: Simulator, dice: Random) -> None:
    """Somebody's own router."""
    if dice.random() < 0.5:
        router.add(FILTER, chain="forward", action="fasttrack-connection", connection_state="established,related")
    router.add(FILTER, chain="forward", action="accept", connection_state="established,related")
    router.add(FILTER, chain="input", action="drop", in_interface="ether1")
    router.add(NAT, chain="srcnat", action="masquerade", out_interface="ether1")
    router.add(LISTS, list="friends", address="100.64.0.1")
    router.add(LISTS, list="hradlo-allowed", address="198.51.100.7", comment="our own server")


def wanted(dice: Random) -> Desired:
    states = [LineState.OPEN, LineState.NOTICE, LineState.SUSPENDED]
    lines = {address: state for address in ADDRESSES if (state := dice.choice(states)) is not LineState.OPEN}
    return Desired(lines, frozenset(address for address in GARDEN if dice.random() < 0.5))


def spoil(router: Simulator, dice: Random) -> None:
    """Plans what will go wrong."""
    router.faults.shuffles_answers = dice.random() < 0.3
    kinds: list[faults.Fault] = [
        faults.Reset(is_applied=dice.random() < 0.5, sent_bytes=dice.randint(0, 40)),
        faults.Reboot(is_applied=dice.random() < 0.5),
        faults.Fatal(),
        faults.Halfway(),
        faults.Trap("failure: already have such entry"),
        faults.Trap("no such item", 0),
        faults.Trap("not enough permissions (9)"),
        faults.Trap(""),
        faults.TwoTraps(),
        *[faults.Meanwhile(lambda simulated: meddle(simulated, dice))] * 8,
    ]
    if dice.random() < 0.05:
        kinds = [faults.Stall(is_applied=dice.random() < 0.5)]
    for _ in range(dice.randint(0, 8)):
        on = dice.choice(["", "", "add", "set", "remove", "move", "print"])
        router.faults.inject(dice.choice(kinds), on=on, skip=dice.randint(0, 30))


def meddle(router: Simulator, dice: Random) -> None:
    """Somebody's hand on what is ours."""
    path = dice.choice([LISTS, "/ipv6/firewall/address-list", FILTER, NAT])
    table = router.tables[path]
    own = [row for row in table if row.values.get("comment", "").startswith("hradlo:")]
    if not own:
        return
    row = dice.choice(own)
    match dice.choice(["remove", "disable", "list"]):
        case "disable":
            table.set(row, {"disabled": "yes"})
        case "list" if "list" in row.values:
            with suppress(Exception):  # it may be in that list already
                table.set(row, {"list": dice.choice(["hradlo-notice", "hradlo-suspended", "elsewhere"])})
        case _:
            table.remove(row)


async def persist(driver: RouterOsDriver, desired: Desired) -> None:
    """An engine that goes on until there is nothing to do, and then looks after it once more."""
    for _ in range(ROUNDS_MAX):
        with suppress(DriverError):
            if plan(desired, await driver.observe()).is_empty:
                await driver._keep_up()
                return
            await reach(driver, desired)
    raise AssertionError(f"not reached in {ROUNDS_MAX} rounds: {plan(desired, await driver.observe())}")


def shown(router: Simulator) -> set[tuple[str, str]]:
    """What is in force of ours: list and address."""
    return {
        (row.values["list"], row.values["address"])
        for table in (router.address_list, router.address_list_v6)
        for row in table
        if row.values.get("comment", "").startswith("hradlo:") and row.values["list"].startswith("hradlo-")
    }


def expected(desired: Desired) -> set[tuple[str, str]]:
    lines = {(f"hradlo-{state}", str(address)) for address, state in desired.lines.items()}
    garden = {("hradlo-allowed", text(address)) for address in desired.garden}
    return lines | garden | {("hradlo-allowed", str(ROUTER.notice_address))}


def text(address: Address) -> str:
    return f"{address}/128" if address.version == 6 and address.is_single else str(address)


def own_rules_are_unique(router: Simulator) -> bool:
    for menu in menus(ROUTER):
        comments = [row.values["comment"] for row in router.tables[menu] if "hradlo:" in row.values.get("comment", "")]
        if len(comments) != len(set(comments)):
            return False
    return True


def foreign_of(router: Simulator) -> list[bytes]:
    """Without the rule that the router itself makes anew at each start."""
    return [line for line in router.foreign().splitlines() if b"special dummy rule" not in line]
