"""The MikroTik driver beside other people's entries and rules, reboots, faults and large numbers."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from config.clock import TestClock
from config.errors import DriverError
from enforcement.planner import plan
from enforcement.routeros import driver as driver_module
from enforcement.routeros.driver import RouterOsDriver
from enforcement.routeros.transport import Refused, RouterUnreachable
from enforcement.state import Address, Change, Desired, LineState, Plan
from tests.enforcement.routeros import ROUTER, Eager, reach, routeros_driver
from tests.routeros import faults
from tests.routeros.simulator import Simulator, running
from tests.routeros.subscribers import lease_bound, ppp_connected, transferred

ONE, OTHER = Address.parse("100.64.0.10"), Address.parse("100.64.0.11")
HOME = Address.parse("2001:db8:5600::/56")
BANK = Address.parse("203.0.113.90")
LISTS, FILTER, NAT = "/ip/firewall/address-list", "/ip/firewall/filter", "/ip/firewall/nat"
TWO_LINES = Desired({ONE: LineState.SUSPENDED, HOME: LineState.NOTICE}, frozenset({BANK}))
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> TestClock:
    return TestClock(NOW)


@pytest.fixture
async def simulated(clock: TestClock) -> AsyncIterator[Simulator]:
    async with running(Simulator(clock=clock)) as router:
        furnish(router)
        yield router


@pytest.fixture
async def driver(simulated: Simulator) -> AsyncIterator[RouterOsDriver]:
    async with routeros_driver(simulated) as opened:
        yield opened


def furnish(router: Simulator) -> None:
    """An operator's own rules, FastTrack among them, and lists."""
    router.add(FILTER, chain="input", action="accept", connection_state="established,related")
    router.add(FILTER, chain="forward", action="fasttrack-connection", connection_state="established,related")
    router.add(FILTER, chain="forward", action="accept", connection_state="established,related", comment="theirs")
    router.add(NAT, chain="srcnat", action="masquerade", out_interface="ether1")
    router.add(LISTS, list="friends", address="10.0.0.0/8")
    router.add(LISTS, list="hradlo-allowed", address="198.51.100.7", comment="our own server")
    router.add("/ipv6/firewall/filter", chain="forward", action="accept", connection_state="established,related")


def many(count: int, state: LineState = LineState.SUSPENDED) -> dict[Address, LineState]:
    return {Address((0x0A000000 + n).to_bytes(4, "big"), 32): state for n in range(count)}


def entry(router: Simulator, name: str, address: Address) -> dict[str, str] | None:
    table = router.address_list if address.version == 4 else router.address_list_v6
    row = table.at(name, str(address))
    return dict(row.values) if row else None


# What is written


async def test_nothing_foreign_is_touched_from_the_first_rule_to_the_last(
    simulated: Simulator, driver: RouterOsDriver
) -> None:
    before = simulated.foreign()
    await reach(driver, TWO_LINES)
    await reach(driver, Desired({OTHER: LineState.SUSPENDED}))
    assert simulated.foreign() == before

    await driver.remove()
    assert simulated.foreign() == before
    assert not [
        row for table in simulated.tables.values() for row in table if "hradlo:" in row.values.get("comment", "")
    ]


async def test_closing_changes_nothing(simulated: Simulator) -> None:
    async with routeros_driver(simulated) as driver:
        await reach(driver, TWO_LINES)
        written = len(simulated.writes)

    assert len(simulated.writes) == written


async def test_a_new_process_knows_its_rules_again_and_writes_nothing(simulated: Simulator) -> None:
    async with routeros_driver(simulated) as driver:
        await reach(driver, TWO_LINES)
    written = len(simulated.writes)

    async with routeros_driver(simulated) as driver:
        assert (await reach(driver, TWO_LINES)).changed == 0
    assert len(simulated.writes) == written


async def test_an_observation_writes_nothing(simulated: Simulator, driver: RouterOsDriver) -> None:
    await driver.observe()

    assert simulated.writes == []


