"""The rules on a router: what is written, in which order, and what of a router's rules is left alone."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcement.routeros.commands import Command, Row
from enforcement.routeros.router import MENUS, NAT, Router
from enforcement.routeros.rules import has_fasttrack, is_own, menus, removal, repair

ROUTER = Router("north", IPv4Address("192.0.2.80"), 8101)
FILTER, FILTER6 = MENUS[4].filter, MENUS[6].filter
Tables = dict[str, list[Row]]
_ids = count(1)


def row(**values: str) -> Row:
    return {".id": f"*{next(_ids):X}", **{name.replace("_", "-"): value for name, value in values.items()}}


def factory() -> Tables:
    """A router as MikroTik configures it, and with FastTrack."""
    return {
        NAT: [row(chain="srcnat", action="masquerade", out_interface="ether1")],
        FILTER: [
            row(chain="forward", action="passthrough", dynamic="true", comment="special dummy rule"),
            row(chain="input", action="accept", connection_state="established,related"),
            row(chain="forward", action="fasttrack-connection", connection_state="established,related"),
            row(chain="forward", action="accept", connection_state="established,related"),
        ],
        FILTER6: [row(chain="forward", action="accept", connection_state="established,related")],
    }


def carry_out(tables: Tables, commands: Sequence[Command]) -> None:
    """What a router does with them."""
    for command in commands:
        rows, given_ = tables[command.path], dict(command.arguments)
        if command.verb == "add":
            before = given_.pop("place-before", None)
            place = next((i for i, one in enumerate(rows) if one[".id"] == before), len(rows))
            rows.insert(place, {".id": f"*{next(_ids):X}", **given_})
            continue
        target = next(one for one in rows if one[".id"] == given_.get(".id", given_.get("numbers")))
        if command.verb == "set":
            target.update(given_)
            continue
        rows.remove(target)
        if command.verb == "move":
            rows.insert(next(i for i, one in enumerate(rows) if one[".id"] == given_["destination"]), target)


def installed(router: Router = ROUTER) -> Tables:
    tables = factory()
    carry_out(tables, repair(tables, router))
    return tables


def chain(tables: Tables, menu: str, name: str) -> list[str]:
    """The comments of its rules."""
    return [one.get("comment", one["action"]) for one in tables[menu] if one["chain"] == name]


def own(tables: Tables, comment: str, menu: str = FILTER) -> Row:
    return next(one for one in tables[menu] if one.get("comment") == f"hradlo:v1:{comment}")


def test_right_rules_need_nothing() -> None:
    assert repair(installed(), ROUTER) == []


def test_everything_is_built_before_a_jump_leads_into_it() -> None:
    commands = repair(factory(), ROUTER)
    jumps = [i for i, command in enumerate(commands) if command.arguments.get("action") == "jump"]

    assert len(jumps) == 4
    assert jumps == list(range(len(commands) - 4, len(commands)))


def test_the_jumps_stand_above_fasttrack_and_accept_and_below_dynamic_rules() -> None:
    assert chain(installed(), FILTER, "forward") == [
        "special dummy rule",
        "hradlo:v1:jump-out",
        "hradlo:v1:jump-in",
        "fasttrack-connection",
        "accept",
    ]


def test_a_suspended_line_reaches_the_allowed_only_and_is_refused_the_rest_loudly() -> None:
    rows = [one for one in installed()[FILTER] if one["chain"] in ("hradlo-out", "hradlo-in")]

    assert [(one["chain"], one["action"], one.get("protocol", "")) for one in rows] == [
        ("hradlo-out", "accept", ""),
        ("hradlo-out", "accept", "udp"),
        ("hradlo-out", "reject", "tcp"),
        ("hradlo-out", "reject", ""),
        ("hradlo-out", "drop", ""),
        ("hradlo-in", "accept", ""),
        ("hradlo-in", "accept", "udp"),
        ("hradlo-in", "drop", ""),
    ]
    assert own(installed(), "out-reset")["reject-with"] == "tcp-reset"


def test_answers_of_any_resolver_come_back_where_questions_may_go_out() -> None:
    """Otherwise a suspended line could ask and never hear."""
    tables = installed()

    assert own(tables, "out-dns")["dst-port"] == own(tables, "in-dns")["src-port"] == "53"


def test_named_resolvers_close_port_53_to_all_others() -> None:
    tables = installed(replace(ROUTER, resolvers=(IPv4Address("192.0.2.53"),)))

    assert not [one for one in tables[FILTER] if "dns" in one.get("comment", "")]


def test_plain_http_goes_to_this_routers_own_port_and_its_source_is_not_translated() -> None:
    tables = installed()
    sent = own(tables, "web-notice", NAT)

    assert (sent["to-addresses"], sent["to-ports"], sent["dst-port"]) == ("192.0.2.80", "8101", "80")
    assert sent["dst-address-list"] == "!hradlo-allowed"
    assert chain(tables, NAT, "srcnat") == ["hradlo:v1:source-suspended", "hradlo:v1:source-notice", "masquerade"]


def test_ipv6_of_a_line_in_notice_is_refused_on_port_80_so_that_browsers_turn_to_ipv4() -> None:
    refused = own(installed(), "web-notice", FILTER6)

    assert (refused["action"], refused["dst-port"], refused["src-address-list"]) == ("reject", "80", "hradlo-notice")


def test_a_router_without_ipv6_is_not_asked_for_it() -> None:
    router = replace(ROUTER, has_ipv6=False)

    assert menus(router) == [NAT, FILTER]
    assert {command.path for command in repair(factory(), router)} == {NAT, FILTER}


def test_comments_are_ascii() -> None:
    assert all(command.arguments["comment"].isascii() for command in repair(factory(), ROUTER))


@pytest.mark.parametrize("damaged", ["out-allowed", "out-reset", "in-drop"])
def test_a_damaged_chain_is_replaced_by_turning_the_jump(damaged: str) -> None:
    """Never mended in place: at no moment does a jump lead into half a chain, and at no moment is there none."""
    tables = installed()
    tables[FILTER].remove(own(tables, damaged))
    name = "hradlo-out" if damaged.startswith("out") else "hradlo-in"
    jump = own(tables, "jump-out" if damaged.startswith("out") else "jump-in")
    commands = repair(tables, ROUTER)
    turned = next(i for i, command in enumerate(commands) if command.verb == "set")
    carry_out(tables, commands)

    assert {command.verb for command in commands[:turned]} == {"add"}
    assert {command.verb for command in commands[turned + 1 :]} == {"remove"}
    assert jump["jump-target"] == f"{name}-2"
    assert chain(tables, FILTER, name) == []
    assert repair(tables, ROUTER) == []


def test_new_settings_are_a_new_chain_too() -> None:
    tables = installed()
    carry_out(tables, repair(tables, replace(ROUTER, resolvers=(IPv4Address("192.0.2.53"),))))

    assert own(tables, "jump-out")["jump-target"] == "hradlo-out-2"


def test_somebodys_rule_in_our_chain_is_left_behind_and_not_touched() -> None:
    tables = installed()
    intruder = row(chain="hradlo-out", action="accept", comment="let me in")
    tables[FILTER].insert(0, intruder)
    before = dict(intruder)
    carry_out(tables, repair(tables, ROUTER))

    assert own(tables, "jump-out")["jump-target"] == "hradlo-out-2"
    assert intruder in tables[FILTER]
    assert intruder == before


def test_a_rule_that_lets_through_above_the_jumps_is_passed_by_moving_them() -> None:
    tables = installed()
    tables[FILTER].insert(0, row(chain="forward", action="accept", comment="quick"))
    commands = repair(tables, ROUTER)
    carry_out(tables, commands)

    assert [command.verb for command in commands] == ["move", "move"]
    assert set(chain(tables, FILTER, "forward")[:2]) == {"hradlo:v1:jump-out", "hradlo:v1:jump-in"}
    assert repair(tables, ROUTER) == []


@pytest.mark.parametrize("action", ["drop", "reject", "log", "passthrough", "add-src-to-address-list"])
def test_a_rule_that_lets_nothing_through_may_stand_above_them(action: str) -> None:
    tables = installed()
    tables[FILTER].insert(0, row(chain="forward", action=action))

    assert repair(tables, ROUTER) == []


def test_a_jump_above_them_matters_only_when_its_chain_lets_something_through() -> None:
    tables = installed()
    tables[FILTER].insert(0, row(chain="forward", action="jump", jump_target="virus"))
    tables[FILTER].append(row(chain="virus", action="drop"))
    assert repair(tables, ROUTER) == []

    tables[FILTER].append(row(chain="virus", action="accept"))
    assert {command.verb for command in repair(tables, ROUTER)} == {"move"}


def test_a_disabled_rule_of_somebody_matters_to_nobody() -> None:
    tables = installed()
    tables[FILTER].insert(0, row(chain="forward", action="accept", disabled="true"))

    assert repair(tables, ROUTER) == []


def test_a_masquerade_above_our_exemption_is_passed_by_moving_it() -> None:
    tables = installed()
    tables[NAT].insert(0, row(chain="srcnat", action="masquerade"))
    carry_out(tables, repair(tables, ROUTER))

    assert chain(tables, NAT, "srcnat")[-1] == "masquerade"
    assert repair(tables, ROUTER) == []


def test_a_rule_that_was_switched_off_or_edited_is_written_anew() -> None:
    tables = installed()
    own(tables, "jump-in")["disabled"] = "true"
    own(tables, "web-notice", NAT)["to-ports"] = "9999"
    own(tables, "source-notice", NAT)["in-interface"] = "ether5"
    carry_out(tables, repair(tables, ROUTER))

    assert own(tables, "web-notice", NAT)["to-ports"] == "8101"
    assert repair(tables, ROUTER) == []


def test_duplicates_and_leftovers_of_ours_go_last() -> None:
    tables = installed()
    tables[FILTER].append(dict(own(tables, "jump-out"), **{".id": "*FFFF"}))
    tables[FILTER].append(row(chain="hradlo-out-7", action="drop", comment="hradlo:v1:out-drop"))
    tables[FILTER].append(row(chain="forward", action="drop", comment="hradlo:v0:something-old"))
    commands = repair(tables, ROUTER)
    carry_out(tables, commands)

    assert [command.verb for command in commands] == ["remove"] * 3
    assert repair(tables, ROUTER) == []


def test_a_removal_takes_the_jumps_first_and_only_what_is_ours() -> None:
    tables = installed()
    commands = removal(tables)
    leading = own(tables, "jump-out")[".id"], own(tables, "out-drop")[".id"]
    ids = [command.arguments[".id"] for command in commands]
    carry_out(tables, commands)

    assert ids.index(leading[0]) < ids.index(leading[1])
    assert [[one["action"] for one in rows] for rows in tables.values()] == [
        [one["action"] for one in rows] for rows in factory().values()
    ]


def test_fasttrack_is_found_unless_it_is_switched_off() -> None:
    rows = factory()[FILTER]
    assert has_fasttrack(rows)

    rows[2]["disabled"] = "true"
    assert not has_fasttrack(rows)


@given(
    st.lists(
        st.tuples(st.sampled_from(["remove", "disable", "move", "add", "copy", "edit"]), st.integers(0, 99)),
        max_size=12,
    )
)
def test_whatever_was_done_to_them_one_repair_makes_them_right_and_foreign_rules_stay(
    damages: list[tuple[str, int]],
) -> None:
    tables = installed()
    for kind, number in damages:
        damage(tables, kind, number)
    foreign = {menu: [dict(one) for one in rows if not is_own(one)] for menu, rows in tables.items()}
    carry_out(tables, repair(tables, ROUTER))

    assert repair(tables, ROUTER) == []
    assert {menu: [one for one in rows if not is_own(one)] for menu, rows in tables.items()} == foreign


def damage(tables: Tables, kind: str, number: int) -> None:
    """Somebody's hand in the rules, theirs and ours."""
    rows = tables[[NAT, FILTER, FILTER6][number % 3]]
    if not rows:
        return
    one = rows[number % len(rows)]
    if kind == "add":
        rows.insert(number % len(rows), row(chain="forward", action="accept"))
    elif kind == "remove" and is_own(one):
        rows.remove(one)
    elif kind == "disable" and is_own(one):
        one["disabled"] = "true"
    elif kind == "copy" and is_own(one):
        rows.append(dict(one, **{".id": f"*{next(_ids):X}"}))
    elif kind == "edit" and is_own(one):
        one["src-address"] = "10.9.9.9"
    elif kind == "move":
        rows.remove(one)
        rows.insert(number % (len(rows) + 1), one)
