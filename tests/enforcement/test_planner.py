"""The planner and what a plan leads to are each other's proof."""

from hypothesis import given
from hypothesis import strategies as st

from enforcement.planner import carried_out, plan, rebased, unapplied
from enforcement.state import Address, Desired, LineState, Observed

A, B, C = (Address.parse(f"10.0.0.{number}") for number in (1, 2, 3))
NET = Address.parse("2001:db8::/56")

addresses = st.one_of(
    st.builds(Address, st.binary(min_size=4, max_size=4), st.just(32)),
    st.builds(Address, st.sampled_from([bytes([32, 1, n, *[0] * 13]) for n in range(8)]), st.sampled_from([56, 64])),
    st.sampled_from([A, B, C, NET]),
)
gardens = st.frozensets(addresses, max_size=5)
desired_states = st.builds(Desired, st.dictionaries(addresses, st.sampled_from(LineState), max_size=20), gardens)
observed_states = st.builds(
    Observed,
    st.dictionaries(addresses, st.sampled_from([LineState.NOTICE, LineState.SUSPENDED]), max_size=20),
    gardens,
    st.booleans(),
)


@given(desired_states, observed_states)
def test_a_plan_carried_out_leads_to_what_was_desired(desired: Desired, observed: Observed) -> None:
    reached = carried_out(observed, plan(desired, observed))

    assert dict(reached.lines) == {a: s for a, s in desired.lines.items() if s is not LineState.OPEN}
    assert reached.garden == desired.garden
    assert reached.is_installed
    assert plan(desired, reached).is_empty


@given(desired_states, observed_states)
def test_restores_come_first_and_never_restrict(desired: Desired, observed: Observed) -> None:
    made = plan(desired, observed)

    assert all(change.after < change.before for change in made.restores)
    assert all(change.after > change.before for change in made.restrictions)
    assert made.changes[: len(made.restores)] == made.restores


@given(desired_states, observed_states, st.randoms())
def test_the_order_of_a_plan_does_not_depend_on_the_order_of_facts(
    desired: Desired, observed: Observed, randomness: object
) -> None:
    lines, seen = list(desired.lines.items()), list(observed.lines.items())
    randomness.shuffle(lines)  # type: ignore[attr-defined]
    randomness.shuffle(seen)  # type: ignore[attr-defined]
    shuffled = plan(Desired(dict(lines), desired.garden), Observed(dict(seen), observed.garden, observed.is_installed))

    assert shuffled == plan(desired, observed)
    assert shuffled.checksum == plan(desired, observed).checksum


@given(desired_states, observed_states, observed_states)
def test_a_rebased_plan_reaches_the_same_targets_from_elsewhere(
    desired: Desired, observed: Observed, elsewhere: Observed
) -> None:
    old = plan(desired, observed)
    reached = carried_out(elsewhere, rebased(old, elsewhere))

    for change in old.changes:
        assert reached.lines.get(change.address, LineState.OPEN) is change.after
    assert set(old.garden_added) <= reached.garden
    assert not set(old.garden_removed) & reached.garden


@given(desired_states, observed_states)
def test_nothing_of_a_plan_that_was_carried_out_is_unapplied(desired: Desired, observed: Observed) -> None:
    made = plan(desired, observed)

    assert unapplied(made, carried_out(observed, made)).is_empty


def test_what_an_observation_does_not_show_is_unapplied() -> None:
    made = plan(Desired({A: LineState.SUSPENDED, B: LineState.NOTICE}), Observed({}))
    missing = unapplied(made, Observed({B: LineState.NOTICE}))

    assert [str(change) for change in missing.changes] == ["10.0.0.1 open -> suspended"]


def test_going_from_suspended_to_notice_is_a_restore() -> None:
    made = plan(Desired({A: LineState.NOTICE}), Observed({A: LineState.SUSPENDED}))

    assert [str(change) for change in made.restores] == ["10.0.0.1 suspended -> notice"]
    assert made.restrictions == ()


def test_rules_that_are_not_ours_any_more_are_installed() -> None:
    assert plan(Desired({}), Observed({}, is_installed=False)).installs
    assert not plan(Desired({}), Observed({})).installs


def test_a_plan_is_printed_in_the_order_in_which_it_is_carried_out() -> None:
    observed = Observed({A: LineState.SUSPENDED}, frozenset({C}), is_installed=False)
    made = plan(Desired({NET: LineState.NOTICE, B: LineState.SUSPENDED}, frozenset({B})), observed)

    assert list(made.lines()) == [
        "install rules",
        "restore 10.0.0.1 suspended -> open",
        "restrict 10.0.0.2 open -> suspended",
        "restrict 2001:db8::/56 open -> notice",
        "garden + 10.0.0.2",
        "garden - 10.0.0.3",
    ]