async def test_a_suspension_stays_over_a_reboot_and_a_notice_comes_back_by_the_next_round(
    simulated: Simulator, driver: RouterOsDriver
) -> None:
    desired = Desired({ONE: LineState.SUSPENDED, OTHER: LineState.NOTICE})
    await reach(driver, desired)
    simulated.reboot()
    assert entry(simulated, "hradlo-suspended", ONE)
    assert not entry(simulated, "hradlo-notice", OTHER)

    await reach(driver, desired)
    assert entry(simulated, "hradlo-notice", OTHER)


async def test_a_notice_ends_by_itself_without_hradlo(
    simulated: Simulator, driver: RouterOsDriver, clock: TestClock
) -> None:
    await reach(driver, TWO_LINES)
    clock.advance(hours=25)
    simulated.tick()

    assert not entry(simulated, "hradlo-notice", HOME)
    assert entry(simulated, "hradlo-suspended", ONE)


async def test_a_notice_lasts_as_long_as_an_engine_watches(
    simulated: Simulator, driver: RouterOsDriver, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_module, "WATCH_SECONDS", 0)
    await reach(driver, TWO_LINES)
    clock.advance(hours=13)
    await driver.observe()
    simulated.commands.clear()
    await watch(driver, until=lambda: bool(simulated.writes))
    clock.advance(hours=13)
    simulated.tick()

    assert entry(simulated, "hradlo-notice", HOME)


async def test_between_two_states_no_line_is_without_one(simulated: Simulator, driver: RouterOsDriver) -> None:
    """Watched at every command that is written."""
    await reach(driver, Desired({ONE: LineState.NOTICE, OTHER: LineState.SUSPENDED}))
    gaps: list[str] = []

    def look(router: Simulator) -> None:
        for address in (ONE, OTHER):
            if not entry(router, "hradlo-notice", address) and not entry(router, "hradlo-suspended", address):
                gaps.append(str(address))

    for skip in range(6):
        simulated.faults.inject(faults.Meanwhile(look), on="", skip=skip)
    await driver.apply(
        Plan(
            restores=(Change(OTHER, LineState.SUSPENDED, LineState.NOTICE),),
            restrictions=(Change(ONE, LineState.NOTICE, LineState.SUSPENDED),),
        )
    )

    assert gaps == []
    assert (await driver.look_at([ONE, OTHER])) == {ONE: LineState.SUSPENDED, OTHER: LineState.NOTICE}
    assert entry(simulated, "hradlo-notice", ONE) is None


async def test_restores_are_written_before_anything_else(simulated: Simulator, driver: RouterOsDriver) -> None:
    await reach(driver, Desired({ONE: LineState.SUSPENDED}))
    simulated.commands.clear()
    await driver.apply(
        Plan(
            restores=(Change(ONE, LineState.SUSPENDED, LineState.OPEN),),
            restrictions=tuple(Change(address, LineState.OPEN, LineState.SUSPENDED) for address in many(5)),
            garden_added=(BANK,),
            installs=True,
        )
    )

    assert simulated.writes[0].name == "remove"


async def test_an_acknowledgement_costs_one_command(simulated: Simulator, driver: RouterOsDriver) -> None:
    await reach(driver, Desired({ONE: LineState.NOTICE, OTHER: LineState.NOTICE}))
    simulated.commands.clear()
    await driver.apply(Plan(restores=(Change(ONE, LineState.NOTICE, LineState.OPEN),)))

    assert [command.name for command in simulated.commands] == ["remove"]


async def test_thousands_are_restored_by_few_commands(simulated: Simulator, driver: RouterOsDriver) -> None:
    await reach(driver, Desired(many(1000)))
    simulated.commands.clear()
    await reach(driver, Desired({}))

    assert len(simulated.writes) == 10


# Others on the same router


