"""Address lists as the manual describes them, seen through the API."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from config.clock import TestClock
from tests.routeros.simulator import Simulator, running
from tests.routeros.talker import Talker, talking
from tests.routeros.wire import encode

LIST = "/ip/firewall/address-list"
LIST_V6 = "/ipv6/firewall/address-list"


@pytest.fixture
async def router() -> AsyncIterator[Simulator]:
    async with running(Simulator(clock=TestClock(datetime(2026, 3, 1, 12, tzinfo=UTC)))) as running_router:
        yield running_router


async def added(talker: Talker, address: str, path: str = LIST, *more: str) -> list[list[str]]:
    return await talker.ask(f"{path}/add", "=list=a", f"=address={address}", *more)


def move(router: Simulator, **delta: float) -> None:
    assert isinstance(router.clock, TestClock)
    router.clock.advance(**delta)
    router.tick()


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("203.0.113.77", "203.0.113.77"),
        ("203.0.113.77/32", "203.0.113.77"),
        ("203.0.113.77/24", "203.0.113.0/24"),
        ("203.0.113.0-203.0.113.255", "203.0.113.0/24"),
        ("203.0.113.5-203.0.113.5", "203.0.113.5"),
        ("203.0.113.1-203.0.113.254", "203.0.113.1-203.0.113.254"),
        ("203.0.113.1-254", "203.0.113.1-254"),  # a name, of all things
    ],
)
async def test_an_ipv4_address_is_stored_in_one_form(
    router: Simulator, talker: Talker, given: str, stored: str
) -> None:
    await added(talker, given)

    assert router.address_list.addresses("a") == [stored]


@pytest.mark.parametrize(
    ("given", "stored"),
    [("2001:db8::1", "2001:db8::1/128"), ("2001:DB8:0::1/56", "2001:db8::/56")],
)
async def test_an_ipv6_address_is_stored_with_its_length(
    router: Simulator, talker: Talker, given: str, stored: str
) -> None:
    await added(talker, given, LIST_V6)

    assert router.address_list_v6.addresses("a") == [stored]


async def test_the_same_address_is_in_a_list_only_once(talker: Talker) -> None:
    await added(talker, "203.0.113.77/24")

    assert await added(talker, "203.0.113.0/24") == [["!trap", "=message=failure: already have such entry"], ["!done"]]


async def test_overlapping_prefixes_stand_side_by_side(router: Simulator, talker: Talker) -> None:
    await added(talker, "203.0.113.0/24")
    await added(talker, "203.0.113.7")

    assert router.address_list.addresses("a") == ["203.0.113.0/24", "203.0.113.7"]


async def test_what_is_no_address_is_a_name_and_matches_what_it_resolves_to(router: Simulator, talker: Talker) -> None:
    router.world.names["bank.example"] = ["192.0.2.1", "192.0.2.2"]

    await added(talker, "bank.example")

    rows = router.address_list.find(dynamic="true")
    assert [row.values["address"] for row in rows] == ["192.0.2.1", "192.0.2.2"]
    answer = await talker.ask(f"{LIST}/remove", f"=.id={rows[0].id}")
    assert answer[0] == ["!trap", "=message=failure: can not remove dynamic"]


async def test_an_entry_with_a_timeout_shows_what_is_left_and_goes(router: Simulator, talker: Talker) -> None:
    await added(talker, "203.0.113.7", LIST, "=timeout=1d")
    move(router, hours=1)

    [row, _] = await talker.ask(f"{LIST}/print", "=.proplist=timeout,dynamic")
    assert row == ["!re", "=timeout=23h", "=dynamic=true"]

    move(router, hours=23)
    assert router.address_list.addresses("a") == []


async def test_a_timeout_set_anew_counts_from_now(router: Simulator, talker: Talker) -> None:
    await added(talker, "203.0.113.7", LIST, "=timeout=1h")
    move(router, minutes=30)
    await talker.ask(f"{LIST}/set", "=.id=*1", "=timeout=1h")
    move(router, minutes=45)

    assert router.address_list.addresses("a") == ["203.0.113.7"]


async def test_no_timeout_is_longer_than_35_weeks(talker: Talker) -> None:
    answer = await added(talker, "203.0.113.7", LIST, "=timeout=36w")

    assert answer[0][:2] == ["!trap", "=category=1"]


async def test_set_list_moves_an_entry_and_keeps_its_id(router: Simulator, talker: Talker) -> None:
    await added(talker, "203.0.113.7")
    await talker.ask(f"{LIST}/set", "=.id=*1", "=list=b")

    entry = router.address_list.at("b", "203.0.113.7")
    assert entry is not None
    assert entry.id == "*1"
    assert router.address_list.addresses("a") == []


async def test_an_entry_is_not_moved_onto_another_one(router: Simulator, talker: Talker) -> None:
    await added(talker, "203.0.113.7")
    await talker.ask(f"{LIST}/add", "=list=b", "=address=203.0.113.7")

    answer = await talker.ask(f"{LIST}/set", "=.id=*2", "=list=a")

    assert answer[0] == ["!trap", "=message=failure: already have such entry"]
    assert router.address_list.addresses("b") == ["203.0.113.7"]


async def test_remove_of_several_stops_at_the_first_missing_one(router: Simulator, talker: Talker) -> None:
    for last in range(1, 4):
        await added(talker, f"203.0.113.{last}")

    answer = await talker.ask(f"{LIST}/remove", "=.id=*1,*99,*3")

    assert answer[0] == ["!trap", "=category=0", "=message=no such item"]
    assert router.address_list.addresses("a") == ["203.0.113.2", "203.0.113.3"]


async def test_after_a_reboot_static_entries_are_there_under_other_ids(router: Simulator, talker: Talker) -> None:
    await added(talker, "203.0.113.1", LIST, "=timeout=1d")
    await added(talker, "203.0.113.2")

    router.reboot()

    [row] = router.address_list
    assert (row.values["address"], row.id) == ("203.0.113.2", "*1")


async def test_an_id_is_never_used_again_between_reboots(router: Simulator, talker: Talker) -> None:
    await added(talker, "203.0.113.1")
    await talker.ask(f"{LIST}/remove", "=.id=*1")

    assert await added(talker, "203.0.113.1") == [["!done", "=ret=*2"]]


async def test_version_6_knows_no_argument_dynamic() -> None:
    async with running(Simulator(profile="6.49")) as router, talking(router) as talker:
        answer = await added(talker, "203.0.113.1", LIST, "=dynamic=yes")

    assert answer[0] == ["!trap", "=category=1", "=message=unknown parameter dynamic"]


async def test_a_comment_in_any_code_page_comes_back_as_it_was(router: Simulator, talker: Talker) -> None:
    talker.writer.write(encode([LIST.encode() + b"/add", b"=list=a", b"=address=192.0.2.1", b"=comment=M\xfcller"]))
    await talker.hear()

    assert router.address_list.find(list="a")[0].values["comment"].encode("utf-8", "surrogateescape") == b"M\xfcller"