async def test_an_entry_of_dhcp_or_a_person_that_does_our_work_is_left_alone_and_counts(
    simulated: Simulator, driver: RouterOsDriver
) -> None:
    simulated.address_list.appear({"list": "hradlo-suspended", "address": str(ONE)}, "dhcp")
    simulated.add(LISTS, list="hradlo-notice", address=str(OTHER), comment="by hand")
    before = simulated.foreign()
    desired = Desired({ONE: LineState.SUSPENDED, OTHER: LineState.NOTICE})
    await reach(driver, desired)

    assert plan(desired, await driver.observe()).is_empty
    assert simulated.foreign() == before


async def test_what_somebody_else_restricts_stays_and_is_said(simulated: Simulator, driver: RouterOsDriver) -> None:
    simulated.add(LISTS, list="hradlo-suspended", address=str(ONE), comment="by hand")
    await reach(driver, Desired({ONE: LineState.SUSPENDED}))
    applied = await reach(driver, Desired({}))

    assert applied.notes == ("100.64.0.10 stays in hradlo-suspended: that entry is not Hradlo's",)
    assert plan(Desired({}), await driver.observe()).is_empty


async def test_when_somebodys_entry_goes_ours_comes(simulated: Simulator, driver: RouterOsDriver) -> None:
    row = simulated.address_list.appear({"list": "hradlo-suspended", "address": str(ONE)}, "ppp")
    desired = Desired({ONE: LineState.SUSPENDED})
    await reach(driver, desired)
    simulated.address_list.delete(row)
    await reach(driver, desired)

    assert (entry(simulated, "hradlo-suspended", ONE) or {})["comment"] == "hradlo:v1:line"


async def test_what_others_deleted_disabled_or_changed_is_right_by_the_next_round(
    simulated: Simulator, driver: RouterOsDriver
) -> None:
    desired = Desired({**many(10), HOME: LineState.NOTICE}, frozenset({BANK}))
    await reach(driver, desired)
    rows = simulated.address_list.find(list="hradlo-suspended")
    simulated.address_list.delete(rows[0])
    simulated.address_list.set(rows[1], {"disabled": "yes"})
    simulated.address_list.set(rows[2], {"address": "is-no-address"})
    simulated.address_list.set(rows[3], {"list": "hradlo-notice"})
    await reach(driver, desired)

    assert plan(desired, await driver.observe()).is_empty


async def test_what_says_nothing_any_more_is_cleared_away_while_watching(
    simulated: Simulator, driver: RouterOsDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_module, "WATCH_SECONDS", 0)
    await reach(driver, Desired({ONE: LineState.SUSPENDED}))
    simulated.add(LISTS, list="hradlo-notice", address=str(ONE), comment="hradlo:v1:line")
    simulated.add(LISTS, list="hradlo-notice", address="no.such.name", comment="hradlo:v1:line")
    simulated.add(LISTS, list="hradlo-notice", address="10.9.9.9", comment="hradlo:v1:line", disabled="yes")
    await driver.observe()
    await watch(driver, until=lambda: not simulated.address_list.addresses("hradlo-notice"))

    assert simulated.address_list.addresses("hradlo-suspended") == [str(ONE)]


async def test_the_portal_in_the_garden_stays_allowed_when_the_garden_forgets_it(
    simulated: Simulator, driver: RouterOsDriver
) -> None:
    portal = Address.parse(str(ROUTER.notice_address))
    await reach(driver, Desired({}, frozenset({portal})))
    assert (await driver.observe()).garden == {portal}

    await reach(driver, Desired({}))
    observed = await driver.observe()
    assert (observed.garden, observed.is_installed) == (frozenset(), True)
    assert entry(simulated, "hradlo-allowed", portal)


async def test_ranges_and_names_of_others_in_our_lists_disturb_nobody(
    simulated: Simulator, driver: RouterOsDriver
) -> None:
    simulated.add(LISTS, list="hradlo-allowed", address="10.0.0.5-10.0.0.9")
    simulated.add(LISTS, list="hradlo-allowed", address="bank.example")
    await reach(driver, TWO_LINES)

    assert plan(TWO_LINES, await driver.observe()).is_empty


async def test_two_writers_end_in_what_the_last_one_wanted(simulated: Simulator) -> None:
    async with routeros_driver(simulated) as one, routeros_driver(simulated) as other:
        await reach(one, TWO_LINES)
        await other.observe()
        await reach(one, Desired({OTHER: LineState.SUSPENDED}))
        await other.apply(plan(TWO_LINES, await other.observe()))

        assert plan(TWO_LINES, await other.observe()).is_empty
        assert len(simulated.tables[FILTER].find(comment="hradlo:v1:jump-out")) == 1


# The rules


async def test_the_jumps_stand_above_fasttrack_and_below_its_dummy_rule(
    simulated: Simulator, driver: RouterOsDriver
) -> None:
    await reach(driver, TWO_LINES)
    forward = [
        row.values.get("comment", row.values["action"]) for row in simulated.tables[FILTER].find(chain="forward")
    ]

    assert forward == [
        "special dummy rule to show fasttrack counters",
        "hradlo:v1:jump-out",
        "hradlo:v1:jump-in",
        "fasttrack-connection",
        "theirs",
    ]


@pytest.mark.parametrize("comment", ["hradlo:v1:jump-in", "hradlo:v1:out-reset", "hradlo:v1:web-notice"])
async def test_a_rule_that_somebody_took_away_is_missed_and_written_again(
    simulated: Simulator, driver: RouterOsDriver, comment: str
) -> None:
    await reach(driver, TWO_LINES)
    for path in (FILTER, NAT):
        for row in simulated.tables[path].find(comment=comment):
            simulated.tables[path].remove(row)
    assert not (await driver.observe()).is_installed

    await reach(driver, TWO_LINES)
    assert (await driver.observe()).is_installed


async def test_a_router_that_shows_rules_otherwise_than_they_were_written_is_an_error_once_and_no_endless_writing(
    simulated: Simulator, driver: RouterOsDriver
) -> None:
    def spoil(router: Simulator) -> None:
        for row in router.tables[NAT].find(comment="hradlo:v1:web-notice"):
            router.tables[NAT].set(row, {"to-ports": "1"})

    simulated.faults.inject(faults.Meanwhile(spoil), on="/ip/firewall/nat/print", skip=1)

    with pytest.raises(DriverError, match="does not show our rules as they were written"):
        await reach(driver, TWO_LINES)


async def test_a_set_up_says_what_it_would_write_and_then_writes_just_that(
    simulated: Simulator, driver: RouterOsDriver
) -> None:
    planned = [f"{command.path}/{command.verb}" for command in await driver.planned_setup()]
    assert simulated.writes == []
    await driver.set_up()

    assert sorted(command.path for command in simulated.writes) == sorted(planned)
    assert await driver.planned_setup() == []


async def test_a_router_without_ipv6_enforces_ipv4_and_is_content() -> None:
    async with running(Simulator(profile="6.49", has_ipv6=False)) as simulated, routeros_driver(simulated) as driver:
        await reach(driver, TWO_LINES)

        assert plan(TWO_LINES, await driver.observe()).is_empty
        assert await driver.look_at([ONE, HOME]) == TWO_LINES.lines


async def test_ipv6_may_be_switched_off_for_a_router_that_has_it(simulated: Simulator) -> None:
    async with routeros_driver(simulated, replace(ROUTER, has_ipv6=False)) as driver:
        await reach(driver, TWO_LINES)

        assert await driver.look_at([ONE, HOME]) == TWO_LINES.lines
    assert not [command for command in simulated.commands if "ipv6" in command.path]


# Connections


def connection(router: Simulator, source: str, destination: str, *, is_fasttracked: bool = True) -> None:
    values = {"src-address": source, "dst-address": destination, "fasttrack": str(is_fasttracked).lower()}
    router.tables["/ip/firewall/connection"].appear(values, "")


async def test_fasttracked_connections_of_a_line_end_when_it_is_suspended(
    simulated: Simulator, driver: RouterOsDriver
) -> None:
    connection(simulated, "100.64.0.10:51000", "198.51.100.1:443")
    connection(simulated, "198.51.100.1:443", "100.64.0.10:51001")
    connection(simulated, "100.64.0.11:51000", "198.51.100.1:443")
    connection(simulated, "100.64.0.10:51002", "198.51.100.1:443", is_fasttracked=False)
    applied = await reach(driver, Desired({ONE: LineState.SUSPENDED}))

    assert applied.flows_ended == 2
    assert len(simulated.tables["/ip/firewall/connection"]) == 2
    assert (await reach(driver, Desired({ONE: LineState.SUSPENDED, OTHER: LineState.NOTICE}))).flows_ended == 0


async def test_connections_end_though_the_router_breaks_off_its_list_of_them(
    simulated: Simulator, driver: RouterOsDriver
) -> None:
    await reach(driver, Desired({}))
    for port in range(8):
        connection(simulated, f"100.64.0.10:{port}", "198.51.100.1:443")
    simulated.faults.inject(faults.Halfway(), on="/connection/print")

    applied = await reach(driver, Desired({ONE: LineState.SUSPENDED}))

    assert applied.flows_ended == 8
    assert len(simulated.tables["/ip/firewall/connection"]) == 0


async def test_connections_that_could_not_be_ended_are_ended_later_and_the_line_is_suspended_all_the_same(
    simulated: Simulator, driver: RouterOsDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_module, "WATCH_SECONDS", 0)
    connection(simulated, "100.64.0.10:51000", "198.51.100.1:443")
    simulated.faults.inject(faults.Trap("failure: too busy"), on="/ip/firewall/connection/print")
    applied = await reach(driver, Desired({ONE: LineState.SUSPENDED}))
    assert entry(simulated, "hradlo-suspended", ONE)
    assert "open connections were not all ended" in applied.notes[0]

    await driver.observe()
    await watch(driver, until=lambda: len(simulated.tables["/ip/firewall/connection"]) == 0)


async def test_connections_end_though_the_answer_to_the_suspension_was_lost(
    simulated: Simulator, driver: RouterOsDriver
) -> None:
    await reach(driver, Desired({}))
    connection(simulated, "100.64.0.10:51000", "198.51.100.1:443")
    simulated.faults.inject(faults.Reset(), on="address-list/add")
    await reach(driver, Desired({ONE: LineState.SUSPENDED}))

    assert len(simulated.tables["/ip/firewall/connection"]) == 0


async def test_connections_are_not_even_listed_where_nothing_is_fasttracked(
    driver: RouterOsDriver, simulated: Simulator
) -> None:
    for row in simulated.tables[FILTER].find(action="fasttrack-connection"):
        simulated.tables[FILTER].remove(row)
    await reach(driver, Desired({ONE: LineState.SUSPENDED}))

    assert not [command for command in simulated.commands if "connection" in command.menu.rpartition("/")[2]]


# Faults


@pytest.mark.parametrize(
    "fault",
    [
        faults.Reset(),
        faults.Reset(is_applied=False),
        faults.Reboot(),
        faults.Reboot(is_applied=False),
        faults.Fatal(),
        faults.Halfway(),
        faults.Trap("failure: already have such entry"),
        faults.Trap("no such item", 0),
        faults.Trap("not enough permissions (9)"),
        faults.TwoTraps(),
        faults.Trap("", None),
    ],
    ids=repr,
)
async def test_a_fault_at_any_command_is_healed_and_nothing_foreign_changes(fault: faults.Fault) -> None:
    """The engine's part is to try again: an error is one round lost."""
    goal = Desired({**many(3), ONE: LineState.NOTICE, HOME: LineState.SUSPENDED}, frozenset({BANK}))
    before = {
        **dict.fromkeys(list(many(6))[2:], LineState.SUSPENDED),
        ONE: LineState.SUSPENDED,
        OTHER: LineState.NOTICE,
    }
    for position in range(0, 90, 3):
        async with (
            running(Simulator(clock=TestClock(NOW))) as simulated,
            routeros_driver(simulated, breaker=Eager()) as driver,
        ):
            furnish(simulated)
            await reach(driver, Desired(before))
            foreign = foreign_of(simulated)
            simulated.tables[FILTER].remove(simulated.tables[FILTER].find(comment="hradlo:v1:out-reset")[0])
            simulated.faults.inject(fault, skip=position)
            await persist(driver, goal)

            assert foreign_of(simulated) == foreign
        if simulated.faults.pending:
            return  # there were no more commands
    pytest.fail("there seems to be no end of commands")


def foreign_of(router: Simulator) -> list[bytes]:
    """Without the rule that the router itself makes anew at each start."""
    return [line for line in router.foreign().splitlines() if b"special dummy rule" not in line]


async def persist(driver: RouterOsDriver, goal: Desired) -> None:
    """An engine that goes on."""
    for _ in range(6):
        try:
            if plan(goal, await driver.observe()).is_empty:
                return
            await reach(driver, goal)
        except DriverError:
            pass
    assert plan(goal, await driver.observe()).is_empty


async def test_a_removal_that_stops_half_way_is_finished_by_the_same_plan(
    simulated: Simulator, driver: RouterOsDriver
) -> None:
    await reach(driver, Desired(many(50)))
    simulated.faults.inject(faults.Halfway(), on="remove")
    await reach(driver, Desired({}))

    assert simulated.address_list.addresses("hradlo-suspended") == []


async def test_somebody_quicker_is_no_obstacle_for_the_same_plan(simulated: Simulator, driver: RouterOsDriver) -> None:
    """An earlier try of ours, whose answer was lost; and one of an entry that somebody takes away."""
    await reach(driver, Desired({OTHER: LineState.SUSPENDED}))

    def be_quicker(router: Simulator) -> None:
        router.add(LISTS, list="hradlo-notice", address=str(ONE), comment="hradlo:v1:line", disabled="yes")
        router.address_list.delete(router.address_list.find(list="hradlo-suspended", address=str(OTHER))[0])

    simulated.faults.inject(faults.Meanwhile(be_quicker), on="set")
    await reach(driver, Desired({ONE: LineState.NOTICE, OTHER: LineState.NOTICE}))
    observed = dict((await driver.observe()).lines)

    assert observed == {ONE: LineState.NOTICE, OTHER: LineState.NOTICE}


async def test_after_a_reboot_no_name_learned_before_it_is_used(simulated: Simulator, driver: RouterOsDriver) -> None:
    """The name of a row of ours may be another's by then."""
    await reach(driver, Desired(dict.fromkeys([*many(20), ONE], LineState.SUSPENDED)))
    simulated.reboot()
    foreign = foreign_of(simulated)
    await driver.apply(Plan(restores=(Change(ONE, LineState.SUSPENDED, LineState.OPEN),)))

    assert foreign_of(simulated) == foreign
    assert sorted(simulated.address_list.addresses("hradlo-suspended")) == sorted(map(str, many(20)))


async def test_a_right_that_is_missing_is_named_and_nothing_is_half_removed(
    simulated: Simulator, driver: RouterOsDriver
) -> None:
    group = simulated.tables["/user/group"].find(name="hradlo")[0]
    simulated.tables["/user/group"].set(group, {"policy": "read,api"})

    with pytest.raises(Refused, match=r"not enough permissions.*policies read, write and api"):
        await reach(driver, TWO_LINES)
    assert not (await driver.observe()).lines


async def test_an_unreachable_router_is_an_error_of_this_driver_alone(simulated: Simulator) -> None:
    simulated.is_up = False
    async with routeros_driver(simulated) as driver:
        with pytest.raises(RouterUnreachable, match="Router north is not reached"):
            await driver.observe()


async def test_another_router_at_the_same_address_is_not_emptied(simulated: Simulator, driver: RouterOsDriver) -> None:
    await reach(driver, Desired(many(100)))
    simulated.serial_number = "ANOTHER1234"
    simulated.drop_connections()
    observed = await driver.observe()

    with pytest.raises(DriverError, match=r"Another router answers for north.*ANOTHER1234.*100 of its 100 lines"):
        await driver.apply(plan(Desired({}), observed))
    with pytest.raises(DriverError, match="60 lines would be restricted"):
        await driver.apply(plan(Desired({**many(160)}), observed))
    await driver.apply(plan(Desired(dict(list(many(100).items())[:90])), observed))
    assert len((await driver.observe()).lines) == 90


# Watching


async def test_a_reboot_is_noticed(
    simulated: Simulator, driver: RouterOsDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_module, "WATCH_SECONDS", 0.01)
    await reach(driver, TWO_LINES)
    await watch(driver, until=lambda: bool(simulated.reboot()) or True)


async def test_a_rule_that_goes_is_noticed(
    simulated: Simulator, driver: RouterOsDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_module, "WATCH_SECONDS", 0.01)
    await reach(driver, TWO_LINES)
    simulated.tables[FILTER].remove(simulated.tables[FILTER].find(comment="hradlo:v1:jump-in")[0])

    async with asyncio.timeout(5):
        await driver.foreign_change()


async def watch(driver: RouterOsDriver, until: object) -> None:
    """Lets the driver watch until something has happened."""
    assert callable(until)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(driver.foreign_change())
        while not until() and not watching.done():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        watching.cancel()


# Counting


async def test_simple_queues_count_for_the_addresses_that_were_asked_for(
    simulated: Simulator, driver: RouterOsDriver
) -> None:
    queues = simulated.tables["/queue/simple"]
    for target, so_far in [
        ("100.64.0.10/32", "100/2000"),
        ("100.64.0.10/32", "5/5"),
        ("10.9.9.9/32,2001:db8:5600::/56", "7/70"),
        ("ether5", "1/1"),
    ]:
        row = simulated.add("/queue/simple", name=target, target=target)
        row.values["bytes"] = so_far
    assert len(queues) == 4
    counted = await driver.count([ONE, OTHER, HOME])

    assert counted.bytes_of == {ONE: (2000, 100), HOME: (70, 7)}
    assert counted.generation == "routeros/HF60900ABCD"


async def test_a_ppp_sessions_own_queue_counts_for_the_address_that_it_has(
    simulated: Simulator, driver: RouterOsDriver
) -> None:
    ppp_connected(simulated, "jana", str(ONE))
    transferred(simulated, "<pppoe-jana>", up=10, down=200)
    ppp_connected(simulated, "petr", "100.64.0.99")

    assert (await driver.count([ONE, OTHER])).bytes_of == {ONE: (200, 10)}


# Who has which address


async def test_leases_and_sessions_say_who_has_which_address_now(simulated: Simulator, driver: RouterOsDriver) -> None:
    lease_bound(simulated, "02:00:00:00:00:07", "100.64.0.20")
    gone = lease_bound(simulated, "02:00:00:00:00:08", "100.64.0.21")
    gone.values["status"] = "waiting"
    ppp_connected(simulated, "jana", "100.64.0.22")

    assert await driver.bindings() == {
        "dhcp:02:00:00:00:00:07": {Address.parse("100.64.0.20")},
        "ppp:jana": {Address.parse("100.64.0.22")},
    }


async def test_a_router_without_the_package_for_ppp_knows_of_no_sessions_and_says_the_rest(
    simulated: Simulator, driver: RouterOsDriver
) -> None:
    lease_bound(simulated, "02:00:00:00:00:07", "100.64.0.20")
    del simulated.tables["/ppp/active"]

    assert await driver.bindings() == {"dhcp:02:00:00:00:00:07": {Address.parse("100.64.0.20")}}
    assert (await driver.count([ONE])).bytes_of == {}
